//! Commands that only root may run, through `sudo -n`: never with a password, and never with more than the line in
//! sudoers says. What is missing is said as that line.

use crate::exec::{self, Command, End, Finished};
use crate::values::Secret;
use nix::unistd::{Uid, User};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Where Debian's sudo looks for programs (`secure_path`), in its order.
const SECURE_PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// The command that prints what is missing.
pub const PRINT: &str = "picoclaw-watchdog doctor --print-sudoers";

/// Runs a command as root, and gives how it ended. `needed` is all that its action runs so, for whoever has to allow
/// it.
///
/// # Errors
/// Why sudo did not even begin, with what a person has to do.
pub async fn run(argv: &[String], deadline: Duration, needed: &[Vec<String>]) -> Result<Finished, String> {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if no_new_privileges(&own) == Some(true) {
        return Err(FORBIDDEN.to_owned());
    }
    // -n: fail instead of asking for a password.
    let full = ["sudo", "-n", "--"].map(str::to_owned).into_iter().chain(argv.iter().cloned());
    // Its refusals are told apart by their words, which it would say in the language of the host.
    let env = vec![("LC_ALL".to_owned(), Secret::new("C"))];
    let finished = exec::run(&Command { env, ..Command::new(full, deadline) }).await;
    match refusal(&finished, needed) {
        Some(why) => Err(why),
        None => Ok(finished),
    }
}

const FORBIDDEN: &str = "sudo cannot work, because the hardening of our own unit forbids new privileges \
     (NoNewPrivileges): take that out of the unit, or let polkit allow it (picoclaw-watchdog doctor --print-polkit)";

/// Whether a process can never gain rights, by its `/proc/PID/status`; none when that does not say.
pub fn no_new_privileges(status: &str) -> Option<bool> {
    let value = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:"))?;
    Some(value.trim() == "1")
}

/// Why sudo did not begin; none when it did, whatever became of it.
fn refusal(finished: &Finished, needed: &[Vec<String>]) -> Option<String> {
    let said = |words: &str| finished.stderr.contains(words);
    match &finished.end {
        End::CouldNotStart { .. } => Some(format!("sudo is not there ({})", finished.end)),
        End::Exited { code: 1.. } if said("no new privileges") => Some(FORBIDDEN.to_owned()),
        End::Exited { code: 1.. }
            if said("password is required") || said("is not allowed to") || said("not in the sudoers") =>
        {
            let line = line(&user(), needed.iter().map(Vec::as_slice));
            Some(format!(
                "sudo asks for a password: sudoers lacks `{line}` ({PRINT} shows all that is missing)"
            ))
        }
        End::Exited { .. } | End::Signalled { .. } | End::TimedOut { .. } => None,
    }
}

/// The line of sudoers(5) that allows exactly these commands.
pub fn line<'c>(user: &str, commands: impl IntoIterator<Item = &'c [String]>) -> String {
    let commands: Vec<String> = commands.into_iter().map(command).collect();
    format!("{user} ALL=(root) NOPASSWD: {}", commands.join(", "))
}

/// We, as sudoers names us. In a name of other letters it would see an alias, a group or an end; a number is
/// always a number.
pub fn user() -> String {
    let uid = Uid::effective();
    named(User::from_uid(uid).ok().flatten().map(|user| user.name), uid)
}

fn named(name: Option<String>, uid: Uid) -> String {
    let plain = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c))
    };
    name.filter(plain).unwrap_or_else(|| format!("#{uid}"))
}

fn command(argv: &[String]) -> String {
    let (program, arguments) = argv.split_first().map_or(("", argv), |(first, rest)| (first, rest));
    let arguments = arguments.iter().map(|argument| quoted(argument));
    [quoted(&located(program))].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

/// sudoers wants whole paths. One that is not there is said to be where Debian would put it.
fn located(program: &str) -> String {
    if program.contains('/') {
        return program.to_owned();
    }
    let places = SECURE_PATH.map(|dir| format!("{dir}/{program}"));
    places.into_iter().find(|path| Path::new(path).exists()).unwrap_or(format!("/usr/bin/{program}"))
}

/// As sudoers wants a word: its own marks are taken for letters, and so are those of its patterns. A backslash is
/// both, and has to pass twice.
fn quoted(word: &str) -> String {
    let letter = |c: char| match c {
        '\\' => r"\\\\".to_owned(),
        ',' | ':' | '=' | '#' | ' ' | '\t' | '*' | '?' | '[' | ']' | '!' | '^' => format!("\\{c}"),
        c => c.to_string(),
    };
    word.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Stdio;

    fn argv(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn ended(code: i32, stderr: &str) -> Finished {
        Finished { end: End::Exited { code }, stdout: String::new(), stderr: stderr.to_owned() }
    }

    #[test]
    fn what_is_missing_is_said_as_the_line_to_add() {
        let restart = [argv("/bin/systemctl restart x.service")];
        for words in [
            "sudo: a password is required\n",
            "Sorry, user pico is not allowed to execute '/bin/id' as root on host.\n",
            "pico is not in the sudoers file.\n",
        ] {
            let why = refusal(&ended(1, words), &restart).unwrap();
            assert!(
                why.contains("NOPASSWD: /bin/systemctl restart x.service` (picoclaw-watchdog doctor"),
                "{why}"
            );
        }
        let why = refusal(&ended(1, "sudo: The \"no new privileges\" flag is set, which prevents"), &restart);
        assert!(why.unwrap().contains("NoNewPrivileges"));
        assert_eq!(refusal(&ended(1, "Job for x.service failed because"), &restart), None);
        assert_eq!(refusal(&ended(0, "sudo: unable to resolve host x"), &restart), None);
    }

    #[test]
    fn a_name_that_sudoers_would_misread_becomes_a_number() {
        let named = |name: &str| named(Some(name.to_owned()), Uid::from_raw(7));
        assert_eq!([named("pico"), named("_a-b.c1")], ["pico", "_a-b.c1"]);
        for name in ["ADMIN", "a b", "%wheel", "a,b", "#8", "", "1a"] {
            assert_eq!(named(name), "#7", "{name}");
        }
        assert_eq!(super::named(None, Uid::from_raw(7)), "#7");
    }

    #[test]
    fn the_kernel_says_whether_rights_can_be_gained() {
        assert_eq!(no_new_privileges("Name:\tx\nNoNewPrivs:\t1\nSeccomp:\t2\n"), Some(true));
        assert_eq!(no_new_privileges("NoNewPrivs:\t0\n"), Some(false));
        assert_eq!(no_new_privileges("Name:\tx\n"), None);
    }

    #[test]
    fn programs_are_found_where_sudo_looks() {
        assert_eq!(located("/opt/x"), "/opt/x");
        assert_eq!(located("no-such-program"), "/usr/bin/no-such-program");
        assert!(Path::new(&located("sh")).exists());
    }

    /// The judge is sudo's own; where it is not installed there is nothing to ask.
    #[test]
    fn visudo_takes_every_line() {
        let odd = [
            r"systemctl restart a\x2db@c:d.service",
            "tailscale funnel --bg --https=443 18791",
            "x a,b #c \"* !?[^]",
        ];
        let lines: Vec<String> = odd.iter().map(|text| line("#7", [&argv(text)[..]])).collect();
        assert_eq!(lines[0].matches('\\').count(), 5, "{lines:?}");
        let visudo = std::process::Command::new("/usr/sbin/visudo")
            .args(["-c", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let Ok(mut visudo) = visudo else { return };
        visudo.stdin.take().unwrap().write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
        assert!(visudo.wait().unwrap().success(), "{lines:?}");
    }
}

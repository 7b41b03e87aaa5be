//! The `tailscale` command, and `sudo` before it: this same program, called by those names. It finds its daemon
//! beside the socket that `--socket=` names, changes what is served there, and notes each call in `commands`.
//!
//! Control files, each a trap of the real one: `block` (says an address, and waits for ever), `exits-0` (says an
//! address, and has done nothing), `denied` (not without sudo), `password` (sudo wants one), `foreground` (somebody
//! holds the port in a terminal), `operator` (content: whom it obeys).

use crate::control::Control;
use crate::tailscaled::{HOST, served, status};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::thread;

/// How the command learns that sudo has called it.
const AS_ROOT: &str = "STAND_IN_AS_ROOT";
const VISIT: &str = "\nFunnel is not enabled on your tailnet.\nTo enable, visit:\n\n         https://login.tailscale.com/f/funnel?node=nStandIn\n";

/// Runs as one of the two, if this program was called by their names.
pub(crate) fn called() -> Option<Result<()>> {
    let name = std::env::args_os().next()?;
    match Path::new(&name).file_name()?.to_str()? {
        "tailscale" => Some(tailscale()),
        "sudo" => Some(sudo()),
        _ => None,
    }
}

fn sudo() -> Result<()> {
    let beside = std::env::args().next().context("a name")?;
    if Path::new(&beside).with_file_name("password").exists() {
        eprintln!("sudo: a password is required");
        exit(1);
    }
    let mut argv = std::env::args().skip(1).filter(|argument| argument != "-n");
    let program = argv.next().context("nothing to run")?;
    // It only lists what it would run, and that it would has been said.
    if program == "-l" {
        return Ok(());
    }
    Err(Command::new(program).args(argv).env(AS_ROOT, "1").exec().into())
}

fn tailscale() -> Result<()> {
    let mut argv: Vec<String> = std::env::args().skip(1).collect();
    let socket = argv.iter().position(|argument| argument.starts_with("--socket=")).context("--socket=")?;
    let socket = PathBuf::from(argv.remove(socket).trim_start_matches("--socket="));
    let directory = socket.parent().context("a directory")?.to_owned();
    let control = Control::new(Some(directory.display().to_string()));
    note(&directory, &argv)?;
    if UnixStream::connect(&socket).is_err() {
        fail(
            "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)",
        );
    }
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["status", "--json", "--peers=false"] => println!("{}", status(&control)),
        ["debug", "prefs"] => {
            println!("{}", json!({"OperatorUser": control.text("operator").unwrap_or_default()}))
        }
        ["funnel" | "serve", "status", "--json"] => println!("{}", some(served(&directory))),
        ["funnel", "--bg", "--yes", https, port] => publish(&control, &directory, https, port)?,
        ["funnel", https, "off"] => change(&control, &directory, &argv, |config| switch_off(config, https))?,
        ["funnel" | "serve", "reset"] => change(&control, &directory, &argv, |config| *config = json!({}))?,
        // As the real one: a misunderstanding is a success.
        _ => println!("USAGE\n  tailscale funnel <target>"),
    }
    Ok(())
}

fn publish(control: &Control, directory: &Path, https: &str, port: &str) -> Result<()> {
    if control.has("block") {
        println!("{VISIT}");
        loop {
            thread::park();
        }
    }
    if control.has("exits-0") {
        println!("{VISIT}");
        return Ok(());
    }
    if control.has("foreground") {
        let off = format!("tailscale funnel {https} off");
        fail(&format!(
            "background configuration already exists, use `{off}` to remove the existing configuration"
        ));
    }
    let argv = ["funnel", "--bg", "--yes", https, port].map(str::to_owned);
    change(control, directory, &argv, |config| switch_on(config, https, port))?;
    println!("Available on the internet:\n\nhttps://{HOST}/\n|-- proxy http://127.0.0.1:{port}\n");
    Ok(())
}

/// Changes what is served, if whoever asks may.
fn change(
    control: &Control,
    directory: &Path,
    argv: &[String],
    change: impl FnOnce(&mut Value),
) -> Result<()> {
    if control.has("denied") && std::env::var_os(AS_ROOT).is_none() {
        let hint = "To not require root, use 'sudo tailscale set --operator=$USER' once.";
        fail(&format!(
            "Access denied: serve config denied\n\nUse 'sudo tailscale {}'.\n{hint}",
            argv.join(" ")
        ));
    }
    let mut config = some(served(directory));
    change(&mut config);
    let new = directory.join("serve.json.new");
    fs::write(&new, config.to_string())?;
    Ok(fs::rename(new, directory.join("serve.json"))?)
}

fn switch_on(config: &mut Value, https: &str, port: &str) {
    let public = number(https);
    let at = format!("{HOST}:{public}");
    config["TCP"][&public] = json!({"HTTPS": true});
    config["Web"][&at]["Handlers"]["/"] = json!({"Proxy": format!("http://127.0.0.1:{port}")});
    config["AllowFunnel"][&at] = json!(true);
}

fn switch_off(config: &mut Value, https: &str) {
    let public = number(https);
    let at = format!("{HOST}:{public}");
    for (part, key) in [("TCP", &public), ("Web", &at), ("AllowFunnel", &at)] {
        if let Some(entries) = config[part].as_object_mut() {
            entries.remove(key);
        }
    }
}

fn number(https: &str) -> String {
    https.trim_start_matches("--https=").to_owned()
}

/// The command writes an empty configuration where the daemon says null.
fn some(config: Value) -> Value {
    if config.is_null() { json!({}) } else { config }
}

fn note(directory: &Path, argv: &[String]) -> Result<()> {
    let root = if std::env::var_os(AS_ROOT).is_some() { "sudo " } else { "" };
    let mut file = OpenOptions::new().create(true).append(true).open(directory.join("commands"))?;
    Ok(file.write_all(format!("{root}{}\n", argv.join(" ")).as_bytes())?)
}

fn fail(text: &str) -> ! {
    eprintln!("{text}");
    exit(1);
}

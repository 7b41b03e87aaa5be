//! What systemd hears from us: ready, how things are, that we are alive, that we stop. Where no systemd
//! listens, nothing is said. It must never be called from anywhere but the loop itself.

use sd_notify::NotifyState;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The longest status line worth showing.
const STATUS_CHARS: usize = 400;

/// The voice towards systemd.
#[derive(Debug)]
pub struct Heartbeat {
    ready: bool,
    /// Where it listens; none when nobody does.
    place: Option<OsString>,
    /// It stays, since to connect for each word would cost more than to say it.
    line: Option<UnixDatagram>,
}

impl Heartbeat {
    /// Tells systemd how long a silence means that we hang: whatever the unit says, a pace of `interval` and
    /// passes of at most `pass_max` must fit into it twice.
    pub fn new(interval: Duration, pass_max: Duration) -> Self {
        let mut voice = Self::to(env::var_os("NOTIFY_SOCKET"));
        if let Some(configured) = sd_notify::watchdog_enabled() {
            let needed = (interval + pass_max) * 2;
            let micros = u32::try_from(needed.max(configured).as_micros()).unwrap_or(u32::MAX);
            voice.say(&[NotifyState::WatchdogUsec(micros)]);
        }
        voice
    }

    fn to(place: Option<OsString>) -> Self {
        Self { ready: false, place, line: None }
    }

    /// A pass is complete; the first one makes us ready.
    pub fn beat(&mut self, status: &str) {
        let status = crate::values::one_line(status, STATUS_CHARS);
        let said = match self.ready {
            true => self.say(&[NotifyState::Status(&status), NotifyState::Watchdog]),
            false => self.say(&[NotifyState::Status(&status), NotifyState::Watchdog, NotifyState::Ready]),
        };
        self.ready |= said;
    }

    /// The configuration is being read again; [`Self::beat`] ends it.
    pub fn reloading(&mut self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.say(&[NotifyState::Reloading, now]);
            self.ready = false;
        }
    }

    /// We stop.
    pub fn stopping(&mut self) {
        self.say(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// Whether it was said. systemd notices by itself when it hears nothing; there is nobody else to tell.
    fn say(&mut self, states: &[NotifyState<'_>]) -> bool {
        let Some(place) = &self.place else { return true };
        let mut text = String::new();
        for state in states {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{state}");
        }
        let kept = self.line.take();
        // A systemd that was replaced may listen on another socket at the same place.
        let said = |line: &UnixDatagram| line.send(text.as_bytes()).is_ok();
        self.line = kept.filter(said).or_else(|| connect(place).ok().filter(said));
        self.line.is_some()
    }
}

/// Not blocking: a systemd that hangs reads nothing, and must not make us hang, too.
fn connect(place: &OsStr) -> io::Result<UnixDatagram> {
    let line = UnixDatagram::unbound()?;
    line.set_nonblocking(true)?;
    match place.as_bytes().strip_prefix(b"@") {
        Some(name) => line.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => line.connect(place)?,
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::remove_file;

    fn heard(systemd: &UnixDatagram) -> String {
        let mut text = [0; 1024];
        let length = systemd.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    #[test]
    fn ready_is_said_once_and_again_after_a_reload() {
        let name = format!("picoclaw-watchdog-test-{}", std::process::id());
        let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut voice = Heartbeat::to(Some(format!("@{name}").into()));
        voice.beat("all well");
        assert_eq!(heard(&systemd), "STATUS=all well\nWATCHDOG=1\nREADY=1\n");
        voice.beat("all\nwell");
        assert_eq!(heard(&systemd), "STATUS=all\\nwell\nWATCHDOG=1\n");
        voice.reloading();
        assert!(heard(&systemd).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        voice.beat("all well");
        assert!(heard(&systemd).ends_with("READY=1\n"));
        voice.stopping();
        assert_eq!(heard(&systemd), "STOPPING=1\nSTATUS=stopping\n");
    }

    #[test]
    fn a_systemd_that_hangs_is_not_waited_for_and_one_that_is_replaced_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("notify");
        let hung = UnixDatagram::bind(&place).unwrap();
        let mut voice = Heartbeat::to(Some(place.clone().into()));
        // More than any queue holds (net.unix.max_dgram_qlen), so that ready could not be said in the end.
        while voice.say(&[NotifyState::Watchdog]) {}
        voice.beat("all well");
        assert!(!voice.ready, "it must be said again");
        remove_file(&place).unwrap();
        let anew = UnixDatagram::bind(&place).unwrap();
        drop(hung);
        voice.beat("all well");
        assert!(heard(&anew).ends_with("READY=1\n"));
    }

    #[test]
    fn where_nobody_listens_nothing_is_said() {
        let mut voice = Heartbeat::to(None);
        voice.beat("all well");
        assert!(voice.ready && voice.line.is_none());
        let mut nowhere = Heartbeat::to(Some("/nonexistent/notify".into()));
        nowhere.beat("all well");
        assert!(!nowhere.ready);
    }
}

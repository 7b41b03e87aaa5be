//! Who listens on a port, and whether that is who ought to. A client with a connection there is nobody here.

use crate::probe::port::{Port, PortState, owners, user_of};
use crate::section::{Section, parse};
use crate::systemd::{belongs, unit_of};
use crate::values::UnitName;
use nix::unistd::{Uid, User};
use std::fmt;
use std::time::Duration;

/// How long connecting may take where the kernel does not say who listens; loopback answers in microseconds.
const CONNECT: Duration = Duration::from_secs(2);
/// What reading all of /proc may take on a machine that is swapping.
pub(super) const LOOK: Duration = Duration::from_secs(3);

/// Whose a listener ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rightful {
    /// A process of this unit, by its control group.
    Unit(UnitName),
    /// A process of this user.
    User(String),
}

impl Rightful {
    /// Reads `unit` or `user`, exactly one of which has to be there.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let unit = section.opt("unit", UnitName::parse);
        let user = section.opt("user", parse::filled);
        if section.has("unit") == section.has("user") {
            let hint = "write unit = \"x.service\" or user = \"www-data\"";
            section.error(&section.here(), "exactly one owner is needed", hint);
        }
        unit.map(Self::Unit).or(user.map(Self::User))
    }

    /// Whether this process is one of theirs, now.
    pub(super) fn owns(&self, pid: u32) -> bool {
        match self {
            Self::Unit(unit) => belongs(pid, unit) == Some(true),
            Self::User(name) => user_of(pid).is_some_and(|uid| name_of(uid) == *name),
        }
    }
}

impl fmt::Display for Rightful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(unit) => write!(f, "{unit}"),
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) inode: u32,
    /// The user who opened it.
    pub(super) user: String,
    /// The processes that hold it; none when they cannot be seen.
    pub(super) holders: Vec<Holder>,
}

/// A process that holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = user_of(self.pid).map_or("somebody".to_owned(), name_of);
        write!(f, "{} (pid {}, user {user}", self.name, self.pid)?;
        match unit_of(self.pid) {
            Some(unit) => write!(f, ", {unit})"),
            None => f.write_str(")"),
        }
    }
}

/// All that listens on a port.
///
/// # Errors
/// Why that is not known.
pub(super) async fn sockets(port: u16) -> Result<Vec<Socket>, String> {
    match (Port { port, timeout: CONNECT }).check().await {
        PortState::Closed => Ok(Vec::new()),
        PortState::Listening(found) if found.is_empty() => {
            Err(format!("somebody listens on port {port}, and the kernel does not say who"))
        }
        PortState::Listening(found) => Ok(found.iter().map(|one| socket(one.inode, one.uid)).collect()),
        PortState::Unknown { reason } => Err(reason),
    }
}

fn socket(inode: u32, uid: u32) -> Socket {
    let holders = owners(inode).into_iter().map(|owner| Holder { pid: owner.pid, name: owner.name });
    Socket { inode, user: name_of(uid), holders: holders.collect() }
}

fn name_of(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    async fn we_are_found_with_our_name_and_user() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // A child that another test starts has a copy of the socket until it becomes its program.
        let alone = async {
            loop {
                let found = sockets(port).await.unwrap();
                if found[0].holders.len() == 1 {
                    break found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(20), alone).await.unwrap();
        let me = name_of(Uid::effective().as_raw());
        assert_eq!((found.len(), found[0].user.as_str(), found[0].holders.len()), (1, me.as_str(), 1));
        assert_eq!(found[0].holders[0].pid, std::process::id());
        let told = found[0].holders[0].to_string();
        assert!(told.contains(&format!("(pid {}, user {me}", std::process::id())), "{told}");
        assert!(Rightful::User(me).owns(std::process::id()));
        assert!(!Rightful::User("no-such-user".to_owned()).owns(std::process::id()));
        assert!(!Rightful::Unit(UnitName::parse("no-such").unwrap()).owns(std::process::id()));
    }
}

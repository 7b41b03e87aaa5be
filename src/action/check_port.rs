//! Says who listens on a port, and changes nothing. It fails when nobody does, or not who ought to.

use super::listener::{LOOK, Rightful, Socket, sockets};
use crate::recovery::record::Outcome;
use crate::section::{Section, parse};
use std::time::Duration;

/// A port, and whose it ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPort {
    /// The TCP port.
    pub port: u16,
    /// Whose it ought to be.
    pub rightful: Rightful,
}

impl CheckPort {
    /// Reads `do.check-port = { … }`.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let port = section.need("port", parse::within(1..=u16::MAX));
        let rightful = Rightful::read(section);
        Some(Self { port: port?, rightful: rightful? })
    }

    /// The longest that it may take.
    pub fn timeout(&self) -> Duration {
        LOOK
    }

    /// Looks.
    pub async fn perform(&self) -> Outcome {
        match sockets(self.port).await {
            Ok(found) => self.judge(&found),
            Err(why) => Outcome::Failed(why),
        }
    }

    /// Several may share a port on different addresses; one that is theirs is enough.
    fn judge(&self, found: &[Socket]) -> Outcome {
        let Self { port, rightful } = self;
        let holders = || found.iter().flat_map(|socket| &socket.holders);
        if let Some(holder) = holders().find(|holder| rightful.owns(holder.pid)) {
            return Outcome::Done(format!("port {port} is held by {holder}"));
        }
        // Whose a socket is can be seen by all; which process holds it, by its user and root only.
        if let Rightful::User(user) = rightful
            && found.iter().any(|socket| socket.user == *user && socket.holders.is_empty())
        {
            return Outcome::Done(format!("port {port} is held by a process of user {user}"));
        }
        Outcome::Failed(match (holders().next(), found.first()) {
            (Some(stranger), _) => format!("port {port} is held by {stranger}, not by {rightful}"),
            (None, Some(socket)) => format!(
                "port {port} is held by a process of user {}, and only that user and root can see whether it is \
                 of {rightful}; write user = \"{}\" instead of unit",
                socket.user, socket.user
            ),
            (None, None) => format!("nobody listens on port {port}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::UnitName;
    use std::net::TcpListener;

    fn user(name: &str) -> Rightful {
        Rightful::User(name.to_owned())
    }

    #[tokio::test]
    async fn nobody_and_a_stranger_are_failures() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = sockets(port).await.unwrap()[0].user.clone();
        let mine = CheckPort { port, rightful: user(&me) };
        let Outcome::Done(told) = mine.perform().await else { panic!() };
        assert!(told.starts_with(&format!("port {port} is held by ")), "{told}");
        let Outcome::Failed(told) = (CheckPort { port, rightful: user("nobody") }).perform().await else {
            panic!()
        };
        assert!(told.ends_with("not by user nobody"), "{told}");
        assert_eq!(mine.judge(&[]), Outcome::Failed(format!("nobody listens on port {port}")));
    }

    #[test]
    fn an_unseen_process_has_a_user_all_the_same() {
        let found = [Socket { inode: 7, user: "postgres".to_owned(), holders: Vec::new() }];
        let judged = |rightful| CheckPort { port: 5432, rightful }.judge(&found);
        assert!(matches!(judged(user("postgres")), Outcome::Done(_)));
        let told = judged(Rightful::Unit(UnitName::parse("postgresql").unwrap()));
        assert!(told.detail().contains("write user = \"postgres\""), "{told:?}");
        assert!(matches!(judged(user("redis")), Outcome::Failed(_)));
    }
}

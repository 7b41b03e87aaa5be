//! Whether the mail server would take a message: it is greeted, the conversation made private and the password shown.
//! Then it is left again, and nothing is sent to anybody.

use super::Finding;
use crate::config::Config;
use crate::notify::Way;
use crate::notify::email::{Server, Trouble};
use std::time::Duration;
use tokio::time::timeout;

/// As long as handing over a message may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Asks the server; all recipients have the same.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let server = config.ways.values().find_map(|way| match way {
        Way::Email(email) => Some(&email.server),
        Way::Line(_) | Way::Webhook(_) | Way::File(_) => None,
    });
    let Some(server) = server else { return Vec::new() };
    let greeted = timeout(DEADLINE, greet(server)).await;
    vec![judge(server, greeted.unwrap_or_else(|_| Err(Trouble::Passing("no answer".to_owned()))))]
}

async fn greet(server: &Server) -> Result<(), Trouble> {
    server.open().await?.abort().await;
    Ok(())
}

fn judge(server: &Server, greeted: Result<(), Trouble>) -> Finding {
    let host = format!("{}:{}", server.host, server.port);
    match greeted {
        Ok(()) if server.user.is_empty() => {
            Finding::ok("email", format!("{host} takes mail from anybody here"))
        }
        Ok(()) => Finding::ok("email", format!("{host} knows {}", server.user)),
        Err(Trouble::ForGood(why)) => Finding::fail(
            "email",
            format!("{host} would take no mail: {why}"),
            "correct host, port, tls, user or password under [email]; many providers want a password made for programs",
        ),
        Err(Trouble::Passing(why)) => Finding::unknown("email", format!("{host} cannot be asked: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;
    use crate::notify::email::Tls;
    use crate::values::Secret;

    #[test]
    fn a_refusal_is_a_failure_and_silence_is_none() {
        let server = Server {
            host: "smtp.example.org".to_owned(),
            port: 587,
            tls: Tls::StartTls,
            ca: None,
            user: "me".to_owned(),
            password: Secret::new("hunter2"),
            from: "me@example.org".parse().unwrap(),
        };
        let grade = |greeted| judge(&server, greeted).grade;
        assert_eq!(grade(Ok(())), Grade::Ok);
        assert_eq!(grade(Err(Trouble::ForGood("535 no".to_owned()))), Grade::Fail);
        assert_eq!(grade(Err(Trouble::Passing("connection refused".to_owned()))), Grade::Unknown);
    }
}

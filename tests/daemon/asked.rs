//! Requests of people and a LINE that makes difficulties, as a watchdog meets them that was installed with make and runs
//! under a real user manager. Every single case stands in `kick` and `channel`.

use crate::channel::{assert_identical, told};
use crate::common::{Installation, Watched, wait_until};
use crate::kick::now;
use std::time::Duration;

const TOKEN: &str = "kick-token-of-the-tests";
const ENV: &str =
    "PICOCLAW_WATCHDOG_KICK_ENABLED=true\nPICOCLAW_WATCHDOG_KICK_TOKEN=kick-token-of-the-tests\n";
const STATE: &str = "/home/pico/.picoclaw/state/watchdog";
/// Every try but the first is 15 to 25 s after the one before; five machines may be busy at once.
const NEXT_TRY: Duration = Duration::from_secs(120);

/// Leaves a request as scripts do: beside its place, then renamed into it. Gives the answer.
fn ask(machine: &Watched, make: &str) -> String {
    let result = format!("{STATE}/kick_request.result");
    let script = format!("cd {STATE}; rm -f kick_request.result; umask 077; {make}; mv -T new kick_request");
    machine.user_ok(&["bash", "-euc", &script]);
    let found = || Some(machine.read(&result)).filter(|text| !text.is_empty());
    wait_until(NEXT_TRY, "the request is answered", found)
}

fn line(token: &str, epoch: u64) -> String {
    format!("echo 'restart_gateway|{token}|line:U1|{epoch}' > new")
}

/// What LINE answers from now on, once it has been asked so often.
fn line_answers(machine: &Watched, tries: usize, how: Option<&str>) {
    wait_until(NEXT_TRY, "LINE is asked", || (machine.pushes().len() >= tries).then_some(()));
    match how {
        Some(how) => machine.write("/home/pico/line/control/answer", how),
        None => _ = machine.user_ok(&["rm", "/home/pico/line/control/answer"]),
    }
}

#[test]
fn requests_and_answers_of_line_are_taken_for_what_they_are() {
    let Some(machine) = Watched::up("asked", &[], &Installation { env: ENV, ..Installation::default() })
    else {
        return;
    };
    line_answers(&machine, 0, Some("500"));
    let refused = ask(&machine, &line("wrong-token-0123456", now()));
    assert!(refused.contains("refused: wrong token"), "{refused}");
    line_answers(&machine, 1, Some("429-rate"));

    let late = ask(&machine, &line(TOKEN, now() - 121));
    assert!(late.contains("it expired"), "{late}");
    let perfect = format!("{}; mv new perfect; ln -s perfect new", line(TOKEN, now()));
    let linked = ask(&machine, &perfect);
    assert!(linked.contains("symbolic link"), "{linked}");
    let good = line(TOKEN, now());
    let done = ask(&machine, &good);
    assert!(done.contains("do restart-gateway now"), "{done}");
    let again = ask(&machine, &good);
    assert!(again.contains("it was accepted before"), "{again}");

    line_answers(&machine, 2, Some("close"));
    line_answers(&machine, 3, None);
    let log = machine.wait("LINE has taken it", |log| !log.lines(&["push_sent"]).is_empty());
    let pushes = machine.pushes();
    let tries = [(false, Some(500)), (false, Some(429)), (false, None), (true, Some(200))];
    assert_eq!(told(&pushes), tries, "{pushes:#?}");
    assert_identical(&pushes);
    assert!(pushes[0].body.contains("a kick with a wrong token was refused"), "{pushes:#?}");
    assert_eq!(log.attempts("gateway"), 1, "the good one: {}", log.0);
}

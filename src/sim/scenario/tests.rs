//! What the reader of scenarios takes, and what it says of everything else.

use super::*;
use crate::recovery::policy::*;
use crate::recovery::window::Window;
use crate::sim::fault::{Act, Cure, Fault, Wrong};

fn target(name: &str, unit: Option<&str>) -> TargetPolicy {
    let span = Duration::from_secs;
    TargetPolicy {
        name: Name::parse(name).unwrap(),
        unit: unit.map(str::to_owned),
        probes: Vec::new(),
        ladder: Vec::new(),
        window: Window { attempts: 3, per: span(600) },
        backoff: Vec::new(),
        reprobe: span(2),
        settle: span(60),
        start_allowance: span(180),
        start_bounds: (span(60), span(900)),
        cooldown: Duration::ZERO,
        severity: crate::recovery::policy::Severity::Critical,
        channels: None,
        external: false,
        stable_passes: 1,
        stable_for: span(600),
        half_open: Vec::new(),
        alert_after: span(300),
        depends_on: Vec::new(),
        keys: AlertKeys {
            limit: String::new(),
            attempt_failed: String::new(),
            failing: String::new(),
            not_ready: String::new(),
        },
    }
}

fn blueprint() -> Blueprint {
    let span = Duration::from_secs;
    Blueprint::of_policy(Policy {
        cadence: crate::recovery::cadence::Cadence::every(span(60)),
        reprobe: span(2),
        targets: vec![target("gateway", Some("g.service")), target("ollama", None)],
        alerts: AlertPolicy {
            channels: Vec::new(),
            fallback_after: span(900),
            cooldown: span(900),
            reminders: Vec::new(),
            lasting: span(1800),
            language: Language::En,
            manager: Manager::User,
            option: None,
            healed_often: Window { attempts: 5, per: span(86_400) },
            reserve_percent: 20,
            digest: false,
        },
        kicks: Window { attempts: 2, per: span(600) },
        hold_off: span(30),
        takes: Default::default(),
        offline_quorum: None,
    })
}

fn good(text: &str) -> Scenario {
    let read = read("s.toml", &format!("title = \"t\"\n{text}"), |_| Some(blueprint()));
    read.unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

fn bad(text: &str) -> Vec<String> {
    let read = read("s.toml", &format!("title = \"t\"\n{text}"), |_| Some(blueprint()));
    read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn an_event_is_read_with_all_that_belongs_to_it() {
    let scenario = good(
        "[[event]]\nat = \"90s\"\nlasts = \"1h\"\nevery = \"2h\"\ntarget = \"ollama\"\nis = \"down\"\n\
         answers = 502\ncured_by = \"nothing\"",
    );
    let fault = Fault::Down { answers: Wrong::Status(502), cured_by: Cure::Nothing };
    let hour = Duration::from_secs(3600);
    assert_eq!(
        scenario.events,
        [Event {
            at: Duration::from_secs(90),
            lasts: Some(hour),
            every: Some(2 * hour),
            act: Act::Target(Name::parse("ollama").unwrap(), fault),
        }]
    );
    let clock = good("[[event]]\nat = \"0s\"\nclock = \"-1h\"");
    assert_eq!(clock.events[0].act, Act::Clock(-3600));
}

#[test]
fn the_environment_reaches_the_configuration() {
    let mut seen = Over::default();
    let text = "title = \"t\"\nconfig = '''\na = 1\n'''\n[env]\nA = \"1\"";
    let made = read("s.toml", text, |over| {
        seen = over;
        Some(blueprint())
    });
    assert!(made.is_ok() && seen.env["A"] == "1");
    assert_eq!(seen.config.as_deref(), Some("a = 1\n"));
    assert!(read("s.toml", text, |_| None).is_err_and(|problems| problems.is_empty()));
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_a_hint() {
    let problems = bad("[[event]]\nat = \"9\"\ntarget = \"gatway\"\nis = \"crashed\"\n\
         [[event]]\nat = \"9s\"\ntarget = \"ollama\"\nis = \"hangin\"\n\
         [[event]]\nat = \"9s\"\nline = \"busy\"\nbus = \"gone\"\n\
         [expect]\nrestart = 1\nup_by = 3");
    let said = [
        "s.toml:3:6: error: event[0].at: \"9\" is not a duration",
        "did you mean gateway?",
        "did you mean hanging?",
        "exactly one subject is needed; write one of target, line",
        "expect.restart: unknown key; did you mean restarts?",
        "\"3\" is not a duration",
    ];
    for words in said {
        assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:#?}");
    }
    assert_eq!(problems.len(), said.len(), "{problems:#?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let units = bad("[[event]]\nat = \"1s\"\ntarget = \"ollama\"\nis = \"crashed\"");
    assert!(units[0].contains("ollama has no unit"), "{units:?}");
    let idle = bad("[[event]]\nat = \"1s\"\ntarget = \"gateway\"\nis = \"crashed\"\ntakes = \"3s\"");
    assert!(idle[0].contains("takes: unknown key"), "{idle:?}");
    let endless = bad("[[event]]\nat = \"1s\"\nbus = \"gone\"\nlasts = \"2h\"\nevery = \"1h\"");
    assert!(endless[0].contains("until it begins again"), "{endless:?}");
    let late = bad("[[event]]\nat = \"1s\"\nwatchdog = \"hung\"\nstep = 3");
    assert!(late[0].contains("step: unknown key"), "{late:?}");
    for garbage in ["[", "event = 3", "expect = []", "\u{0}", "[random]\ncrashed = \"1ms\""] {
        assert!(!bad(garbage).is_empty(), "{garbage}");
    }
}

#[test]
fn ranges_are_numbers_or_tables() {
    let scenario = good("[expect]\nrestarts = 1\nmessages = { max = 4 }\ncommands.min = 2\nno_action = true");
    let shown: Vec<String> = scenario.expect.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["restarts = 1", "commands at least 2", "messages at most 4", "actions = 0"]);
}

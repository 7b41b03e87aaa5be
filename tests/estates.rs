//! Scenarios over configurations of one's own: several targets, what depends on what, and who is told of it.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests may fail like tests.

use picoclaw_watchdog::command::simulate;
use picoclaw_watchdog::config::{SourceFile, Sources};

const LINE: &str =
    "[line]\nenabled = true\nto = \"U00000000000000000000000000000000\"\ntoken = \"simulated\"\n";

/// A target of this name with a unit of the same, and whatever else is said of it.
fn unit(name: &str, more: &str) -> String {
    format!(
        "[[target]]\nname = \"{name}\"\nunit = \"{name}.service\"\nladder = [{{ action = \"restart-{name}\" }}]\n{more}\n\
         [action.restart-{name}]\ndo.restart-unit = {{ unit = \"{name}.service\", timeout = \"20s\" }}\n"
    )
}

/// A probe that asks a target at a port of its own.
fn asks(port: u16, more: &str) -> String {
    let http = format!("{{ url = \"http://127.0.0.1:{port}/h\", expect = 200, timeout = \"5s\" }}");
    format!("[[target.probe]]\nname = \"health\"\ncheck.http = {http}\n{more}\n")
}

fn app_and(other: &str, more: &str) -> String {
    [LINE, other, &unit("app", &format!("{more}\n{}", asks(9, "fail_after = 2")))].concat()
}

fn event(at: &str, rest: &str) -> String {
    format!("[[event]]\nat = \"{at}\"\n{rest}\n")
}

/// What is expected and not met.
fn missed(configuration: &str, span: &str, events: &[String], expect: &str) -> Vec<String> {
    let toml = SourceFile { path: "w.toml".into(), text: configuration.to_owned(), mode: 0o600 };
    let sources = Sources { toml: Some(toml), home: "/home/pico".into(), ..Sources::default() };
    let text = format!("title = \"t\"\nfor = \"{span}\"\n{}\n[expect]\n{expect}\n", events.concat());
    let (scenario, blueprint) = simulate::read("s.toml", &text, sources).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    });
    let played = scenario.play(&blueprint, 1, scenario.span, |_| {});
    let missed = played.expected.iter().filter(|finding| !finding.met);
    missed.map(|finding| format!("{}: {}", finding.expected, finding.found)).collect()
}

const NOTHING: [&str; 0] = [];
const CRASHES: &str = "is = \"crashed\"\n";
const ANSWERS_401: &str = "is = \"down\"\nanswers = 401\ncured_by = \"nothing\"\n";

#[test]
fn a_repair_after_which_nothing_can_be_known_is_told_and_watched_at_the_usual_pace() {
    let events = [
        event("10m", &format!("target = \"app\"\n{CRASHES}")),
        event("10m", &format!("target = \"app\"\n{ANSWERS_401}")),
    ];
    let expect = "messages = { min = 1 }\ntold_by = \"10m\"\npasses = { max = 5000 }\nrestarts = 1";
    assert_eq!(missed(&app_and("", ""), "3d", &events, expect), NOTHING);
    let events = [event("10m", &format!("target = \"u\"\n{CRASHES}")), event("601s", "bus = \"gone\"")];
    let expect = "messages = { min = 1 }\npasses = { max = 5000 }";
    assert_eq!(missed(&[LINE, &unit("u", "")].concat(), "3d", &events, expect), NOTHING, "nor its unit");
}

#[test]
fn a_repair_after_which_nothing_can_be_known_keeps_no_other_from_being_repaired() {
    let events = [
        event("10m", &format!("target = \"one\"\n{CRASHES}")),
        event("10m", &format!("target = \"one\"\n{ANSWERS_401}")),
        event("1d", &format!("target = \"app\"\n{CRASHES}")),
    ];
    let two = app_and(&unit("one", &asks(8, "")), "");
    assert_eq!(missed(&two, "2d", &events, "restarts = 2"), NOTHING);
}

#[test]
fn a_crash_loop_that_ends_by_itself_is_over_where_nothing_can_be_done_about_it_too() {
    let configuration = [LINE, "[[target]]\nname = \"app\"\nunit = \"app.service\"\n", &asks(9, "")].concat();
    let loops = [
        "[target.app]\nrestarts_after = \"4s\"\n".to_owned(),
        event("10m", "lasts = \"14s\"\ntarget = \"app\"\nis = \"failing-to-start\""),
        event("10m", &format!("target = \"app\"\n{CRASHES}")),
    ];
    assert_eq!(missed(&configuration, "1d", &loops, "open = 0\nmessages = { max = 2 }"), NOTHING);
}

#[test]
fn a_crash_loop_is_not_over_because_a_run_is_healthy_for_some_seconds() {
    let loops = [
        "[target.app]\nrestarts_after = \"2s\"\n".to_owned(),
        event("10m", &format!("every = \"8s\"\ntarget = \"app\"\n{CRASHES}")),
    ];
    let expect = "messages = { min = 1 }\ntold_by = \"15m\"";
    assert_eq!(missed(&app_and("", ""), "2h", &loops, expect), NOTHING);
}

/// The database is known by its unit alone, and stands behind what depends on it.
fn app_on_db() -> String {
    format!("{}{}", app_and("", "depends_on = [\"db\"]"), unit("db", ""))
}

#[test]
fn what_died_together_is_repaired_in_the_order_of_its_needs() {
    let both = ["app", "db"].map(|name| event("10m", &format!("target = \"{name}\"\n{CRASHES}")));
    assert_eq!(missed(&app_on_db(), "1h", &both, "restarts = 2\nup_by = \"30s\""), NOTHING);
}

#[test]
fn what_needs_something_that_a_person_stopped_is_not_repaired_in_vain() {
    let down = "target = \"app\"\nis = \"down\"\nanswers = 503\ncured_by = \"nothing\"\nlasts = \"3h\"";
    let events = [event("1h", "target = \"db\"\nperson = \"stops\""), event("1h", down)];
    assert_eq!(missed(&app_on_db(), "6h", &events, "no_action = true"), NOTHING);
}

#[test]
fn what_failed_beside_something_that_is_well_again_is_asked_anew() {
    let source = format!("[[target]]\nname = \"u\"\n{}", asks(8, "fail_after = 5"));
    let blip = event("599s", "lasts = \"5s\"\ntarget = \"u\"\nis = \"down\"\ncured_by = \"nothing\"");
    let configuration = app_and(&source, "depends_on = [\"u\"]");
    assert_eq!(missed(&configuration, "1h", &[blip], "no_action = true"), NOTHING);
}

#[test]
fn a_cause_that_is_told_to_nobody_is_not_told_instead() {
    let cache = |severity: &str| format!("[[target]]\nname = \"cache\"\n{severity}\n{}", asks(8, ""));
    let down = event("10m", "target = \"cache\"\nis = \"down\"\ncured_by = \"nothing\"");
    let told = |severity: &str, expect: &str| {
        let configuration = app_and(&cache(severity), "depends_on = [\"cache\"]");
        missed(&configuration, "3d", std::slice::from_ref(&down), expect)
    };
    let of_the_app = "told_by = \"10m\"\nsays = \"app: down\"\nnever_says = \"cache: down\"";
    assert_eq!(told("severity = \"warning\"", of_the_app), NOTHING);
    assert_eq!(
        told("", "says = \"cache: down\"\nnever_says = \"app: down\""),
        NOTHING,
        "one cause, one message"
    );
}

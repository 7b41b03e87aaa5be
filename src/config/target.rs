//! Reads one `[[target]]` with its probes, and checks all that can be checked without the other tables.
//! Every number that may be left out has its default here, with its reason.

use crate::logscan::rule::Rule;
use crate::probe::Check;
use crate::probe::excuse::Excuse;
use crate::recovery::cadence::Cadence;
use crate::recovery::evidence::Name;
use crate::recovery::policy::{AlertKeys, ProbePolicy, Role, Severity, TargetPolicy};
use crate::recovery::window::Window;
use crate::section::parse::{self, written};
use crate::section::{Section, Spot};
use crate::values::UnitName;
use std::path::{Path, PathBuf};
use std::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The predecessor's budget: three restarts in ten minutes.
pub(super) const WINDOW: Window = Window { attempts: 3, per: seconds(600) };
/// The predecessor's waits before the first, second and third restart.
const BACKOFF: [Duration; 3] = [seconds(0), seconds(10), seconds(30)];
/// A restart without a unit to ask needs up to 20 s and more on a slow network; this is three times that.
const SETTLE: Duration = seconds(60);
/// The slowest start that was measured took 142 s to listen.
const START_ALLOWANCE: Duration = seconds(180);
/// A minute is given to every start, for a machine that swaps; a quarter of an hour is a start no more.
const START_BOUNDS: (Duration, Duration) = (seconds(60), seconds(900));
/// One pass may be luck, three are not.
const STABLE_PASSES: u32 = 3;
/// As long as the window: what comes back sooner is the same trouble.
const STABLE_FOR: Duration = seconds(600);
/// Four hopeless tries in the first two hours, then one an hour.
const HALF_OPEN: [Duration; 4] = [seconds(600), seconds(1200), seconds(2400), seconds(3600)];
/// A repair of its own accord is over by then; a person need not hear of it.
const ALERT_AFTER: Duration = seconds(300);
/// Less than this is a storm, whatever it is about.
const LEAST_REPROBE: Duration = Duration::from_millis(100);
/// One lost answer is weather, three in a row are not.
const FAIL_AFTER: u32 = 3;

/// Nothing that is kept alive is waited for longer than this.
const MOST: Duration = seconds(30 * 86_400);

/// What a target has to fit into.
pub(super) struct Frame<'a> {
    pub(super) home: &'a Path,
    pub(super) cadence: Cadence,
    pub(super) reprobe: Duration,
    pub(super) hold_off: Duration,
}

/// A target as it was read. Its policy lacks the ladder, since that needs the actions.
pub(super) struct Draft {
    pub(super) policy: TargetPolicy,
    pub(super) ladder: Vec<Step>,
    pub(super) questions: Vec<Question>,
    pub(super) unit: Option<UnitName>,
    pub(super) logs: Vec<PathBuf>,
    /// Who alone is told of it, as written.
    pub(super) channels: Option<Vec<String>>,
    /// Why it is switched off, if it is.
    pub(super) off: Option<String>,
    pub(super) spot: Spot,
    pub(super) depends_on: Spot,
    pub(super) told: Spot,
}

/// A rung that names an action.
pub(super) struct Step {
    pub(super) action: Name,
    pub(super) tries: u32,
    /// A ladder can have rungs by choice.
    pub(super) on: bool,
    pub(super) spot: Spot,
}

/// A probe; without a check or a rule when that could not be read.
pub(super) struct Question {
    pub(super) policy: ProbePolicy,
    pub(super) check: Option<Check>,
    /// What is looked for in logs, where nothing is asked.
    pub(super) rule: Option<Rule>,
    /// What is asked when that fails.
    pub(super) excuses: Vec<Excuse>,
    pub(super) off: Option<String>,
    pub(super) spot: Spot,
    pub(super) blame: Spot,
    /// Where the keys of the rule are.
    pub(super) keys: [(&'static str, Spot); 4],
}

/// Reads one target; none when it has no name, for then nothing can be said of it.
pub(super) fn read(section: &mut Section<'_>, frame: &Frame<'_>) -> Option<Draft> {
    let name = section.need("name", Name::parse);
    let off = section.switched_off();
    let unit = section.opt("unit", UnitName::parse);
    let questions = section.tables("probe", |probe| question(probe, frame));
    let policy = policy(section, name, unit.as_ref(), &questions, frame);
    let ladder = section.tables("ladder", step);
    let logs = section.list("logs", parse::path(frame.home)).unwrap_or_default();
    if !section.has("probe") && !section.has("unit") {
        section.error(&section.here(), "nothing is asked of it", "add a [[target.probe]] or a unit");
    }
    let channels = section.list("channels", parse::text);
    let policy = policy?;
    check_times(section, &policy);
    check_rules(section, &policy, &questions, &ladder);
    check_ladder(section, &ladder, policy.window);
    let unasked = !questions.is_empty() && unit.is_none() && policy.probes.is_empty();
    let off = off.or_else(|| unasked.then(|| "all its probes are switched off".to_owned()));
    let (spot, depends_on, told) =
        (section.spot("name"), section.spot("depends_on"), section.spot("channels"));
    Some(Draft { policy, ladder, questions, unit, logs, channels, off, spot, depends_on, told })
}

fn policy(
    section: &mut Section<'_>,
    name: Option<Name>,
    unit: Option<&UnitName>,
    questions: &[Question],
    frame: &Frame<'_>,
) -> Option<TargetPolicy> {
    let on = questions.iter().filter(|asked| asked.off.is_none());
    let policy = TargetPolicy {
        unit: unit.map(|unit| unit.as_str().to_owned()),
        probes: on.map(|asked| asked.policy.clone()).collect(),
        ladder: Vec::new(),
        window: window(section, "window", WINDOW),
        backoff: growing(section, "backoff", &BACKOFF),
        cooldown: section.or("cooldown", Duration::ZERO, parse::span(seconds(0)..=MOST)),
        severity: section.or("severity", Severity::Critical, Severity::parse),
        // By name, until the channels are known.
        channels: None,
        // In every interval it is asked anyway.
        reprobe: section
            .or("reprobe", frame.reprobe, parse::span(LEAST_REPROBE..=MOST))
            .min(frame.cadence.longest()),
        settle: section.or("settle", settle(questions), parse::span(seconds(1)..=MOST)),
        start_allowance: section.or(
            "start_allowance",
            START_ALLOWANCE,
            parse::span(seconds(0)..=seconds(3600)),
        ),
        start_bounds: start_bounds(section),
        external: section.or("external", is_external(questions), parse::flag),
        stable_passes: section.or("stable_passes", STABLE_PASSES, parse::within(1..=100)),
        stable_for: section.or("stable_for", STABLE_FOR, parse::span(seconds(1)..=MOST)),
        half_open: growing(section, "half_open", &HALF_OPEN),
        alert_after: section.or("alert_after", ALERT_AFTER, parse::span(seconds(0)..=MOST)),
        depends_on: section.list("depends_on", Name::parse).unwrap_or_default(),
        keys: keys(section, name.as_ref()),
        name: name?,
    };
    Some(policy)
}

/// What a rule has seen counts until its span is over, so that before nothing could tell whether a repair helped.
fn settle(questions: &[Question]) -> Duration {
    longest_rule(questions).map_or(SETTLE, |within| SETTLE.max(within + SETTLE / 2))
}

fn longest_rule(questions: &[Question]) -> Option<Duration> {
    questions.iter().filter_map(|asked| Some(asked.rule.as_ref()?.within)).max()
}

fn question(section: &mut Section<'_>, frame: &Frame<'_>) -> Option<Question> {
    let name = section.need("name", Name::parse);
    let off = section.switched_off();
    let role = section.or("role", Role::Liveness, role);
    // What stands in a log has happened, and asking again would not change it.
    let is_rule = section.has_within("check", "log");
    let fail_after = section.or("fail_after", if is_rule { 1 } else { FAIL_AFTER }, parse::within(1..=100));
    let pass_after = section.or("pass_after", 1, parse::within(1..=100));
    let arm_on_pass = section.or("arm_on_pass", false, parse::flag);
    let every = section.opt("every", parse::span(frame.cadence.shortest()..=MOST));
    let rule = is_rule.then(|| section.kind("check", &[("log", Rule::read)])).flatten();
    let check = (!is_rule).then(|| Check::read(section)).flatten();
    let excuses = Excuse::read_all(section);
    if let Some(check) = &check {
        check_pace(section, check, every);
        check_timeout(section, check, &excuses, frame);
        check_bounds(section, check, &excuses);
    }
    let least = check.as_ref().and_then(Check::needs_every);
    let policy = ProbePolicy { name: name?, role, fail_after, pass_after, arm_on_pass, every, least };
    let (spot, blame) = (section.spot("name"), section.spot("check.http.blame"));
    let keys =
        ["in", "pattern", "hits", "misses"].map(|key| (key, section.spot(&format!("check.log.{key}"))));
    Some(Question { policy, check, rule, excuses, off, spot, blame, keys })
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "liveness" => Ok(Role::Liveness),
        "readiness" => Ok(Role::Readiness),
        _ => Err(format!(
            "{text:?} is not a role; write liveness (may cause recovery) or readiness (only tells)"
        )),
    }
}

fn step(section: &mut Section<'_>) -> Option<Step> {
    let on = section.switched_off().is_none();
    let action = section.need("action", Name::parse);
    let tries = section.or("tries", 1, parse::within(1..=100));
    Some(Step { action: action?, tries, on, spot: section.spot("action") })
}

/// Reads `key = { attempts, per }`.
pub(super) fn window(section: &mut Section<'_>, key: &'static str, default: Window) -> Window {
    let read = section.table(key, |window| {
        let attempts = window.or("attempts", default.attempts, parse::within(1..=100));
        let per = window.or("per", default.per, parse::span(seconds(1)..=MOST));
        Some(Window { attempts, per })
    });
    read.unwrap_or(default)
}

/// What is asked beyond our own network, and only there, cannot be judged while we are offline.
fn is_external(questions: &[Question]) -> bool {
    let mut on = questions.iter().filter(|asked| asked.off.is_none()).peekable();
    on.peek().is_some() && on.all(|asked| asked.check.as_ref().is_some_and(Check::is_external))
}

/// What a learned start-up allowance keeps within.
fn start_bounds(section: &mut Section<'_>) -> (Duration, Duration) {
    let (floor, cap) = START_BOUNDS;
    let span = || parse::span(seconds(0)..=seconds(3600));
    let bounds =
        (section.or("start_allowance_min", floor, span()), section.or("start_allowance_max", cap, span()));
    if bounds.0 > bounds.1 {
        let what = format!("longer than start_allowance_max, which is {}", written(bounds.1));
        section.error(&section.spot("start_allowance_min"), what, "write less");
    }
    bounds
}

/// Reads a list of waits that may grow but not shrink.
pub(super) fn growing(section: &mut Section<'_>, key: &'static str, default: &[Duration]) -> Vec<Duration> {
    let spans = section.list(key, parse::span(seconds(0)..=MOST)).unwrap_or_else(|| default.to_vec());
    if spans.is_empty() {
        section.error(&section.spot(key), "the list is empty", "write at least one duration, like [\"10s\"]");
    }
    if !spans.is_sorted() {
        section.error(
            &section.spot(key),
            "the durations shrink",
            "write them from the shortest to the longest",
        );
    }
    spans
}

/// Alert keys are parts of file names in the state directory, hence names.
fn keys(section: &mut Section<'_>, target: Option<&Name>) -> AlertKeys {
    let target = target.map_or("target", Name::as_str);
    let defaults = ["limit", "restart_failed", "failing", "not_ready"].map(|key| format!("{target}_{key}"));
    let [limit, attempt_failed, failing, not_ready] = defaults;
    let default = AlertKeys { limit, attempt_failed, failing, not_ready };
    let key = |text: &str| Name::parse(text).map(|name| name.as_str().to_owned());
    let read = section.table("alerts", |alerts| {
        Some(AlertKeys {
            limit: alerts.or("limit", default.limit.clone(), key),
            attempt_failed: alerts.or("attempt_failed", default.attempt_failed.clone(), key),
            failing: alerts.or("failing", default.failing.clone(), key),
            not_ready: alerts.or("not_ready", default.not_ready.clone(), key),
        })
    });
    read.unwrap_or(default)
}

fn check_times(section: &Section<'_>, policy: &TargetPolicy) {
    let pace = pace(policy);
    if policy.settle < pace {
        let pace = written(pace);
        let what = format!("settle is over before the target is asked again, which is after {pace}");
        section.error(&section.spot("settle"), what, format!("write settle = \"{pace}\" or more"));
    }
    let proof = pace * policy.stable_passes;
    if policy.stable_for < proof {
        let what =
            format!("stable_for is shorter than {} passes at every {}", policy.stable_passes, written(pace));
        section.error(
            &section.spot("stable_for"),
            what,
            format!("write stable_for = \"{}\" or more", written(proof)),
        );
    }
}

/// What anybody can write into a log must not make us act, unless the configuration says that nobody can.
fn check_rules(section: &Section<'_>, policy: &TargetPolicy, questions: &[Question], ladder: &[Step]) {
    if let Some(within) = longest_rule(questions).filter(|within| policy.settle <= *within) {
        let what = format!("settle is over before the rule is, which looks back {}", written(within));
        let hint = format!("write settle = \"{}\" or more", written(within + SETTLE / 2));
        section.error(&section.spot("settle"), what, hint);
    }
    let acts = ladder.iter().any(|step| step.on);
    let liveness =
        questions.iter().filter(|asked| asked.policy.role == Role::Liveness && asked.off.is_none());
    for asked in liveness.filter(|asked| acts && asked.rule.as_ref().is_some_and(|rule| !rule.trusted)) {
        let what = "what stands in a log may have been written by an outsider, and this would act on it";
        let hint = "write trusted = true in check.log if that cannot be, or remove the ladder";
        section.error(&asked.keys[1].1, what, hint);
    }
}

/// How soon it is asked again when it is watched closely.
fn pace(policy: &TargetPolicy) -> Duration {
    let liveness = policy.probes.iter().filter(|probe| probe.role == Role::Liveness);
    let rarely = liveness.map(|probe| probe.every.unwrap_or(Duration::ZERO)).min();
    policy.reprobe.max(rarely.filter(|_| policy.unit.is_none()).unwrap_or(Duration::ZERO))
}

/// What costs somebody something is not asked in every pass.
fn check_pace(section: &Section<'_>, check: &Check, every: Option<Duration>) {
    let Some(least) = check.needs_every().filter(|least| every.is_none_or(|every| every < *least)) else {
        return;
    };
    let (spot, least) = (section.spot(if every.is_some() { "every" } else { "name" }), written(least));
    section.error(&spot, "it would be asked too often", format!("write every = \"{least}\", or more"));
}

/// The excuse is asked after the check, so both together have to fit.
fn check_timeout(section: &Section<'_>, check: &Check, excuses: &[Excuse], frame: &Frame<'_>) {
    // A second is left for all else that a pass does; less where the whole interval is short.
    let interval = frame.cadence.longest();
    let most = interval - (interval / 4).min(seconds(1));
    let spot = section.spot(&format!("check.{}.timeout", check.kind()));
    let both = check.timeout() + excuses.iter().map(|excuse| excuse.check.timeout()).sum::<Duration>();
    if both > most {
        let with_excuse = if !excuses.is_empty() { ", its excuse included," } else { "" };
        let (both, interval) = (written(both), written(interval));
        let what = format!("{both}{with_excuse} does not fit into the interval of {interval}");
        section.error(&spot, what, format!("write at most {}, or a longer interval", written(most)));
    }
    let Check::Http(http) = check else { return };
    if http.slow_after.is_some_and(|slow| slow >= http.timeout) {
        let what = "never reached, for the timeout comes first";
        section.warn(
            &section.spot("check.http.slow_after"),
            what,
            format!("write less than {}", written(http.timeout)),
        );
    }
}

/// An excuse can end only where it is told since when it is needed.
fn check_bounds(section: &Section<'_>, check: &Check, excuses: &[Excuse]) {
    if excuses.iter().any(|excuse| excuse.bound.is_some()) && !check.tells_overdue() {
        let what = "only check.object and the age of check.http tell for how long it has been too late";
        section.error(&section.spot("excuse.for"), what, "leave for out");
    }
}

/// A rung above the budget would look like a remedy and never be one.
fn check_ladder(section: &Section<'_>, ladder: &[Step], window: Window) {
    let mut tries = 0;
    for step in ladder.iter().filter(|step| step.on) {
        let below = tries;
        tries += step.tries;
        if tries > window.attempts {
            let reached = window.attempts.saturating_sub(below).min(step.tries);
            let what = format!(
                "only {reached} of the {} tries of {} can be reached, for the window allows {} attempts",
                step.tries, step.action, window.attempts
            );
            section.error(
                &step.spot,
                what,
                "raise window.attempts, or lower the tries of this rung or those below",
            );
            return;
        }
    }
}

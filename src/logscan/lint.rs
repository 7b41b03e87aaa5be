//! Finds what is dangerous about a rule before it can do harm: an expression that matches what it does not mean, what
//! we write ourselves, or almost everything. It only reports; the configuration decides what is refused.

use super::matcher::Single;
use super::rule::Rule;
use regex_syntax::hir::{Hir, HirKind};

/// Something about a rule that a person should mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key that it is about.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

/// Lines of ordinary days. A rule that takes one of them for a fault would act on nothing.
const INNOCENT: [&str; 14] = [
    "INFO the meeting room is booked, zoom link sent",
    "INFO support ticket already filed",
    "INFO report was already exported, import done",
    "INFO disk is 20% full",
    "INFO redis pool: connection established",
    "INFO SSL: certificate renewed, valid for 90 days",
    "INFO no error: 0 errors, 0 warnings",
    "INFO connect to ollama at 127.0.0.1:11434: connection refused, trying the next host",
    "127.0.0.1 - - [31/Jan/2026:14:30:00 +0900] \"GET /api/room/500 HTTP/1.1\" 200 4096 \"-\" \"curl/8.0\"",
    "127.0.0.1 - - [31/Jan/2026:14:30:00 +0900] \"GET /docs/Exception:%20handling HTTP/1.1\" 200 512 \"-\" \"x\"",
    "INFO: 127.0.0.1:54321 - \"GET /api/health HTTP/1.1\" 200 OK",
    "127.0.0.1 - - [31/Jan/2026 14:30:00] \"GET / HTTP/1.1\" 200 -",
    "{\"level\": \"info\", \"message\": \"cache warmed\", \"status\": 200, \"duration_ms\": 503}",
    "2026-01-31 14:30:15 - AutoFixDaemon - [INFO] - === 検知サイクル 1 開始 ===",
];

/// All that is wrong with a rule. `own` are texts that we write about it ourselves.
pub fn findings(rule: &Rule, own: &[String]) -> Vec<Finding> {
    let Ok(single) = Single::new(rule) else { return Vec::new() };
    let matches = |line: &str| single.counts(line);
    let mut found = samples(rule, &matches);
    found.extend(shape(&rule.pattern));
    let finding = |what: String, hint: &str| Finding { key: "pattern", what, hint: hint.to_owned() };
    if matches("") {
        found.push(finding("it matches the empty line".to_owned(), "write what has to be there"));
    }
    let innocent = INNOCENT.into_iter().filter(|line| matches(line));
    found.extend(innocent.map(|line| {
        finding(
            format!("it matches {line:?}, which is no fault"),
            "narrow it, with \\b or with what stands before",
        )
    }));
    if let Some(line) = own.iter().find(|line| matches(line)) {
        found.push(finding(
            format!("it matches what we write of it ourselves: {line:?}"),
            "narrow it, or rename the target",
        ));
    }
    found
}

/// Without an example for each side nobody has tried the rule.
fn samples(rule: &Rule, matches: &impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |key, what: String, hint: &str| found.push(Finding { key, what, hint: hint.to_owned() });
    // Whoever takes over patterns as they are has none, and hears enough of them.
    if rule.strict && rule.hits.is_empty() {
        say(
            "pattern",
            "no line is given that it must match".to_owned(),
            "add hits = ['…'], copied from a real log",
        );
    }
    if rule.strict && rule.misses.is_empty() {
        say(
            "pattern",
            "no line is given that it must not match".to_owned(),
            "add misses = ['…'], the most similar harmless one",
        );
    }
    for line in rule.hits.iter().filter(|line| !matches(line)) {
        say("hits", format!("it does not match {line:?}"), "mend the pattern, the exclusions or the sample");
    }
    for line in rule.misses.iter().filter(|line| matches(line)) {
        say("misses", format!("it matches {line:?}"), "mend the pattern, the exclusions or the sample");
    }
    found
}

/// What can be seen of the expression itself.
fn shape(text: &str) -> Vec<Finding> {
    let parser = || regex_syntax::ParserBuilder::new().unicode(false).utf8(false).multi_line(true).build();
    let Ok(tree) = parser().parse(text) else { return Vec::new() };
    let mut found = Vec::new();
    let mut say =
        |what: String, hint: &str| found.push(Finding { key: "pattern", what, hint: hint.to_owned() });
    if has_greedy_gap(&tree) {
        let what =
            "it has an unbounded gap like .*, which joins words that have nothing to do with each other";
        say(what.to_owned(), "bound the gap, like .{0,40}, or write what stands between");
    }
    let mut words = Vec::new();
    short_words(&tree, &mut words);
    for word in words {
        let what = format!("{word:?} is short and is found within longer words");
        say(what, &format!("write \\b{word}\\b"));
    }
    found
}

/// Whether anything at all, as often as it likes, may stand somewhere in it.
fn has_greedy_gap(tree: &Hir) -> bool {
    match tree.kind() {
        HirKind::Repetition(repetition) if repetition.max.is_none() && is_anything(&repetition.sub) => true,
        HirKind::Repetition(repetition) => has_greedy_gap(&repetition.sub),
        HirKind::Capture(capture) => has_greedy_gap(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_greedy_gap),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// A dot, or a class that leaves out a few bytes only.
fn is_anything(tree: &Hir) -> bool {
    const NEARLY_ALL: usize = 200;
    match tree.kind() {
        HirKind::Class(regex_syntax::hir::Class::Bytes(class)) => {
            class.iter().map(|range| usize::from(range.end() - range.start()) + 1).sum::<usize>()
                >= NEARLY_ALL
        }
        HirKind::Capture(capture) => is_anything(&capture.sub),
        HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Concat(_)
        | HirKind::Alternation(_) => false,
    }
}

/// Alternatives that are nothing but a short word, like the `OOM` that is found in "room".
fn short_words(tree: &Hir, found: &mut Vec<String>) {
    const SHORT: usize = 4;
    match tree.kind() {
        HirKind::Alternation(parts) => parts.iter().for_each(|part| short_words(part, found)),
        HirKind::Capture(capture) => short_words(&capture.sub, found),
        HirKind::Literal(literal)
            if literal.0.len() <= SHORT && literal.0.iter().all(u8::is_ascii_alphabetic) =>
        {
            found.push(String::from_utf8_lossy(&literal.0).into_owned());
        }
        HirKind::Literal(_)
        | HirKind::Empty
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Concat(_) => {}
    }
}

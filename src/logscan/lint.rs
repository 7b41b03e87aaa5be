//! Finds what is dangerous about a rule before it can do harm: an expression that matches what it does not mean, what
//! we write ourselves, or almost everything. It only reports; the configuration decides what is refused.

use super::engine;
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

/// As many lines show where to narrow a pattern; more would only hide the other findings.
const SHOWN: usize = 3;

/// Lines of ordinary days. A rule that takes one of them for a fault would act on nothing.
const INNOCENT: [&str; 18] = [
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
    // The last of it is whatever a visitor calls himself.
    "203.0.113.9 - - [31/Jan/2026:14:30:00 +0900] \"GET / HTTP/1.1\" 200 512 \"-\" \"HTTP/1.1 404 HTTP/1.1 500\"",
    "git@github.com: Permission denied (publickey).",
    "INFO no such file or directory yet at cache/index.json, so it was made",
    "INFO using json.decoder of the standard library",
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
    let innocent = INNOCENT.into_iter().filter(|line| matches(line)).take(SHOWN);
    found.extend(innocent.map(|line| {
        finding(
            format!("it matches {line:?}, which is no fault"),
            "narrow it, with \\b or with what stands before",
        )
    }));
    found.extend(misses_access_lines(&matches));
    if let Some(line) = own.iter().find(|line| matches(line)) {
        found.push(finding(
            format!("it matches what we write of it ourselves: {line:?}"),
            "narrow it, or rename the target",
        ));
    }
    found
}

/// Whoever looks for the status of an answer means the log of a server, and there a quote stands before it.
fn misses_access_lines(matches: &impl Fn(&str) -> bool) -> Option<Finding> {
    let status = (100..600).find(|status| matches(&format!("HTTP/1.1 {status} Status")))?;
    let common = format!("192.0.2.1 - - [31/Jan/2026:14:30:00 +0900] \"GET / HTTP/1.1\" {status} 512");
    let is_met = matches(&common) || matches(&format!("{common} \"-\" \"curl/8.0\""));
    let finding = || Finding {
        key: "pattern",
        what: format!("it matches HTTP/1.1 {status}, but no access line, such as {common:?}"),
        hint: "write the quote between version and status, like HTTP/[0-9.]{1,3}\" 5[0-9]{2}".to_owned(),
    };
    (!is_met).then(finding)
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
    let Ok(tree) = engine::as_written(text) else { return Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::evidence::Name;
    use std::time::Duration;

    /// A rule that somebody has tried, but for its pattern.
    fn rule(pattern: &str) -> Rule {
        Rule {
            logs: vec![Name::parse("app").unwrap()],
            pattern: pattern.to_owned(),
            exclude: Vec::new(),
            least: 1,
            within: Duration::from_secs(60),
            trusted: false,
            strict: true,
            hits: Vec::new(),
            misses: vec!["all is well".to_owned()],
        }
    }

    /// What is said of the shape of a pattern, short.
    fn shape_of(pattern: &str) -> Vec<String> {
        assert!(Single::new(&rule(pattern)).is_ok(), "{pattern}");
        let short = |finding: Finding| match finding.what.split_once(" is short") {
            Some((word, _)) => word.to_owned(),
            None if finding.what.contains("unbounded gap") => "gap".to_owned(),
            None => finding.what,
        };
        shape(pattern).into_iter().map(short).collect()
    }

    #[test]
    fn nothing_is_said_of_a_good_rule() {
        let good =
            Rule { hits: vec!["x OSError: [Errno 28] y".to_owned()], ..rule(r"OSError: \[Errno 28\]") };
        assert_eq!(findings(&good, &["level=ERROR target=disk".to_owned()]), []);
    }

    #[test]
    fn a_gap_without_a_bound_is_found_wherever_it_stands() {
        for pattern in [
            "disk.*full",
            "disk.+full",
            "disk.*?full",
            "disk.{3,}full",
            r"disk[\s\S]*full",
            r#"GET "[^"]*" failed"#,
            "(disk (is|was) .*)? full",
            "either|disk(.*)full",
            "(?:disk(?:.)*){2}",
            "(?i)disk.*full",
            // What only Python writes is read like the rest.
            "disk.*full{,3}",
        ] {
            assert_eq!(shape_of(pattern), ["gap"], "{pattern}");
        }
        for pattern in
            ["disk.{0,40}full", "disk[a-z ]*full", r"disk\s+full", r"disk\.*full", r"disk \d*%", "disk.?full"]
        {
            assert_eq!(shape_of(pattern), [""; 0], "{pattern}");
        }
    }

    #[test]
    fn a_short_word_by_itself_is_found_with_what_to_write() {
        for (pattern, words) in [
            ("OOM", &["\"OOM\""][..]),
            ("MemoryError|OOM", &["\"OOM\""]),
            ("(MemoryError|(?:OOM|oops)|swap)", &["\"OOM\"", "\"oops\"", "\"swap\""]),
            ("(?P<why>OOM)", &["\"OOM\""]),
        ] {
            assert_eq!(shape_of(pattern), words, "{pattern}");
        }
        for pattern in [r"\bOOM\b", "OOM killer", "Fatal", r"\[Errno 2\]", "OOM[:!]", "^E: ", "日本"] {
            assert_eq!(shape_of(pattern), [""; 0], "{pattern}");
        }
        assert_eq!(shape("OOM")[0].hint, r"write \bOOM\b");
        assert_eq!(shape_of(r"\bOOM\b"), [""; 0], "and what it says to write is good");
    }

    fn said(rule: &Rule) -> Vec<(&'static str, String)> {
        findings(rule, &[]).into_iter().map(|finding| (finding.key, finding.what)).collect()
    }

    #[test]
    fn samples_must_be_there_and_fit_both_ways() {
        let none = Rule { misses: Vec::new(), ..rule("connection reset") };
        let [no_hit, no_miss] =
            ["must match", "must not match"].map(|what| format!("no line is given that it {what}"));
        assert_eq!(said(&none), [("pattern", no_hit), ("pattern", no_miss)]);
        assert_eq!(said(&Rule { strict: false, ..none }), [], "patterns taken over have no samples");
        let (hit, other) = ("Connection Reset by peer", "connection reset, as ordered");
        let wrong = Rule {
            hits: vec![hit.to_owned(), "connection lost".to_owned(), other.to_owned()],
            misses: vec![hit.to_owned(), "x".to_owned()],
            exclude: vec!["as ordered$".to_owned()],
            ..rule("connection reset")
        };
        let expected = [
            ("hits", format!("it does not match {:?}", "connection lost")),
            ("hits", format!("it does not match {other:?}")),
            ("misses", format!("it matches {hit:?}")),
        ];
        assert_eq!(said(&wrong), expected);
        assert_eq!(
            said(&Rule { strict: false, ..wrong }),
            expected,
            "whoever gives samples wants them to fit"
        );
    }

    #[test]
    fn what_takes_an_ordinary_line_for_a_fault_is_shown_that_line() {
        for (pattern, line) in [
            ("disk.{0,20}full", "20% full"),
            ("port .{0,9}already filed", "support ticket"),
            (" 503\\b|:503", "duration_ms"),
        ] {
            let tried = Rule { hits: Vec::new(), strict: false, ..rule(pattern) };
            let said = said(&tried);
            assert!(matches!(&said[..], [("pattern", what)] if what.contains(line)), "{pattern}: {said:?}");
            // What an exclusion takes out is no danger.
            let excluded = Rule { exclude: vec![line.to_owned()], ..tried };
            assert_eq!(findings(&excluded, &[]), [], "{pattern}");
        }
    }

    #[test]
    fn a_status_that_no_access_line_has_is_told() {
        let told = |pattern: &str| {
            let said = said(&Rule { strict: false, ..rule(pattern) });
            said.iter().any(|(_, what)| what.contains("but no access line, such as"))
        };
        assert!(told(r"HTTP/[0-9.]+ 5[0-9]{2}") && told("http/1.1 404"));
        for pattern in
            [r#"HTTP/[0-9.]+" 5[0-9]{2}"#, r#"HTTP/[0-9.]+"? 5[0-9]{2}"#, "HTTP/2 is used", "error 500"]
        {
            assert!(!told(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_matches_nothing_at_all_and_what_we_write_ourselves_is_told() {
        let lenient = |pattern: &str| Rule { strict: false, ..rule(pattern) };
        assert!(said(&lenient("^$")).contains(&("pattern", "it matches the empty line".to_owned())));
        let own = ["level=ERROR target=web".to_owned(), "level=ERROR action=restart".to_owned()];
        let told = findings(&lenient("level=error"), &own);
        assert_eq!(told.len(), 1, "the first of our lines is enough: {told:?}");
        assert!(told[0].what.contains("ourselves") && told[0].what.contains("target=web"));
        assert_eq!(
            findings(&Rule { exclude: vec!["target=".to_owned()], ..lenient("level=error") }, &own)[0]
                .what
                .matches("action=restart")
                .count(),
            1
        );
        assert_eq!(findings(&lenient("level=fatal"), &own), []);
    }

    #[test]
    fn what_matches_everything_fills_no_screen() {
        let everything =
            findings(&Rule { strict: false, misses: Vec::new(), ..rule("^") }, &["x".to_owned()]);
        assert_eq!(everything.len(), 5, "the empty line, three others and our own: {everything:?}");
    }

    #[test]
    fn an_expression_that_is_none_is_left_to_who_reads_it() {
        assert_eq!(findings(&rule("(a"), &[]), []);
        assert_eq!(findings(&Rule { exclude: vec!["(a".to_owned()], ..rule(".*") }, &[]), []);
    }
}

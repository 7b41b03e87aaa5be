//! The engine against the plain regular expressions, line by line, on everything that chance can think of.

use super::{Engine, Hits, PATTERNS_MAX};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// The patterns of the Mirai daemon, as it ships them.
fn mirai() -> Vec<String> {
    let file = include_str!("../../../tests/fixtures/mirai/error_patterns.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let patterns = file["error_patterns"].as_array().unwrap().iter();
    patterns.map(|one| one["pattern"].as_str().unwrap().to_owned()).collect()
}

/// A line and the patterns that match it.
type Found = Vec<(Vec<u8>, Vec<usize>)>;

fn found(engine: &mut Engine, block: &[u8]) -> Found {
    let mut found = Vec::new();
    engine.scan(block, |line, hits| found.push((block[line].to_vec(), hits.iter().collect())));
    found
}

/// Regular expressions that know nothing of texts, blocks and lines.
fn plain(patterns: &[impl AsRef<str>]) -> Vec<Regex> {
    let plain = syntax::Config::new().case_insensitive(true).multi_line(true).unicode(false).utf8(false);
    let config = Regex::config().utf8_empty(false);
    patterns
        .iter()
        .map(|text| Regex::builder().syntax(plain).configure(config.clone()).build(text.as_ref()).unwrap())
        .collect()
}

/// What they find.
fn expected(plain: &[Regex], block: &[u8]) -> Found {
    let lines =
        block.strip_suffix(b"\n").unwrap_or(block).split(|byte| *byte == b'\n').filter(|_| !block.is_empty());
    let matching = |line: &[u8]| (0..plain.len()).filter(|at| plain[*at].is_match(line)).collect::<Vec<_>>();
    lines.map(|line| (line.to_vec(), matching(line))).filter(|(_, hits)| !hits.is_empty()).collect()
}

fn compile(patterns: &[impl AsRef<str>]) -> Engine {
    let patterns: Vec<&str> = patterns.iter().map(AsRef::as_ref).collect();
    Engine::compile(&patterns).unwrap_or_else(|refused| panic!("{refused:?}"))
}

fn refusal(pattern: &str) -> String {
    let refused = Engine::compile(&["fine", pattern]).expect_err(pattern);
    assert_eq!((refused.len(), refused[0].pattern), (1, 1), "{pattern}");
    refused[0].reason.clone()
}

/// Words that patterns and lines have in common, or almost.
const WORDS: &[&str] = &[
    "error", "err", "Errno", "OOM", "room", "http/", "1.1", " 4", "04", "ab", "a", "[", "{", "@", "\\", "é",
    "ß",
];

/// A pattern, and a text that it might match.
fn pattern() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(WORDS).prop_map(regex_syntax::escape);
    let class = proptest::sample::select(
        &[
            "[0-9]", "[a-c]", "[^a]", ".", r"\d", r"\w", r"\s", r"[\[{]", r"\x00", r"[^ ]", r"\xFF", "[A-Z]",
            r"\W", "(?-i:E)",
        ][..],
    );
    let look = proptest::sample::select(&["^", "$", r"\b", r"\B", r"\A", r"\z"][..]);
    let leaf = prop_oneof![4 => word, 3 => class.prop_map(str::to_owned), 1 => look.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let repeat = proptest::sample::select(&["*", "+", "?", "{2}", "{1,3}", "*?", "{0}", "{3,}"][..]);
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => (inner.clone(), repeat).prop_map(|(part, times)| format!("(?:{part}){times}")),
            1 => inner.prop_map(|part| format!("({part})")),
        ]
    })
}

/// A log of lines made of those words, with everything between them that a file can hold.
fn log() -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec());
    let part = prop_oneof![
        6 => word.clone(),
        2 => word.prop_map(|word| word.to_ascii_uppercase()),
        3 => proptest::sample::select(&[" ", "0", "4", "aaa", "error: ", "E", "e"][..]).prop_map(|text| text.as_bytes().to_vec()),
        2 => proptest::sample::select(b"\0\r\xff\xc3\x05\x1b\t".to_vec()).prop_map(|byte| vec![byte]),
        2 => Just(b"\n".to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Any patterns on any log, cut into blocks anywhere between lines.
    #[test]
    fn it_finds_what_plain_expressions_find(
        patterns in proptest::collection::vec(pattern(), 1..6),
        log in log(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
    ) {
        let mut patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        // What can match no line is refused; that is another test's matter.
        patterns.retain(|pattern| Engine::compile(&[pattern]).is_ok());
        if patterns.is_empty() {
            return Ok(());
        }
        let mut engine = compile(&patterns);
        let mut all = Vec::new();
        for block in blocks(&log, &cuts) {
            all.extend(found(&mut engine, block));
        }
        prop_assert_eq!(all, expected(&plain(&patterns), &log), "{:?} {:?}", patterns, engine.fallbacks());
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in any::<String>(), log in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mut engine) = Engine::compile(&[&pattern]) {
            engine.scan(&log, |_, _| {});
        }
    }
}

/// The patterns that matter most, on lines made of their own parts.
#[test]
fn it_finds_what_the_daemon_would_find() {
    let patterns = mirai();
    assert_eq!(patterns.len(), 12);
    let engine = RefCell::new(compile(&patterns));
    let plain = plain(&patterns);
    let same = |log: Vec<u8>| {
        prop_assert_eq!(found(&mut engine.borrow_mut(), &log), expected(&plain, &log));
        Ok(())
    };
    TestRunner::new(ProptestConfig::with_cases(300)).run(&mirai_log(&patterns), same).unwrap();
}

/// A log, cut behind some of its newlines.
fn blocks<'a>(log: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let ends: Vec<usize> = (1..log.len()).filter(|at| log[at - 1] == b'\n').collect();
    let mut at: Vec<usize> = cuts.iter().filter(|_| !ends.is_empty()).map(|cut| *cut.get(&ends)).collect();
    at.extend([0, log.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &log[pair[0]..pair[1]]).collect()
}

fn mirai_log(patterns: &[String]) -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<String> = patterns
        .iter()
        .flat_map(|pattern| pattern.split(['|', '(', ')', '*', '+', '.', '[']))
        .map(str::to_owned)
        .collect();
    let more = [
        "HTTP/1.1 404",
        "HTTP/2 50",
        "http/1.0\" 500",
        "[Errno 2]",
        "[errno 28]",
        "\n",
        "\n",
        " ",
        "psycopg2.operationalerror",
        "6379",
    ];
    let all: Vec<String> = parts.into_iter().chain(more.map(str::to_owned)).collect();
    proptest::collection::vec(proptest::sample::select(all), 0..40)
        .prop_map(|parts| parts.concat().into_bytes())
}

#[test]
fn a_long_log_is_cut_into_chunks_and_nothing_is_lost_between_them() {
    let mut log = Vec::new();
    for number in 0..4000 {
        log.extend(format!("{:>width$} Error: {number}\n", "", width = number % 97).into_bytes());
    }
    let found = found(&mut compile(&mirai()), &log);
    assert_eq!(found.len(), 4000);
    assert!(found.iter().all(|(_, hits)| *hits == [3]));
}

#[test]
fn lines_are_told_with_their_places() {
    let mut told = Vec::new();
    compile(&["^$", "b"])
        .scan(b"\nab\n\nx\nb", |line, hits| told.push((line, hits.iter().collect::<Vec<_>>())));
    assert_eq!(told, [(0..0, vec![0]), (1..3, vec![1]), (4..4, vec![0]), (7..8, vec![1])]);
    let mut nothing = compile(&["^$"]);
    nothing.scan(b"", |_, _| panic!("there is no line"));
}

#[test]
fn a_match_ends_with_its_line() {
    let mut engine = compile(&[r"disk.*full", r"(?s)a.b", r"port[^x]already", r"one\s+two"]);
    assert_eq!(found(&mut engine, b"disk\nfull\na\nb\nport\nalready\none\ntwo\n"), []);
}

#[test]
fn what_cannot_be_matched_in_one_pass_is_refused_with_what_to_write() {
    for (pattern, says) in [
        ("foo(?!bar)", "exclusion"),
        (r"(a)\1", "write the text twice"),
        (r"foo\Z", "write $"),
        (r"{level", r"write \{"),
        ("a(?>b)", "(?: for a plain group"),
        ("(a", r"write \("),
        ("a)", r"write \)"),
        (r"\n", "no line can match it"),
        ("[ァ-ン]", "outside of brackets"),
        ("x{1000}{1000}", "too large"),
        ("(?:(?:x{100}){100}){100}", "too large"),
    ] {
        assert!(refusal(pattern).contains(says), "{pattern}: {}", refusal(pattern));
    }
    assert!(refusal(&"x".repeat(5000)).contains("5000 bytes"));
    assert!(refusal(&format!("{}a{}", "(".repeat(60), ")".repeat(60))).contains("too many groups"));
}

#[test]
fn python_writes_some_things_that_are_fine() {
    for pattern in [r"(?P<name>a+)b", r"(?i)x", r"\d{3,}", "a{,3}b", "日本語", r"[^\]]x", "(?s).x", r"x\/y"]
    {
        compile(&[pattern]);
    }
    assert_eq!(found(&mut compile(&["ログイン"]), "利用者がログインしました\n".as_bytes()).len(), 1);
}

#[test]
fn too_many_patterns_are_refused() {
    let many = vec!["pattern"; PATTERNS_MAX + 1];
    let refused = Engine::compile(&many).unwrap_err();
    assert_eq!((refused.len(), refused[0].pattern), (1, PATTERNS_MAX));
    let mut all = compile(&many[1..]);
    assert_eq!(found(&mut all, b"a pattern")[0].1.len(), PATTERNS_MAX);
    let large: Vec<String> = (0..PATTERNS_MAX).map(|number| format!("a{{400}}{number}")).collect();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    assert!(Engine::compile(&large).unwrap_err()[0].reason.contains("together"));
}

#[test]
fn it_says_which_patterns_are_slow() {
    let engine = compile(&["fine", ".*", r"\d+", "a|bcd", "x?y?", "(one|two)three"]);
    let slow: Vec<bool> = engine.fallbacks().iter().map(Option::is_some).collect();
    assert_eq!(slow, [false, true, true, true, true, false]);
    assert!(compile(&mirai()).fallbacks().iter().all(Option::is_none));
}

/// Each of these is quadratic or worse for one who is not careful. The bound is a hundred times what it takes.
#[test]
fn no_line_takes_long() {
    let size = 1 << 16;
    for (pattern, part) in [
        ("fatal.*database", "fatal "),
        ("fatal.*database", "FATAL database"),
        ("(error.*)+x", "error"),
        (r"\w+\s+error", "w error "),
        ("(a+)+$", "aaaaaaaaab"),
        ("(.*)(.*)(.*)(.*)(.*)[xyz]q", "x"),
        ("((ab*)*c)*d", "abc"),
        ("HTTP/[0-9.]+ 4", "HTTP/1.1.1.1.1.1.1.1"),
        ("aa.{100}b", "a"),
    ] {
        let line = part.repeat(size / part.len());
        let mut engine = compile(&[pattern]);
        let began = Instant::now();
        let found = found(&mut engine, line.as_bytes());
        assert!(began.elapsed() < Duration::from_secs(10), "{pattern}: {:?}", began.elapsed());
        assert_eq!(found, expected(&plain(&[pattern]), line.as_bytes()), "{pattern}");
    }
}

#[test]
fn hits_are_a_set() {
    let mut hits = Hits::default();
    assert!(hits.is_empty() && !hits.contains(0) && !hits.contains(PATTERNS_MAX));
    for number in [0, 63, 64, 255] {
        hits.insert(number);
    }
    hits.insert(PATTERNS_MAX);
    assert_eq!(hits.iter().collect::<Vec<_>>(), [0, 63, 64, 255]);
}

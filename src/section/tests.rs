//! What a reader gets, and what is said of what it does not get.

use super::parse::{filled, flag, text, within};
use super::*;
use proptest::prelude::*;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let set = |value: &str| Variable { value: value.to_owned(), origin: Origin::Environment };
    pairs.iter().map(|(name, value)| ((*name).to_owned(), set(value))).collect()
}

/// Reads `text` and returns what was made of it, and the problems as lines.
fn reading<T>(
    text: &str,
    pairs: &[(&str, &str)],
    with: impl FnOnce(&mut Section<'_>) -> T,
) -> (Option<T>, Vec<String>) {
    let variables = variables(pairs);
    let (made, findings) = read(Source { file: "f", text, variables: &variables }, with);
    (made, findings.problems.iter().map(ToString::to_string).collect())
}

#[test]
fn numbers_and_flags_are_written_plainly_or_as_text() {
    let text = "a = 3\nb = \"${B:-4}\"\nc = 0x1f\nd = true\ne = \"${E:-off}\"\n";
    let (made, problems) = reading(text, &[("B", "5")], |root| {
        let number = within(0..=99_u32);
        let numbers = ["a", "b", "c"].map(|key| root.need(key, &number));
        (numbers, root.or("d", false, flag), root.or("e", true, flag), root.or("f", true, flag))
    });
    assert_eq!(made, Some(([Some(3), Some(5), Some(31)], true, false, true)));
    assert_eq!(problems, [""; 0]);
}

#[test]
fn all_problems_are_reported_with_their_places() {
    let text = "n = \"x\"\n[t]\nnmae = 1\n[[u]]\nname = \"one\"\nn = [1]\n[[u]]\n";
    let (_, problems) = reading(text, &[], |root| {
        root.opt("n", within(1..=9));
        root.table("t", |t| t.need("name", filled));
        root.tables("u", |u| {
            u.opt("name", filled);
            u.need("n", within(1..=9))
        });
    });
    assert_eq!(
        problems,
        [
            "f:1:5: error: n: \"x\" is out of bounds; write a whole number from 1 to 9",
            "f:2:1: error: t: name is missing; add name = …",
            "f:3:1: error: t.nmae: unknown key; did you mean name? the keys here are name",
            "f:6:5: error: u[one].n: expected one value, found a list; write a text or a number",
            "f:7:1: error: u[1]: n is missing; add n = …",
        ]
    );
}

#[test]
fn a_wrong_value_names_its_variable_and_hides_a_secret() {
    let text = "a = \"${N}\"\nb = \"${MY_TOKEN}\"\nc = \"${NONE:-x}\"\n";
    let (_, problems) = reading(text, &[("N", "hunter2"), ("MY_TOKEN", "hunter2")], |root| {
        ["a", "b", "c"].map(|key| root.opt(key, within(1..=9)))
    });
    assert!(
        problems[0].contains("\"hunter2\" is out of bounds (N comes from the environment); write"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("too secret to be shown (MY_TOKEN comes from the environment)"),
        "{problems:?}"
    );
    assert!(problems[2].contains("\"x\" is out of bounds (NONE is not set)"), "{problems:?}");
    assert!(!problems[1].contains("hunter2"));
}

#[test]
fn a_variable_cannot_add_keys() {
    let (made, problems) = reading("a = \"${A}\"", &[("A", "x\"\nb = \"y")], |root| root.opt("a", text));
    assert_eq!((made.flatten().as_deref(), problems), (Some("x\"\nb = \"y"), vec![]));
}

#[test]
fn exactly_one_kind_is_chosen() {
    fn kind(section: &mut Section<'_>) -> Option<u8> {
        section.kind("do", &[("one", |s| s.need("n", within(1..=9))), ("two", |_| Some(0))])
    }
    let said = |text: &str| reading(text, &[], kind);
    assert_eq!(said("do.one = { n = 7 }").0.flatten(), Some(7));
    assert!(said("").1[0].contains("do is missing; write do.one = { … } or do.two = { … }"));
    assert!(said("do = {}").1[0].contains("exactly one kind"));
    assert!(said("do = { one = { n = 1 }, two = {} }").1[0].contains("exactly one kind"));
    let typo = said("do.onw = {}").1;
    assert!(typo.len() == 1 && typo[0].contains("did you mean one?"), "{typo:?}");
}

#[test]
fn what_is_switched_off_still_has_its_keys_checked() {
    let (_, problems) = reading("[t]\nn = \"${UNSET}\"\nx = 1\n", &[], |root| {
        root.table("t", |t| {
            t.hush();
            t.opt("n", within(1..=9))
        })
    });
    assert_eq!(problems, ["f:3:1: error: t.x: unknown key; did you mean n? the keys here are n"]);
}

#[test]
fn text_that_is_not_toml_gives_every_mistake() {
    let (made, problems) = reading("a = \nb = [1,\n]\nc = 'x\n", &[], |_| ());
    assert_eq!(made, None);
    assert!(problems.len() >= 2 && problems[0].starts_with("f:1:"), "{problems:?}");
}

#[test]
fn json_keeps_the_kind_of_value() {
    let (made, _) = reading("a = 1\nb = true\nc = \"1\"\nd = 1.5", &[], |root| {
        ["a", "b", "c", "d"].map(|key| root.json(key).unwrap_or_default())
    });
    assert_eq!(made.map(serde_json::Value::from_iter), Some(serde_json::json!([1, true, "1", 1.5])));
    assert!(reading("a = nan", &[], |root| root.json("a")).1[0].contains("JSON has no such number"));
}

#[test]
fn a_secret_written_out_is_noted() {
    let found = |text| {
        let variables = variables(&[("T", "x")]);
        let (secret, findings) =
            read(Source { file: "f", text, variables: &variables }, |root| root.secret("t"));
        (secret.map(|secret| secret.expose().to_owned()), findings.literal_secret)
    };
    assert_eq!(found("t = \"abc\""), (Some("abc".to_owned()), true));
    assert_eq!(found("t = \"${T:-}\""), (Some("x".to_owned()), false));
    assert_eq!(
        found("t = \"${U:-abc}\""),
        (Some("abc".to_owned()), true),
        "a default is written in the file"
    );
    assert_eq!(found(""), (Some(String::new()), false));
}

#[test]
fn rubbish_yields_a_bounded_number_of_problems() {
    let keys = (0..1000).map(|n| format!("k{n} = 1\n")).collect::<String>();
    let (_, problems) = reading(&keys, &[], |_| ());
    assert_eq!(problems.len(), 101);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}=.a-c\"'${}:\\-\n #,0-9日]{0,200}") {
        reading(&text, &[("a", "1")], |root| {
            root.tables("a", |a| a.need("b", flag));
            root.table("b", |b| Some(b.named(|_, b| b.json("a"))));
            root.map("c", text_of);
            root.list("d", flag)
        });
    }
}

fn text_of(value: &str) -> Result<String, String> {
    text(value)
}

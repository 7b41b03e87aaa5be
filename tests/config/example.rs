//! The example of `.env`: it names every variable, once, and works as it stands.

use crate::{file, said, sources};
use picoclaw_watchdog::config::{Sources, compile};
use std::collections::BTreeSet;

#[test]
fn the_example_names_exactly_the_variables_of_the_default() {
    let example = include_str!("../../config/watchdog.env.example");
    let set: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .map(|pair| pair.0)
        .collect();
    let used = compile(&sources(&[])).variables;
    let used: BTreeSet<&str> = used.iter().map(|mention| mention.name.as_str()).collect();
    assert_eq!(set.iter().copied().collect::<BTreeSet<_>>(), used);
    assert_eq!(set.len(), used.len(), "each once");
}

#[test]
fn the_example_loads_as_it_is_and_with_every_line_in_use() {
    let example = include_str!("../../config/watchdog.env.example");
    let in_use =
        |line: &'static str| line.strip_prefix('#').filter(|line| !line.starts_with(' ')).unwrap_or(line);
    let in_use = example.lines().map(|line| format!("{}\n", in_use(line)));
    for text in [example.to_owned(), in_use.collect()] {
        let compiled =
            compile(&Sources { dotenv: file("/home/x/.picoclaw/.env", &text, 0o600), ..sources(&[]) });
        assert_eq!(said(&compiled), [""; 0]);
    }
}

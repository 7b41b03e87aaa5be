//! Real files: what is taken over, what counts as spent, and where the state goes that cannot be saved.

use super::*;
use crate::config::{Sources, compile};
use crate::recovery::window::Window;
use std::fs;

fn policy() -> Policy {
    policy_of(&[])
}

fn policy_of(env: &[(&str, &str)]) -> Policy {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources { env, home: "/home/pico".into(), ..Sources::default() };
    compile(&sources).config.unwrap().policy
}

fn gateway(state: &State) -> &crate::recovery::state::TargetState {
    &state.targets[&Name::parse("gateway").unwrap()]
}

fn free_in(state: &State, policy: &Policy, now: Now) -> u64 {
    let window: Window = policy.targets[0].window;
    window.free_at(&gateway(state).attempts).since(now.at).as_secs()
}

#[test]
fn what_the_predecessor_did_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let wall = crate::host::clock::wall();
    let stamps = format!("{}\n{}\n{}\n{}\n", wall - 5000, wall - 100, wall - 50, wall - 10);
    fs::write(dir.path().join("restart_gateway_times.log"), stamps).unwrap();
    fs::write(dir.path().join("alert_gateway_limit.ts"), format!("{}\n", wall - 60)).unwrap();
    let policy = policy();
    let (_, start) = Memory::open(dir.path(), &policy);
    let now = start.clock.now();
    assert_eq!(gateway(&start.state).attempts.len(), 3, "the one of long ago does not count any more");
    let wait = free_in(&start.state, &policy, now);
    assert!((495..=500).contains(&wait), "{wait}");
    assert!(start.state.outbox.is_quiet(&line(), "gateway_limit", policy.alerts.cooldown, now.at));
    fs::write(dir.path().join("restart_gateway_times.log"), "").unwrap();
    let (_, again) = Memory::open(dir.path(), &policy);
    assert_eq!(gateway(&again.state).attempts.len(), 3, "our own state counts from then on");
}

#[test]
fn nothing_readable_means_that_every_budget_is_spent() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state.json"), "garbage").unwrap();
    let policy = policy();
    let (_, start) = Memory::open(dir.path(), &policy);
    assert!(free_in(&start.state, &policy, start.clock.now()) >= 590);
    assert_eq!(start.trouble.unwrap().key, "state_unreadable");
}

#[test]
fn a_first_start_that_cannot_save_has_no_budget_either() {
    let dir = tempfile::tempdir().unwrap();
    // A directory in the place of the temporary file: nothing can be saved, whoever we are.
    fs::create_dir(dir.path().join("state.json.tmp")).unwrap();
    let policy = policy();
    let (memory, start) = Memory::open(dir.path(), &policy);
    assert!(memory.unsaved.is_some());
    assert!(free_in(&start.state, &policy, start.clock.now()) >= 590);
}

/// A directory of a watchdog that has saved, and can save no more.
fn full(policy: &Policy) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut memory, start) = Memory::open(dir.path(), policy);
    memory.save(&start.state, &start.clock).unwrap();
    fs::create_dir(dir.path().join("state.json.tmp")).unwrap();
    dir
}

#[test]
fn a_start_with_a_state_that_can_be_replaced_no_more_has_no_budget_either() {
    let policy = policy();
    let dir = full(&policy);
    let (memory, start) = Memory::open(dir.path(), &policy);
    assert!(memory.unsaved.is_some() && start.trouble.is_none());
    assert!(free_in(&start.state, &policy, start.clock.now()) >= 590);
    // It lives on, however often we are started, and not longer than it has to.
    let (mut memory, mut start) = Memory::open(dir.path(), &policy);
    start.state.incidents = 7;
    assert!(memory.save(&start.state, &start.clock).is_err());
    let (mut memory, again) = Memory::open(dir.path(), &policy);
    assert_eq!((again.state.incidents, memory.unsaved.is_some()), (7, true));
    assert_eq!(Memory::peek(dir.path(), &policy).1.state.incidents, 7);
    fs::remove_dir(dir.path().join("state.json.tmp")).unwrap();
    memory.save(&State::default(), &again.clock).unwrap();
    let (memory, last) = Memory::open(dir.path(), &policy);
    assert_eq!((last.state.incidents, memory.unsaved), (0, None));
}

#[test]
fn a_start_changes_nothing_that_is_saved() {
    let (dir, policy) = (tempfile::tempdir().unwrap(), policy());
    let (mut memory, start) = Memory::open(dir.path(), &policy);
    memory.save(&start.state, &start.clock).unwrap();
    let read = || fs::read(dir.path().join("state.json")).unwrap();
    let before = read();
    let _ = Memory::open(dir.path(), &policy);
    assert_eq!(read(), before, "the boot that it is of stays");
    assert!(!dir.path().join("state.json.tmp").exists());
}

#[test]
fn an_unchanged_state_is_saved_again_for_its_clock_once_in_a_while_and_at_the_end() {
    let (dir, policy) = (tempfile::tempdir().unwrap(), policy());
    let (mut memory, start) = Memory::open(dir.path(), &policy);
    memory.save(&start.state, &start.clock).unwrap();
    let read = || fs::read(dir.path().join("state.json")).unwrap();
    let before = read();
    memory.save(&start.state, &start.clock).unwrap();
    assert_eq!(read(), before);
    let saved_at = memory.saved_at;
    memory.saved_at = saved_at.before(ANCHOR_EVERY);
    memory.save(&start.state, &start.clock).unwrap();
    assert!(memory.saved_at >= saved_at);
    memory.saved_at = Timestamp::default();
    memory.stop(&start.clock);
    assert!(memory.saved_at >= saved_at);
}

#[test]
fn the_predecessors_files_follow_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let policy = policy_of(&[
        ("PICOCLAW_WATCHDOG_OLLAMA_MODELS_URL", "http://ollama.example:11434/v1/models"),
        ("PICOCLAW_WATCHDOG_WEBHOOK_URL", "https://gateway.example/webhook/line"),
    ]);
    let (mut memory, start) = Memory::open(dir.path(), &policy);
    let (mut state, now) = (start.state, start.clock.now());
    let entry = state.targets.entry(policy.targets[0].name.clone()).or_default();
    entry.attempts = vec![now.at.before(std::time::Duration::from_secs(7))];
    let counted = [("gateway", "health", 2), ("ollama", "answers", 3), ("webhook", "reach", 4)];
    for (target, probe, fails) in counted {
        let [target, probe] = [target, probe].map(|text| Name::parse(text).unwrap());
        assert!(policy.target(&target).unwrap().probe(&probe).is_some(), "the built-in file has it");
        let entry = state.targets.entry(target).or_default();
        entry.probes.entry(probe).or_default().fails = fails;
    }
    memory.mirror(&policy, &state, now).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("restart_gateway_times.log"), format!("{}\n", now.wall - 7));
    assert_eq!(read("health_fail_count"), "2\n");
    assert_eq!(read("ollama_fail_count"), "3\n");
    assert_eq!(read("webhook_fail_count"), "4\n");
}

#[test]
fn those_who_only_look_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let policy = policy();
    fs::write(dir.path().join("state.json"), "garbage").unwrap();
    let (_, start) = Memory::peek(dir.path(), &policy);
    assert!(start.trouble.is_some());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(dir.path().join("state.json")).unwrap(), "garbage");
}

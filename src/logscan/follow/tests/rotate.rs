//! Every kind of rotation, seen while it happens and found afterwards.

use super::*;
use std::collections::BTreeSet;

type Story = (&'static str, fn(&Stage));

/// What a log and its follower may go through, with us looking on at each step or only at the end.
fn stories() -> Vec<Story> {
    vec![
        ("nothing", |_| {}),
        ("rename", |stage| {
            stage.append("app.log", "before\n");
            stage.rename("app.log", "app.log.1");
            stage.append("app.log.1", "late\n");
            stage.append("app.log", "after\n");
        }),
        ("rename thrice", |stage| {
            for text in ["one\n", "two\n", "three\n"] {
                stage.append("app.log", text);
                for (from, to) in
                    [("app.log.2", "app.log.3"), ("app.log.1", "app.log.2"), ("app.log", "app.log.1")]
                {
                    if stage.path(from).exists() {
                        stage.rename(from, to);
                    }
                }
            }
            stage.append("app.log", "four\n");
        }),
        ("dates", |stage| {
            for day in ["20260219", "20260220", "20260221"] {
                stage.append("app.log", &format!("on {day}\n"));
                stage.rename("app.log", &format!("app.log-{day}"));
            }
            stage.append("app.log", "today\n");
        }),
        ("copytruncate", |stage| {
            stage.append("app.log", "before\n");
            fs::copy(stage.path("app.log"), stage.path("app.log.1")).unwrap();
            fs::write(stage.path("app.log"), "").unwrap();
            stage.append("app.log", "after\n");
        }),
        ("copytruncate, and grown beyond", |stage| {
            stage.append("app.log", "before\n");
            fs::copy(stage.path("app.log"), stage.path("app.log.1")).unwrap();
            fs::write(stage.path("app.log"), "").unwrap();
            stage.append("app.log", &"long after\n".repeat(300));
        }),
        ("copytruncate twice", |stage| {
            stage.append("app.log", "before\n");
            fs::copy(stage.path("app.log"), stage.path("app.log.2")).unwrap();
            fs::write(stage.path("app.log"), "").unwrap();
            stage.append("app.log", "between\n");
            fs::copy(stage.path("app.log"), stage.path("app.log.1")).unwrap();
            fs::write(stage.path("app.log"), "").unwrap();
            stage.append("app.log", "after\n");
        }),
        ("copytruncate and rename", |stage| {
            stage.append("app.log", "before\n");
            fs::copy(stage.path("app.log"), stage.path("app.log.2")).unwrap();
            fs::write(stage.path("app.log"), "").unwrap();
            stage.append("app.log", "between\n");
            stage.rename("app.log", "app.log.1");
            stage.append("app.log", "after\n");
        }),
        ("moved away and back", |stage| {
            stage.rename("app.log", "elsewhere");
            stage.append("elsewhere", "meanwhile\n");
            stage.rename("elsewhere", "app.log");
            stage.append("app.log", "back\n");
        }),
        ("moved to another name", |stage| {
            stage.append("app.log", "before\n");
            stage.rename("app.log", "other-name");
            stage.append("app.log", "after\n");
        }),
    ]
}

/// What the log was at the end of a story, in the order of writing.
fn written(story: &str) -> String {
    let rest = match story {
        "rename" => "before\nlate\nafter\n".to_owned(),
        "rename thrice" => "one\ntwo\nthree\nfour\n".to_owned(),
        "dates" => "on 20260219\non 20260220\non 20260221\ntoday\n".to_owned(),
        "copytruncate" | "moved to another name" => "before\nafter\n".to_owned(),
        "copytruncate, and grown beyond" => format!("before\n{}", "long after\n".repeat(300)),
        "copytruncate twice" | "copytruncate and rename" => "before\nbetween\nafter\n".to_owned(),
        "moved away and back" => "meanwhile\nback\n".to_owned(),
        _ => String::new(),
    };
    format!("{}{rest}", history())
}

fn history() -> String {
    (0..100).map(|line| format!("old line {line}\n")).collect()
}

#[test]
fn rotations_behind_our_back_while_we_run() {
    for (story, happen) in stories() {
        let mut stage = Stage::new();
        stage.append("app.log", &history());
        stage.all();
        happen(&stage);
        assert_eq!(stage.all(), written(story), "{story}");
        stage.reopen();
        assert_eq!(stage.all(), written(story), "{story}, reopened");
    }
}

#[test]
fn rotations_while_we_are_stopped() {
    for (story, happen) in stories() {
        let mut stage = Stage::new();
        stage.append("app.log", &history());
        stage.all();
        stage.follow = None;
        happen(&stage);
        assert_eq!(stage.all(), written(story), "{story}");
    }
}

#[test]
fn rotations_while_we_are_far_behind() {
    for (story, happen) in stories() {
        for budget in [1, 200, 1000] {
            let mut stage = Stage::new();
            stage.append("app.log", &history());
            assert!(stage.read_some(budget).left > 0);
            happen(&stage);
            assert_eq!(stage.all(), written(story), "{story}");
            let mut stage = Stage::new();
            stage.append("app.log", &history());
            stage.read_some(budget);
            stage.follow = None;
            happen(&stage);
            assert_eq!(stage.all(), written(story), "{story}, stopped");
        }
    }
}

#[test]
fn a_deleted_log_is_read_to_its_end_while_we_hold_it() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\n");
    stage.all();
    stage.append("app.log", "two\n");
    stage.remove("app.log");
    stage.append("app.log", "three\n");
    assert_eq!(stage.all(), "one\ntwo\nthree\n");
}

#[test]
fn a_log_made_anew_while_we_were_stopped_is_read_from_its_beginning() {
    let mut stage = Stage::new();
    let greeting = "this is version 1\n";
    stage.append("app.log", greeting);
    stage.all();
    stage.follow = None;
    stage.remove("app.log");
    // On most file systems with the number of the old one.
    stage.append("app.log", greeting);
    stage.append("app.log", "and more\n");
    let progress = stage.read();
    assert_eq!(stage.seen.text(), format!("{greeting}{greeting}and more\n"));
    assert!(progress.troubles[0].1.contains("after byte 18 is not seen"), "{progress:?}");
    assert_eq!(stage.read().troubles, [], "it is said once");
}

#[test]
fn a_copy_whose_maker_is_held_up_is_no_log_of_its_own() {
    let held_up = Duration::from_millis(150);
    for count in [3, 300] {
        let lines: String = (0..count).map(|line| format!("12:00:00 line {line}\n")).collect();
        // Nothing of it written yet, or a part, or all of it but the log not emptied.
        for made in [0, lines.len() / 2, lines.len()] {
            let mut stage = Stage::new();
            stage.append("app.log", &lines);
            stage.all();
            stage.append("app.log.1", &lines[..made]);
            std::thread::sleep(held_up);
            // The daemon may come back in the middle of it, which looks at everything anew.
            stage.reopen();
            stage.all();
            stage.append("app.log.1", &lines[made..]);
            fs::write(stage.path("app.log"), "").unwrap();
            stage.append("app.log", "after\n");
            assert_eq!(stage.all(), format!("{lines}after\n"), "{made} bytes of {} were copied", lines.len());
        }
    }
}

#[test]
fn rotated_logs_beyond_those_that_we_can_hold_wait_for_their_turn() {
    let copied: fn(&Stage, &str) = |stage, aside| {
        fs::copy(stage.path("app.log"), stage.path(aside)).unwrap();
        fs::write(stage.path("app.log"), "").unwrap();
    };
    let renamed: fn(&Stage, &str) = |stage, aside| stage.rename("app.log", aside);
    for rotate in [copied, renamed] {
        for stopped in [false, true] {
            let mut stage = Stage::new();
            stage.append("app.log", "first\n");
            stage.all();
            if stopped {
                stage.follow = None;
            }
            let mut written = String::from("first\n");
            for number in 0..200 {
                let line = format!("line {number}\n");
                stage.append("app.log", &line);
                rotate(&stage, &format!("app.log-{}", 20_000_000 + number));
                written += &line;
                // Between two ticks of the kernel's clock all files seem to come at once.
                std::thread::sleep(Duration::from_micros(500));
            }
            stage.append("app.log", "last\n");
            // For the clock of the file system, all of that is over.
            std::thread::sleep(Duration::from_millis(50));
            // A log that goes on under its name is not kept waiting by its many copies.
            let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
            let (seen, written) = (stage.all(), format!("{written}last\n"));
            assert_eq!((sorted(&seen), seen.len()), (sorted(&written), written.len()), "stopped: {stopped}");
        }
    }
}

#[test]
fn what_was_compressed_unseen_is_said() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\n");
    stage.all();
    stage.follow = None;
    std::thread::sleep(Duration::from_millis(40));
    stage.append("app.log", "two\n");
    stage.rename("app.log", "app.log.1.gz");
    stage.append("app.log", "three\n");
    // By its inode it would be found; a real archive has another.
    fs::copy(stage.path("app.log.1.gz"), stage.path("copy")).unwrap();
    stage.rename("copy", "app.log.1.gz");
    let progress = stage.read();
    let said: Vec<_> = progress.troubles.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        said.iter().any(|text| text.contains("app.log.1.gz was compressed before it was read")),
        "{said:?}"
    );
    assert_eq!(stage.seen.text(), "one\nthree\n");
}

#[test]
fn a_collapsed_beginning_moves_the_position() {
    let mut stage = Stage::new();
    let lines: String = (0..2000).map(|line| format!("12:00:00 line {line}\n")).collect();
    stage.append("app.log", &lines);
    stage.all();
    stage.append("app.log", "unseen\n");
    let cut = || {
        let flags = nix::fcntl::FallocateFlags::FALLOC_FL_COLLAPSE_RANGE;
        let file = OpenOptions::new().write(true).open(stage.path("app.log")).unwrap();
        nix::fcntl::fallocate(&file, flags, 0, 8 * 4096)
    };
    if cut().is_err() {
        // Not on every file system. What it leaves looks the same.
        let rest = fs::read(stage.path("app.log")).unwrap().split_off(8 * 4096);
        fs::write(stage.path("app.log"), rest).unwrap();
    }
    stage.append("app.log", "new\n");
    assert_eq!(stage.all(), format!("{lines}unseen\nnew\n"));
    stage.reopen();
    assert_eq!(stage.all(), format!("{lines}unseen\nnew\n"));
}

#[test]
fn old_logs_are_not_read_again_because_they_were_touched() {
    let mut stage = Stage::new();
    stage.append("app.log.1", "ancient\n");
    // Long enough that it cannot be a new log that was prepared under another name.
    std::thread::sleep(Duration::from_millis(1100));
    stage.append("app.log", "one\n");
    stage.all();
    stage.append("app.log.1", "touched\n");
    stage.rename("app.log", "app.log.0");
    stage.append("app.log", "two\n");
    assert_eq!(stage.all(), "one\ntwo\n");
}

#[test]
fn a_replaced_file_is_closed_when_it_has_been_quiet() {
    let mut stage = Stage::new();
    stage.append("app.log", "one\n");
    stage.all();
    stage.rename("app.log", "app.log.1");
    stage.all();
    stage.wait(Duration::from_secs(1000));
    stage.all();
    let held = |stage: &Stage| stage.mark.files[&name()].paths.values().next().unwrap().files.len();
    assert_eq!(held(&stage), 1, "its writer may come back");
    // Five minutes have passed for us only; for the clock of the file system this must do.
    std::thread::sleep(Duration::from_millis(30));
    stage.append("app.log", "two\n");
    stage.all();
    assert_eq!(held(&stage), 1, "quiet for long, and succeeded");
    assert_eq!(stage.seen.text(), "one\ntwo\n");
    stage.remove("app.log");
    stage.all();
    stage.wait(Duration::from_secs(301));
    stage.read();
    assert_eq!(held(&stage), 0, "the space of a deleted file comes back");
}

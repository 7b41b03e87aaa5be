//! Whatever happens in whatever order: every line that was written is seen, once.

use super::*;
use proptest::prelude::*;

/// What may happen to a log and to its follower.
#[derive(Clone, Debug)]
enum Happens {
    /// Lines, the last of them perhaps without its end.
    Append {
        lines: usize,
        half: bool,
    },
    /// As with logrotate: `.1` becomes `.2`, the log becomes `.1`.
    Rename {
        create: bool,
    },
    /// The old writer still has the renamed file open.
    Late,
    /// A writer that waits meanwhile.
    CopyTruncate,
    /// Deleted and made anew; the follower is up to date, or nobody has the last lines.
    Recreate,
    Read {
        budget: u64,
    },
    Reopen,
    Stop,
    Pass,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..30_usize, any::<bool>()).prop_map(|(lines, half)| Happens::Append { lines, half }),
        2 => any::<bool>().prop_map(|create| Happens::Rename { create }),
        1 => Just(Happens::Late),
        2 => Just(Happens::CopyTruncate),
        1 => Just(Happens::Recreate),
        4 => (1..2000_u64).prop_map(|budget| Happens::Read { budget }),
        2 => Just(Happens::Reopen),
        1 => Just(Happens::Stop),
        1 => Just(Happens::Pass),
    ]
}

struct Writer {
    stage: Stage,
    written: u64,
    /// Of the log that is written, whether its last line has no end.
    open: bool,
}

impl Writer {
    fn line(&mut self) -> String {
        self.written += 1;
        format!("line {:06} {}\n", self.written, "x".repeat(self.written as usize * 7 % 50))
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.open) {
            self.stage.append("app.log", " and its end\n");
        }
    }

    fn shift(&self) {
        for number in (1..40).rev() {
            let from = self.stage.path(&format!("app.log.{number}"));
            if from.exists() {
                fs::rename(from, self.stage.path(&format!("app.log.{}", number + 1))).unwrap();
            }
        }
    }

    fn step(&mut self, what: &Happens) {
        match what {
            Happens::Append { lines, half } => {
                self.end_line();
                let text: String = (0..*lines).map(|_| self.line()).collect();
                self.stage.append("app.log", &text);
                if *half {
                    let line = self.line();
                    self.stage.append("app.log", line.trim_end());
                    self.open = true;
                }
            }
            Happens::Rename { create } => {
                self.end_line();
                self.shift();
                if self.stage.path("app.log").exists() {
                    self.stage.rename("app.log", "app.log.1");
                }
                if *create {
                    self.stage.append("app.log", "");
                }
            }
            Happens::Late => {
                // Only while somebody holds it: a rotated file that was let go of is not looked at again.
                if self.stage.path("app.log.1").exists() && self.stage.follow.is_some() && !self.copied() {
                    let line = self.line();
                    self.stage.append("app.log.1", &line);
                }
            }
            Happens::CopyTruncate => {
                self.end_line();
                self.shift();
                if self.stage.path("app.log").exists() {
                    fs::copy(self.stage.path("app.log"), self.stage.path("app.log.1")).unwrap();
                    fs::write(self.stage.path("app.log"), "").unwrap();
                    fs::write(self.stage.path("copied"), "").unwrap();
                }
            }
            Happens::Recreate => {
                self.end_line();
                self.stage.read();
                let _ = fs::remove_file(self.stage.path("app.log"));
                self.stage.append("app.log", "");
            }
            Happens::Read { budget } => drop(self.stage.read_some(*budget)),
            Happens::Reopen => self.stage.reopen(),
            Happens::Stop => self.stage.follow = None,
            Happens::Pass => self.stage.wait(Duration::from_millis(100)),
        }
    }

    /// A copy is no file that a writer still has open.
    fn copied(&self) -> bool {
        self.stage.path("copied").exists()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_seen_once(steps in prop::collection::vec(happens(), 1..40), block in 40..700_usize) {
        let mut writer = Writer { stage: Stage { block, ..Stage::new() }, written: 0, open: false };
        // Known before the first line, so that nothing is older than we are.
        writer.stage.read();
        for step in &steps {
            writer.step(step);
        }
        writer.end_line();
        writer.stage.read();
        // What looks like a copy in the making is waited for.
        std::thread::sleep(Duration::from_millis(60));
        writer.stage.read();
        writer.stage.wait(HOLD);
        let progress = writer.stage.read();
        prop_assert_eq!(progress.left, 0);
        let mut seen = [0_u32; 2000];
        for number in numbers(&writer.stage.seen.text()) {
            seen[number] += 1;
        }
        let written = writer.written as usize;
        for (number, count) in seen.iter().enumerate().skip(1).take(written) {
            prop_assert_eq!(*count, 1, "line {} of {}", number, written);
        }
    }
}

fn numbers(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices("line ").map(|(at, _)| text[at + 5..at + 11].parse().unwrap())
}

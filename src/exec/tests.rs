//! Real children: what they say, how they end, and that none of them is left behind.

use super::*;
use std::path::Path;
use std::time::Instant;

const LONG: Duration = Duration::from_secs(20);

fn sh(script: &str, deadline: Duration) -> Command {
    Command::new(["/bin/sh", "-c", script], deadline)
}

/// Whether no process with this id is left; a zombie counts as left.
fn gone_within(pid: &str, bound: Duration) -> impl Future<Output = bool> + use<> {
    let path = format!("/proc/{pid}");
    async move {
        let gone = async {
            while Path::new(&path).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(bound, gone).await.is_ok()
    }
}

/// Runs it with growing deadlines until it came so far: a busy machine may need longer than the first to start it.
async fn in_time(command: impl Fn(Duration) -> Command, came_so_far: impl Fn(&Finished) -> bool) -> Finished {
    for deadline in [300, 3_000, 15_000].map(Duration::from_millis) {
        let started = Instant::now();
        let finished = run(&command(deadline)).await;
        assert_eq!(finished.end, End::TimedOut { after: deadline });
        assert!(started.elapsed() < deadline + LONG, "{:?}", started.elapsed());
        if came_so_far(&finished) {
            return finished;
        }
    }
    panic!("not even with the longest deadline");
}

#[tokio::test]
async fn words_and_codes_come_back() {
    let finished = run(&sh("echo out; echo err >&2; exit 3", LONG)).await;
    assert_eq!(finished.end, End::Exited { code: 3 });
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(finished.summary(), "exit code 3: err");
    assert_eq!(run(&sh("kill -9 $$", LONG)).await.end, End::Signalled { signal: 9 });
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let reason = |end| match end {
        End::CouldNotStart { reason } => reason,
        other @ (End::Exited { .. } | End::Signalled { .. } | End::TimedOut { .. }) => {
            panic!("{other:?}")
        }
    };
    assert_eq!(reason(run(&Command::new(["no-such-tool"], LONG)).await.end), "no-such-tool: not found");
    assert_eq!(
        reason(run(&Command::new(["/etc/passwd"], LONG)).await.end),
        "/etc/passwd: Permission denied (os error 13)"
    );
    assert_eq!(reason(run(&Command::default()).await.end), "the command is empty");
    assert!(reason(run(&Command::new(["echo", "a\0b"], LONG)).await.end).contains("nul byte"));
}

#[tokio::test]
async fn input_is_fed_and_a_child_that_reads_none_is_no_error() {
    let input = vec![b'x'; 1_000_000];
    let fed = run(&Command { stdin: input.clone(), ..sh("wc -c", LONG) }).await;
    assert_eq!(fed.stdout.trim(), "1000000");
    let deaf = run(&Command { stdin: input, ..sh("exec <&-; echo deaf", LONG) }).await;
    assert_eq!((deaf.end, deaf.stdout.as_str()), (End::Exited { code: 0 }, "deaf\n"));
    assert_eq!(run(&sh("read x; echo $?", LONG)).await.stdout, "1\n", "no input is /dev/null");
}

#[tokio::test]
async fn endless_output_is_drained_but_not_kept() {
    let finished = run(&sh("head -c 20000000 /dev/zero; yes | head -c 300000 >&2; echo end", LONG)).await;
    assert_eq!(finished.end, End::Exited { code: 0 });
    assert_eq!((finished.stdout.len(), finished.stderr.len()), (OUTPUT_CAP, OUTPUT_CAP));
    let full = |finished: &Finished| finished.stdout.len() == OUTPUT_CAP;
    in_time(|deadline| Command::new(["yes"], deadline), full).await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_us() {
    let started = Instant::now();
    let finished = run(&sh("sleep 60 & echo $!", LONG)).await;
    assert_eq!(finished.end, End::Exited { code: 0 });
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    let left = Pid::from_raw(finished.stdout.trim().parse().unwrap());
    nix::sys::signal::kill(left, Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_family_that_ignores_sigterm_is_killed_whole() {
    let script =
        "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $$ $!; while :; do sleep 1; done";
    let both = |finished: &Finished| finished.stdout.split_whitespace().count() == 2;
    let finished = in_time(|deadline| sh(script, deadline), both).await;
    for pid in finished.stdout.split_whitespace() {
        assert!(gone_within(pid, LONG).await, "{pid} is left");
    }
}

#[tokio::test]
async fn sigterm_lets_a_child_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("trap 'echo bye > {}; exit 0' TERM; while :; do sleep 0.05; done", mark.display());
    let cleaned_up = |_: &Finished| std::fs::read_to_string(&mark).is_ok_and(|text| text == "bye\n");
    in_time(|deadline| sh(&script, deadline), cleaned_up).await;
}

#[tokio::test]
async fn a_dropped_future_leaves_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("pids");
    let script =
        format!("trap '' TERM; sleep 60 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", note.display());
    let command = sh(&script, LONG);
    let pids = async {
        loop {
            match std::fs::read_to_string(&note) {
                Ok(pids) => break pids,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let pids = tokio::select! {
        finished = run(&command) => panic!("{finished:?}"),
        pids = pids => pids,
    };
    for pid in pids.split_whitespace() {
        assert!(gone_within(pid, LONG).await, "{pid} is left");
    }
}

/// The variables cannot be set in this process without `unsafe`, so the test runs itself once more under
/// `env`, which sets them.
#[tokio::test]
async fn our_own_environment_and_secrets_stay_here() {
    if std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| socket == "/test") {
        let inner = Command { hide_env: vec!["LINE_TOKEN".to_owned()], ..sh("env", LONG) };
        println!("{}", run(&inner).await.stdout);
        return;
    }
    let this = std::env::current_exe().unwrap().display().to_string();
    let name = "exec::tests::our_own_environment_and_secrets_stay_here";
    let argv = ["env", "NOTIFY_SOCKET=/test", "WATCHDOG_PID=1", "LINE_TOKEN=hunter2", "KEPT=1"];
    // Here `run` removes the three before `env` adds them again, so that the inner test has them.
    let argv = argv.into_iter().chain([this.as_str(), "--exact", name, "--nocapture"]);
    let seen = run(&Command::new(argv, LONG)).await.stdout;
    assert!(seen.contains("KEPT=1"), "{seen}");
    for name in ["NOTIFY_SOCKET", "WATCHDOG_PID", "LINE_TOKEN"] {
        assert!(!seen.contains(name), "{name} reached the child:\n{seen}");
    }
}

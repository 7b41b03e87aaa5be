//! The inbox on a real directory: order, age, crash, and everything that is no order.

use super::*;
use std::os::unix::fs::PermissionsExt;

const NOW: u64 = 1_771_556_400;

fn pause(target: &str, secs: u64) -> Order {
    let span = Duration::from_secs(secs);
    Order::Pause { target: Some(Name::parse(target).unwrap()), span, reason: "upgrade".to_owned() }
}

fn files_in(dir: &Path) -> usize {
    fs::read_dir(place(dir)).unwrap().count()
}

#[test]
fn orders_come_in_the_order_in_which_they_were_left() {
    let dir = tempfile::tempdir().unwrap();
    let resume = Order::Resume { target: None };
    let file = leave(dir.path(), &pause("gateway", 60), NOW).unwrap();
    leave(dir.path(), &resume, NOW).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(place(dir.path())).unwrap().mode() & 0o777, 0o700);
    let mut inbox = Inbox::open(dir.path());
    assert_eq!(inbox.take(NOW), [pause("gateway", 60), resume]);
    assert_eq!(inbox.take(NOW), [], "taken once");
    assert!(file.exists(), "kept until it is absorbed");
    inbox.absorbed();
    assert_eq!(files_in(dir.path()), 0);
}

#[test]
fn a_crash_before_the_save_loses_nothing_and_adds_no_time() {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path(), &pause("gateway", 60), NOW).unwrap();
    assert_eq!(Inbox::open(dir.path()).take(NOW + 10), [pause("gateway", 50)]);
    assert_eq!(Inbox::open(dir.path()).take(NOW + 59), [pause("gateway", 1)], "the same end");
    let mut late = Inbox::open(dir.path());
    assert_eq!(late.take(NOW + 60), [], "it was over");
    late.absorbed();
    assert_eq!(files_in(dir.path()), 0);
}

#[test]
fn clocks_that_are_set_back_and_long_spans_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path(), &pause("gateway", 60), NOW + 5_000).unwrap();
    leave(dir.path(), &pause("ollama", 90 * 86_400), NOW).unwrap();
    let orders = Inbox::open(dir.path()).take(NOW);
    assert_eq!(orders, [pause("gateway", 60), pause("ollama", PAUSE_MAX.as_secs())]);
    let test = Order::TestAlert { channel: None };
    leave(dir.path(), &test, NOW).unwrap();
    assert!(Inbox::open(dir.path()).take(NOW + TEST_EXPIRY_S).contains(&test));
    assert!(!Inbox::open(dir.path()).take(NOW + TEST_EXPIRY_S + 1).contains(&test));
}

#[test]
fn what_is_no_order_is_thrown_away_once() {
    let dir = tempfile::tempdir().unwrap();
    let good = leave(dir.path(), &Order::TestAlert { channel: None }, NOW).unwrap();
    let text = fs::read_to_string(&good).unwrap();
    let at = |name: &str| place(dir.path()).join(name);
    let put = |name: &str, text: &str, mode: u32| {
        fs::write(at(name), text).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    put("garbage", "\u{0}{}", 0o600);
    put("open", &text, 0o666);
    put("long", &format!("{text}{}", " ".repeat(5000)), 0o600);
    put("newer", &text.replace("\"version\":1", "\"version\":2"), 0o600);
    put("name", r#"{"version":1,"left":1,"order":{"order":"resume","target":"../x"}}"#, 0o600);
    put("half", &text[..text.len() / 2], 0o600);
    put(".being-written", &text, 0o600);
    std::os::unix::fs::symlink(&good, at("link")).unwrap();
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(at("directory")).unwrap();
    fs::create_dir_all(at("full/directory")).unwrap();
    let mut inbox = Inbox::open(dir.path());
    assert_eq!(inbox.take(NOW), [Order::TestAlert { channel: None }]);
    inbox.absorbed();
    assert_eq!(files_in(dir.path()), 2, "what is being written, and what cannot be removed");
    leave(dir.path(), &Order::TestAlert { channel: None }, NOW).unwrap();
    assert_eq!(inbox.take(NOW), [Order::TestAlert { channel: None }], "and it is not looked at again");
}

#[test]
fn a_flood_is_taken_in_portions_and_an_empty_box_costs_no_look() {
    let dir = tempfile::tempdir().unwrap();
    (0..40).for_each(|_| drop(leave(dir.path(), &Order::TestAlert { channel: None }, NOW).unwrap()));
    let mut inbox = Inbox::open(dir.path());
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(inbox.take(NOW).len());
        inbox.absorbed();
    }
    assert_eq!(taken, [TAKEN_MAX, TAKEN_MAX, 8, 0]);
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    fs::File::open(place(dir.path())).unwrap().set_modified(long_ago).unwrap();
    assert!(inbox.take(NOW).is_empty() && inbox.quiet_since == Some(long_ago));
    leave(dir.path(), &Order::TestAlert { channel: None }, NOW).unwrap();
    assert_eq!(inbox.take(NOW).len(), 1);
}

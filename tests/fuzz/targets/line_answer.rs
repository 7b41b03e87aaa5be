//! Any answer in the place of LINE's: every one means something, and only LINE's own word means accepted.
//!
//! Two bytes choose the status, one which headers there are; the rest is the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picoclaw_watchdog::notify::line::classify;
use picoclaw_watchdog::recovery::evidence::Delivery;

fuzz_target!(|data: &[u8]| {
    let [high, low, headers, body @ ..] = data else { return };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let id = (headers & 1 != 0).then_some("id");
    let accepted_id = (headers & 2 != 0).then_some("first id");
    match classify(status, id, accepted_id, body) {
        Delivery::Accepted { .. } => assert!([200, 409].contains(&status), "{status}"),
        Delivery::QuotaSpent(_) => assert_eq!(status, 429),
        // What is refused is given up for good: never for a server's passing trouble.
        Delivery::Refused(why) => assert!((400..500).contains(&status) && status != 429, "{status}: {why}"),
        Delivery::Retry(why) => assert!(!why.is_empty()),
        Delivery::Later { .. } => panic!("LINE asks nobody for peace"),
    }
});

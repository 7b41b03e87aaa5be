//! What a reset wipes can be put back.

use super::*;

#[tokio::test]
async fn what_a_reset_has_wiped_is_not_lost_when_it_cannot_be_published_again() {
    let tailnet = Tailnet::new();
    tailnet.serve_ours();
    tailnet.0.steer("exits-0", "");
    let why = failed(tailnet.perform(How::Reset).await);
    assert!(why.contains("; what was served before is in "), "{why}");
    // What cannot be kept is not wiped.
    let blocked = tailnet.file("blocked");
    std::fs::write(&blocked, "").unwrap();
    let commands = tailnet.commands().len();
    tailnet.serve_ours();
    let why = failed(tailnet.action(How::Reset).perform(&Clients::new(), &blocked).await);
    assert!(why.starts_with("not tried, for what is served could not be kept: "), "{why}");
    assert_eq!(tailnet.commands().len(), commands);
}

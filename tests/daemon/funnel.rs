//! The public way in: a tailscaled with the real formats and the real traps, what the probes make of it, what the
//! action does about it, and two stories with the real daemon.

mod kept;

use crate::common::{Home, OpsLog, StandIn, read, wait_until};
use picoclaw_watchdog::action::funnel::{How, PublishFunnel};
use picoclaw_watchdog::probe::clients::Clients;
use picoclaw_watchdog::probe::tailscale::{Ask, Daemon, Funnel, Publication, Tailscale};
use picoclaw_watchdog::recovery::evidence::Reading;
use picoclaw_watchdog::recovery::record::Outcome;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(10);
const OURS: Publication = Publication { port: 18791, public_port: 443 };
const APPLY: &str = "funnel --bg --yes --https=443 18791";

/// A tailscaled that serves nothing yet.
struct Tailnet(StandIn);

impl Tailnet {
    fn new() -> Self {
        Self(StandIn::tailscaled())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.control_dir().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    async fn perform(&self, how: How) -> Outcome {
        self.action(how).perform(&Clients::new(), &self.file("state")).await
    }

    fn daemon(&self) -> Daemon {
        Daemon { socket: self.file("tailscaled.sock"), program: self.path("tailscale") }
    }

    fn action(&self, how: How) -> PublishFunnel {
        PublishFunnel {
            daemon: self.daemon(),
            wanted: OURS,
            how,
            elevate: vec![self.path("sudo"), "-n".to_owned()],
            wait: Duration::from_millis(10),
            timeout: LONG,
        }
    }

    /// What has been served since the start, or by this.
    fn serve(&self, config: &str) {
        self.0.steer("serve.json", config);
    }

    fn serve_ours(&self) {
        self.serve(&entry(443, 18791, true));
    }

    /// The commands so far.
    fn commands(&self) -> Vec<String> {
        read(&self.file("commands")).lines().map(str::to_owned).collect()
    }

    async fn published(&self) -> Reading {
        Funnel { daemon: self.daemon(), wanted: OURS, timeout: LONG }.ask(&Clients::new()).await
    }

    async fn node(&self) -> Reading {
        let ask = Ask::Node { port: 443 };
        Tailscale { daemon: self.daemon(), ask, timeout: LONG }.ask(&Clients::new()).await
    }

    async fn is_published(&self) -> bool {
        matches!(self.published().await, Reading::Pass(_))
    }
}

/// One port that leads to another, and perhaps to the internet.
fn entry(public: u16, port: u16, funnel: bool) -> String {
    let at = format!("gw.tail1234.ts.net:{public}");
    let allow = if funnel { format!(r#","AllowFunnel":{{"{at}":true}}"#) } else { String::new() };
    format!(
        r#"{{"TCP":{{"{public}":{{"HTTPS":true}}}},
            "Web":{{"{at}":{{"Handlers":{{"/":{{"Proxy":"http://127.0.0.1:{port}"}}}}}}}}{allow}}}"#
    )
}

fn failed(outcome: Outcome) -> String {
    let Outcome::Failed(why) = outcome else { panic!("{outcome:?}") };
    why
}

#[tokio::test]
async fn the_probes_read_a_real_socket() {
    let tailnet = Tailnet::new();
    assert_eq!(tailnet.node().await, Reading::Pass("connected, tailscale 1.102.2".to_owned()));
    let nothing = Reading::Fail("nothing is published, and so not port 18791".to_owned());
    assert_eq!(tailnet.published().await, nothing);
    tailnet.serve_ours();
    assert!(tailnet.is_published().await);
    tailnet.0.steer("backend", "NeedsLogin");
    assert_eq!(tailnet.node().await, Reading::Fail("logged out: run `tailscale up`".to_owned()));
    assert!(tailnet.commands().is_empty(), "the socket is enough");
    // No permission on the socket: the command knows as much.
    tailnet.0.steer("forbidden", "");
    assert_eq!(tailnet.node().await, Reading::Fail("logged out: run `tailscale up`".to_owned()));
    assert!(tailnet.is_published().await);
    assert_eq!(tailnet.commands(), ["status --json --peers=false", "funnel status --json"]);
}

#[tokio::test]
async fn a_port_is_published_by_an_operator_or_else_with_sudo() {
    let tailnet = Tailnet::new();
    let done = tailnet.perform(How::Apply).await;
    assert_eq!(done, Outcome::Done("port 18791 is published as gw.tail1234.ts.net:443".to_owned()));
    assert_eq!(tailnet.commands(), [APPLY]);
    let again = tailnet.perform(How::Apply).await;
    assert!(again.detail().ends_with("already, so there was nothing to do"), "{again:?}");
    assert_eq!(tailnet.commands().len(), 1);

    tailnet.serve(&entry(443, 18791, false));
    tailnet.0.steer("denied", "");
    assert!(matches!(tailnet.perform(How::Apply).await, Outcome::Done(_)));
    assert_eq!(tailnet.commands(), [APPLY, APPLY, &format!("sudo {APPLY}")]);

    tailnet.serve("{}");
    tailnet.0.steer("password", "");
    let why = failed(tailnet.perform(How::Apply).await);
    assert_eq!(
        why,
        "nothing is published, and so not port 18791, after exit code 1: sudo: a password is required"
    );
    let never = PublishFunnel { elevate: Vec::new(), ..tailnet.action(How::Apply) };
    let why = failed(never.perform(&Clients::new(), &tailnet.file("state")).await);
    assert!(why.ends_with("use 'sudo tailscale set --operator=$USER' once."), "{why}");
}

#[tokio::test]
async fn no_exit_code_is_believed_and_no_command_waited_for_for_ever() {
    let tailnet = Tailnet::new();
    tailnet.0.steer("exits-0", "");
    let why = failed(tailnet.perform(How::Apply).await);
    assert!(
        why.starts_with("nothing is published, and so not port 18791, after exit code 0: https://login"),
        "{why}"
    );
    tailnet.0.unsteer("exits-0");

    tailnet.0.steer("foreground", "");
    let why = failed(tailnet.perform(How::Apply).await);
    assert!(why.contains("background configuration already exists"), "{why}");
    tailnet.0.unsteer("foreground");

    tailnet.0.steer("block", "");
    let hasty = PublishFunnel { timeout: Duration::from_secs(5), ..tailnet.action(How::Apply) };
    let started = Instant::now();
    let why = failed(hasty.perform(&Clients::new(), &tailnet.file("state")).await);
    assert!(why.contains("after not finished after 5000 ms: https://login"), "{why}");
    assert!(started.elapsed() < hasty.timeout() && hasty.timeout() < Duration::from_secs(20));
    // What hangs for us would hang for root: only the one that was refused was tried again.
    assert_eq!(tailnet.commands().len(), 1 + 2 + 1);
}

#[tokio::test]
async fn what_is_published_is_switched_off_and_on_and_everything_else_is_left_alone() {
    let tailnet = Tailnet::new();
    tailnet.serve_ours();
    assert!(matches!(tailnet.perform(How::Cycle).await, Outcome::Done(_)));
    assert_eq!(tailnet.commands(), ["funnel --https=443 off", APPLY]);
    // Denied at every step, it is four commands, and no more.
    tailnet.0.steer("denied", "");
    assert!(matches!(tailnet.perform(How::Cycle).await, Outcome::Done(_)));
    assert_eq!(tailnet.commands().len(), 2 + 4);
    tailnet.0.steer("password", "");
    let why = failed(tailnet.perform(How::Cycle).await);
    assert_eq!(why, "it cannot be switched off: exit code 1: sudo: a password is required");
    assert!(tailnet.is_published().await);
    tailnet.0.unsteer("denied");

    let commands = tailnet.commands().len();
    tailnet.serve(&entry(443, 3000, true));
    for how in [How::Apply, How::Cycle, How::Reset] {
        let why = failed(tailnet.perform(how).await);
        assert_eq!(why, "not tried, for other things are served: http://127.0.0.1:3000");
    }
    let ours = entry(443, 18791, true);
    tailnet.serve(&ours.replace(r#""Handlers":{"#, r#""Handlers":{"/files":{"Path":"/srv"},"#));
    let why = failed(tailnet.perform(How::Cycle).await);
    assert!(why.contains("gw.tail1234.ts.net:443/files"), "{why}");
    tailnet.serve(&ours.replace(r#""TCP":{"#, r#""TCP":{"22":{"TCPForward":"127.0.0.1:22"},"#));
    let why = failed(tailnet.perform(How::Reset).await);
    assert_eq!(why, "not tried, for other things are served: port 22");
    assert_eq!(tailnet.commands().len(), commands, "none of these was tried");

    tailnet.serve_ours();
    let Outcome::Done(told) = tailnet.perform(How::Reset).await else { panic!() };
    assert_eq!(tailnet.commands()[commands..], ["funnel reset", APPLY]);
    assert!(tailnet.is_published().await, "what was wiped is back");
    let (_, kept) = told.split_once("; what was served before is in ").unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(kept, serde_json::from_str::<serde_json::Value>(&entry(443, 18791, true)).unwrap());
}

#[tokio::test]
async fn hopeless_repairs_are_not_tried() {
    let tailnet = Tailnet::new();
    let refused = async |control: &str, content: &str, words: &str| {
        tailnet.0.steer(control, content);
        let why = failed(tailnet.perform(How::Apply).await);
        assert!(why.starts_with("not tried: ") && why.contains(words), "{why}");
        tailnet.0.unsteer(control);
    };
    refused("backend", "NeedsLogin", "logged out: run `tailscale up`").await;
    refused("backend", "Starting", "tailscaled is not ready (Starting)").await;
    refused("no-caps", "", "HTTPS is off for the tailnet").await;
    refused("version", "1.102.1-tabc", "upgrade to 1.102.2").await;
    refused("garbage", "<html>", "not understood").await;
    assert!(tailnet.commands().is_empty());
    let daemon = Daemon { socket: tailnet.file("nobody.sock"), ..tailnet.daemon() };
    let why = failed(
        PublishFunnel { daemon, ..tailnet.action(How::Apply) }
            .perform(&Clients::new(), &tailnet.file("state"))
            .await,
    );
    assert_eq!(why, "not tried: tailscaled does not run: start it with `sudo systemctl start tailscaled`");
}

// --- With the real daemon -----------------------------------------------------------------------------

/// A gateway, its public way in, LINE, and a home for the watchdog.
struct Site {
    gateway: StandIn,
    tailnet: Tailnet,
    line: StandIn,
    home: Home,
}

impl Site {
    fn new() -> Self {
        let (gateway, tailnet, line) = (StandIn::gateway(&[]), Tailnet::new(), StandIn::line());
        tailnet.serve(&entry(443, gateway.webhook_address().port(), true));
        let home = Home::new("");
        let site = Self { gateway, tailnet, line, home };
        site.home.configure(&site.config());
        site
    }

    fn config(&self) -> String {
        let Self { gateway, tailnet, line, home } = self;
        let (push, health) = (line.url("/v2/bot/message/push"), gateway.url("/health"));
        let (edge, resolver) = (tailnet.0.address().port(), tailnet.0.webhook_address());
        let (webhook, restarted) = (gateway.webhook_address(), home.path("restarted"));
        let restarted = restarted.display();
        let daemon = format!(
            "socket = '{}', program = '{}'",
            tailnet.path("tailscaled.sock"),
            tailnet.path("tailscale")
        );
        let publish =
            format!("{daemon}, port = {}, elevate = ['{}', '-n']", webhook.port(), tailnet.path("sudo"));
        format!(
            r#"
interval = "2s"
reprobe = "300ms"
hold_off = "0s"
[offline]
references = ["127.0.0.1:9", "127.0.0.2:9"]
[line]
enabled = true
to = "U00000000000000000000000000000000"
token = "a-token-of-line"
endpoint = "{push}"

[[target]]
name = "gateway"
ladder = [{{ action = "restart-gateway" }}]
[[target.probe]]
name = "health"
check.http = {{ url = "{health}", timeout = "1s" }}
[action.restart-gateway]
do.run = {{ argv = ["touch", "{restarted}"], timeout = "5s" }}

[[target]]
name = "tailscale"
alert_after = "1s"
[[target.probe]]
name = "node"
fail_after = 2
check.tailscale = {{ {daemon}, timeout = "1s" }}
[[target.probe]]
name = "expiry"
role = "readiness"
check.tailscale = {{ {daemon}, ask = "expiry", timeout = "1s" }}

[[target]]
name = "funnel"
depends_on = ["gateway", "tailscale"]
ladder = [{{ action = "publish-funnel" }}, {{ action = "cycle-funnel" }}]
backoff = ["0s"]
settle = "1s"
stable_for = "1s"
half_open = ["6h"]
[[target.probe]]
name = "published"
fail_after = 2
check.funnel = {{ {daemon}, port = {port}, timeout = "1s" }}
[[target.probe]]
name = "way-in"
fail_after = 2
[target.probe.check.reach]
url = "http://gw.tail1234.ts.net:{edge}/webhook/line"
local = "http://{webhook}/webhook/line"
resolver = "http://{resolver}/dns-query"
socket = '{socket}'
timeout = "1500ms"
[action.publish-funnel]
disruptive = false
do.publish-funnel = {{ {publish} }}
[action.cycle-funnel]
disruptive = false
do.publish-funnel = {{ {publish}, how = "cycle", wait = "300ms", timeout = "2s" }}
"#,
            port = webhook.port(),
            socket = tailnet.path("tailscaled.sock"),
        )
    }

    fn messages(&self) -> Vec<String> {
        self.line.requests().into_iter().map(|request| request.body).collect()
    }

    fn was_restarted(&self) -> bool {
        self.home.path("restarted").exists()
    }
}

fn all_well(log: &OpsLog) -> bool {
    !log.lines(&["action=end ", "all well"]).is_empty()
}

#[test]
fn a_funnel_that_was_switched_off_is_back_without_a_word() {
    let site = Site::new();
    let daemon = site.home.start();
    daemon.wait("all is well", all_well);
    assert!(site.tailnet.commands().is_empty(), "no child process while all is well");
    site.tailnet.serve("null");
    let log = daemon.wait("it is repaired", |log| {
        !log.lines(&["target=funnel", "was repaired by publish-funnel"]).is_empty()
    });
    assert_eq!(site.tailnet.commands().len(), 1, "{:?}", site.tailnet.commands());
    assert!(!log.lines(&["target=funnel", "nothing is published"]).is_empty(), "{}", log.0);
    assert!(site.messages().is_empty() && !site.was_restarted(), "{:?}\n{}", site.messages(), log.0);
}

#[test]
fn a_dead_edge_costs_a_few_commands_and_one_message_that_names_it() {
    let site = Site::new();
    let daemon = site.home.start();
    daemon.wait("all is well", all_well);
    site.tailnet.0.steer("edge-dead", "");
    let message =
        wait_until(Duration::from_secs(60), "LINE hears of it", || site.messages().first().cloned());
    let hop = "public edge: it closed the connection without a full answer; loopback and the tailnet answer";
    assert!(message.contains(hop), "{message}\n{}", site.home.log().0);
    let log = daemon.cycles(3);
    let commands = site.tailnet.commands();
    assert!((2..=4).contains(&commands.len()), "{commands:?}");
    assert_eq!(site.messages().len(), 1, "{:?}\n{}", site.messages(), log.0);
    assert!(!site.was_restarted() && log.attempts("gateway") == 0, "{}", log.0);
    assert!(
        site.tailnet.file("serve.json").exists()
            && read(&site.tailnet.file("serve.json")).contains("AllowFunnel")
    );

    site.tailnet.0.unsteer("edge-dead");
    daemon.wait("it is over", |log| !log.lines(&["target=funnel", "result=OK"]).is_empty());
}

#[test]
fn a_node_that_is_logged_out_is_the_one_thing_told() {
    let site = Site::new();
    let daemon = site.home.start();
    daemon.wait("all is well", all_well);
    site.tailnet.0.steer("backend", "NeedsLogin");
    site.tailnet.serve("null");
    let message =
        wait_until(Duration::from_secs(60), "LINE hears of it", || site.messages().first().cloned());
    assert!(message.contains("logged out: run `tailscale up`"), "{message}");
    let log = daemon.cycles(3);
    assert_eq!((site.messages().len(), log.attempts("funnel")), (1, 0), "{:?}\n{}", site.messages(), log.0);
    assert!(site.tailnet.commands().is_empty(), "{:?}", site.tailnet.commands());
}

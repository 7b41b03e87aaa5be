//! Answers as tailscaled really gives them: what is made of each.

use super::*;
use serde_json::{Value, json};

const OURS: Publication = Publication { port: 18791, public_port: 443 };

/// A status without peers, as 1.102 gives it, with some of what we do not read.
pub(super) fn status() -> Value {
    json!({
        "Version": "1.102.2-t0f2b9d9a1-g5b6e0f1c2", "TUN": true, "BackendState": "Running",
        "HaveNodeKey": true, "AuthURL": "", "TailscaleIPs": ["fd7a:115c:a1e0::1", "100.101.102.103"],
        "Self": {
            "ID": "nabc", "DNSName": "gw.tail1234.ts.net.", "Online": true, "Relay": "tok",
            "KeyExpiry": "2026-08-19T03:04:05Z",
            "CapMap": {
                "https": null, "funnel": null, "default-auto-update": [true],
                "https://tailscale.com/cap/funnel-ports?ports=443,8443-8445,10000": null
            }
        },
        "Health": [], "MagicDNSSuffix": "tail1234.ts.net", "CertDomains": ["gw.tail1234.ts.net"],
        "Peer": null, "User": null, "ClientVersion": null
    })
}

fn node(change: impl FnOnce(&mut Value)) -> Node {
    let mut value = status();
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn judged(change: impl FnOnce(&mut Value)) -> Reading {
    node(change).judge(443)
}

pub(super) fn fails(reading: Reading) -> String {
    let Reading::Fail(text) = reading else { panic!("{reading:?}") };
    text
}

#[test]
fn a_node_in_order_passes() {
    assert_eq!(judged(|_| ()), Reading::Pass("connected, tailscale 1.102.2".to_owned()));
    let warned = judged(|status| status["Health"] = json!(["TLS cert pending\nfor a"]));
    let told = "connected, tailscale 1.102.2 (it says: TLS cert pending\\nfor a)";
    assert_eq!(warned, Reading::Pass(told.to_owned()));
    // While disconnected, and in old versions, there is no map; that forbids nothing.
    assert!(matches!(judged(|status| status["Self"]["CapMap"] = Value::Null), Reading::Pass(_)));
    assert_eq!(node(|_| ()).address().unwrap().to_string(), "100.101.102.103");
}

#[test]
fn each_thing_that_only_a_person_can_mend_says_how() {
    let told = |change: &dyn Fn(&mut Value)| fails(judged(|status| change(status)));
    let state = |name: &'static str| told(&|status| status["BackendState"] = json!(name));
    assert_eq!(state("NeedsLogin"), "logged out: run `tailscale up`");
    assert_eq!(state("Stopped"), "tailscale is switched off: run `tailscale up`");
    assert!(state("NeedsMachineAuth").contains("approve it in Tailscale's admin console"));
    let expired = told(&|status| {
        status["BackendState"] = json!("NeedsLogin");
        status["Self"]["Expired"] = json!(true);
    });
    assert_eq!(expired, "the node's key has expired: run `tailscale up --force-reauth`");
    for bad in ["1.102.0", "1.102.1-tabc-gdef"] {
        let text = told(&|status| status["Version"] = json!(bad));
        assert!(text.ends_with("rejects everything that comes through Funnel: upgrade to 1.102.2"), "{text}");
    }
    let without = |cap: &'static str| {
        told(&|status| {
            status["Self"]["CapMap"].as_object_mut().unwrap().remove(cap).unwrap();
        })
    };
    assert!(without("https").starts_with("HTTPS is off for the tailnet: enable it"));
    assert!(without("funnel").starts_with("the tailnet does not allow Funnel for this node: add"));
    let ports = without("https://tailscale.com/cap/funnel-ports?ports=443,8443-8445,10000");
    assert_eq!(ports, "Funnel may not use port 443 here (allowed: none): configure another public port");
}

#[test]
fn a_node_that_lost_the_control_server_is_told_with_what_it_says_itself() {
    let text = fails(judged(|status| {
        status["Self"]["Online"] = json!(false);
        status["Health"] = json!(["Tailscale is out of sync."]);
    }));
    assert!(text.starts_with("not connected to Tailscale's control server"), "{text}");
    assert!(text.ends_with("(it says: Tailscale is out of sync.)"), "{text}");
    let lost = node(|status| status["Self"]["Online"] = json!(false));
    assert_eq!(lost.hindrance(443), None, "it comes back by itself, so a repair is not hopeless");
}

#[test]
fn lists_of_ports_may_hold_ranges() {
    for (port, may) in [(443, true), (8443, true), (8445, true), (10000, true), (8446, false), (80, false)] {
        assert_eq!(node(|_| ()).hindrance(port).is_none(), may, "{port}");
    }
}

#[test]
fn what_is_starting_or_strange_is_unknown() {
    for state in ["", "NoState", "Starting", "Meditating\u{1b}"] {
        let reading = judged(|status| status["BackendState"] = json!(state));
        assert!(matches!(reading, Reading::Unknown(_)), "{state}: {reading:?}");
    }
    assert!(matches!(Node::default().judge(443), Reading::Unknown(_)));
    assert!(Node::default().hindrance(443).is_some(), "and a repair does not begin meanwhile");
}

#[test]
fn the_end_of_the_key_is_told_ahead() {
    let at = |text: &str| SystemTime::from(text.parse::<jiff::Timestamp>().unwrap());
    let asked = |now: &str| node(|_| ()).judge_key(at(now), DEFAULT_WARN);
    let good = Reading::Pass("the node's key lasts until 2026-08-19".to_owned());
    assert_eq!(asked("2026-08-05T03:04:04Z"), good);
    let soon = fails(asked("2026-08-05T03:04:05Z"));
    assert!(
        soon.starts_with("the node's key ends on 2026-08-19: run `tailscale up --force-reauth`"),
        "{soon}"
    );
    assert!(fails(asked("2026-08-19T03:04:06Z")).starts_with("the node's key ended on 2026-08-19: run"));
    let january = at("2026-01-01T00:00:00Z");
    let key = |value| node(|status| status["Self"]["KeyExpiry"] = value).judge_key(january, DEFAULT_WARN);
    assert_eq!(key(Value::Null), Reading::Pass("the node's key does not expire".to_owned()));
    assert!(matches!(key(json!("in a while")), Reading::Unknown(_)));
    let expired = node(|status| status["Self"]["Expired"] = json!(true));
    assert!(fails(expired.judge_key(january, DEFAULT_WARN)).contains("has expired"));
}

/// One host and port that leads somewhere, as `tailscale funnel --bg` and `tailscale serve --bg` leave it.
fn entry(port: u16, proxy: &str, funnel: bool) -> Value {
    let at = format!("gw.tail1234.ts.net:{port}");
    let mut config = json!({
        "TCP": {port.to_string(): {"HTTPS": true}}, "Web": {&at: {"Handlers": {"/": {"Proxy": proxy}}}}
    });
    if funnel {
        config["AllowFunnel"] = json!({at: true});
    }
    config
}

fn merge(into: &mut Value, from: Value) {
    for (key, value) in from.as_object().unwrap().clone() {
        match into.get_mut(&key) {
            Some(there) if there.is_object() => merge(there, value),
            _ => into[key] = value,
        }
    }
}

fn served(value: Value) -> ServeConfig {
    serde_json::from_value::<Option<ServeConfig>>(value).unwrap().unwrap_or_default()
}

fn gap(value: Value) -> Gap {
    served(value).published(OURS).unwrap_err()
}

const PROXY: &str = "http://127.0.0.1:18791";

#[test]
fn what_is_published_is_found_wherever_it_stands() {
    for proxy in [PROXY, "http://localhost:18791/", "https+insecure://[::1]:18791", "localhost:18791"] {
        let found = served(entry(443, proxy, true)).published(OURS);
        assert_eq!(found.as_deref(), Ok("gw.tail1234.ts.net:443"), "{proxy}");
    }
    let foreground = json!({"Foreground": {"0a1b": entry(443, PROXY, true)}});
    assert!(served(foreground).published(OURS).is_ok());
    let mut among_others = entry(8443, "http://127.0.0.1:3000", true);
    merge(&mut among_others, entry(443, PROXY, true));
    assert!(served(among_others).published(OURS).is_ok());
}

#[test]
fn each_way_of_not_being_published_is_named() {
    let nulls = json!({"TCP": null, "Web": null, "AllowFunnel": null, "Foreground": null});
    for empty in [Value::Null, json!({}), nulls] {
        assert_eq!(gap(empty), Gap::Nothing);
    }
    assert_eq!(gap(entry(443, PROXY, false)), Gap::TailnetOnly);
    for other in ["http://127.0.0.1:1879", "http://127.0.0.1:187910", "http://10.0.0.5:18791", "18791"] {
        assert_eq!(gap(entry(443, other, true)), Gap::Taken { by: other.to_owned() });
    }
    let elsewhere = Gap::OtherPort { at: "gw.tail1234.ts.net:8443".to_owned() };
    assert_eq!(gap(entry(8443, PROXY, true)), elsewhere);
    assert_eq!(gap(entry(8443, "http://127.0.0.1:3000", true)), Gap::Others);
    let mut half = entry(443, PROXY, true);
    half["TCP"] = json!({});
    assert_eq!(gap(half), Gap::Half);
    let mut no_https = entry(443, PROXY, true);
    no_https["TCP"]["443"] = json!({"TCPForward": "127.0.0.1:18791"});
    assert_eq!(gap(no_https), Gap::Half);
}

/// The predecessor's two substrings both match here: `Funnel on` for another port, and a proxy to ours.
#[test]
fn funnel_for_another_port_and_a_proxy_within_the_tailnet_are_not_a_publication() {
    let mut config = entry(8443, "http://127.0.0.1:3000", true);
    merge(&mut config, entry(443, PROXY, false));
    let nearest = gap(config);
    assert_eq!(nearest, Gap::TailnetOnly);
    assert_eq!(nearest.told(OURS), "port 18791 is served within the tailnet only, not to the internet");
}

#[test]
fn other_people_s_publications_are_seen_before_anything_is_taken_away() {
    let ours = served(entry(443, PROXY, true));
    assert_eq!((ours.rival(OURS), ours.company(OURS), ours.others(OURS)), (None, None, None));

    let rival = served(entry(443, "http://127.0.0.1:3000", true));
    assert_eq!(rival.rival(OURS).as_deref(), Some("http://127.0.0.1:3000"));

    let mut shared = entry(443, PROXY, true);
    shared["Web"]["gw.tail1234.ts.net:443"]["Handlers"]["/files"] = json!({"Path": "/srv"});
    let shared = served(shared);
    assert_eq!((shared.rival(OURS), shared.company(OURS)), (None, shared.others(OURS)));
    assert_eq!(shared.company(OURS).as_deref(), Some("gw.tail1234.ts.net:443/files to a text or files"));

    let mut many = entry(8443, "http://127.0.0.1:3000", false);
    merge(&mut many, json!({"Services": {"svc:a": {}}, "TCP": {"22": {"TCPForward": "127.0.0.1:22"}}}));
    merge(&mut many, json!({"Foreground": {"0a": {}}}));
    let many = served(many);
    assert_eq!(many.company(OURS), None);
    assert_eq!(many.others(OURS).as_deref(), Some("port 22, port 8443, svc:a, the foreground session 0a"));
}

#[test]
fn garbage_is_refused_and_never_half_read() {
    for bad in ["", "<html>", "7", r#"{"Web":[]}"#, r#"{"AllowFunnel":{"a:443":"yes"}}"#] {
        assert!(serde_json::from_str::<Option<ServeConfig>>(bad).is_err(), "{bad}");
    }
    let deep = format!("{}{}", r#"{"Foreground":{"a":"#.repeat(10_000), "}}".repeat(10_000));
    assert!(serde_json::from_str::<Option<ServeConfig>>(&deep).is_err());
}

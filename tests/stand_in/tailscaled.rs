//! tailscaled as its LocalAPI shows it, with the edge of Funnel and a resolver that knows where that is.
//!
//! Everything lies in the control directory: the socket `tailscaled.sock`, what is served in `serve.json`, and the
//! links `tailscale` and `sudo` to the command (see `tailscale.rs`). Announces the edge, then the resolver. The edge
//! answers 405 as long as a Funnel is on, at 127.0.0.1 for the internet and at 127.0.0.2 for the tailnet.
//! Control files: `backend` (content: the BackendState), `offline`, `version` (content), `no-caps`, `forbidden` (403 to
//! everybody), `hang`, `garbage` (content: the body), `edge-dead`, `tailnet-dead`.

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve_at, serve_on_socket};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The name under which the command publishes.
pub(crate) const HOST: &str = "gw.tail1234.ts.net";
/// This node's own address within the tailnet.
const OWN_ADDRESS: &str = "127.0.0.2";

/// Starts all its servers.
pub(crate) fn start(mut args: Args) -> Result<()> {
    let port = args.parsed("--edge-port", 0)?;
    let resolver_port = args.parsed("--resolver-port", 0)?;
    let directory = args.value("--control")?.context("tailscaled needs --control DIR")?;
    args.done()?;
    let (control, directory) = (Control::new(Some(directory.clone())), PathBuf::from(directory));
    for command in ["tailscale", "sudo"] {
        symlink(std::env::current_exe()?, directory.join(command))?;
    }
    let edge = edge(&control, &directory, "127.0.0.1", port, "edge-dead")?;
    self::edge(&control, &directory, OWN_ADDRESS, edge.port(), "tailnet-dead")?;
    let resolver = serve_at("127.0.0.1", resolver_port, resolve)?;
    let socket = directory.join("tailscaled.sock");
    serve_on_socket(&socket, move |request| local_api(&control, &directory, request))?;
    announce(&[edge, resolver]);
    Ok(())
}

/// What is served: the file, or nothing.
pub(crate) fn served(directory: &Path) -> Value {
    let text = fs::read_to_string(directory.join("serve.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn edge(
    control: &Control,
    directory: &Path,
    address: &str,
    port: u16,
    dead: &'static str,
) -> Result<std::net::SocketAddr> {
    let (control, directory) = (control.clone(), directory.to_owned());
    serve_at(address, port, move |_| {
        let published = served(&directory)["AllowFunnel"].as_object().is_some_and(|hosts| !hosts.is_empty());
        match published && !control.has(dead) {
            true => Answer::Reply(Reply::text(405, "Method Not Allowed\n")),
            false => Answer::Close,
        }
    })
}

/// Every name is at the edge, as JSON over HTTPS says it.
fn resolve(_: &Request) -> Answer {
    let records = json!([{"name": HOST, "type": 1, "TTL": 60, "data": "127.0.0.1"}]);
    let body = json!({"Status": 0, "TC": false, "RD": true, "RA": true, "Answer": records});
    Answer::Reply(Reply::json(200, body.to_string()))
}

fn local_api(control: &Control, directory: &Path, request: &Request) -> Answer {
    if control.has("hang") {
        return Answer::Hang;
    }
    let stranger = ["origin", "referer"].iter().any(|name| request.header(name).is_some());
    if stranger || request.header("host") != Some("local-tailscaled.sock") {
        return Answer::Reply(Reply::text(403, "invalid localapi request\n"));
    }
    if control.has("forbidden") {
        return Answer::Reply(Reply::text(403, "access denied\n"));
    }
    let reply = match (request.path.as_str(), control.text("garbage")) {
        (_, Some(garbage)) => Reply::json(200, garbage),
        ("/localapi/v0/status", None) => Reply::json(200, status(control).to_string()),
        ("/localapi/v0/serve-config", None) => {
            let body = served(directory).to_string();
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            Reply::json(200, body).with("Etag", format!("\"{:016x}\"", hasher.finish()))
        }
        _ => Reply::not_found(),
    };
    Answer::Reply(reply.with("Tailscale-Version", version(control)).with("Tailscale-Cap", "130"))
}

fn version(control: &Control) -> String {
    control.text("version").unwrap_or_else(|| "1.102.2-t0f2b9d9a1-g5b6e0f1c2".to_owned())
}

/// What the daemon says of itself, peers left out.
pub(crate) fn status(control: &Control) -> Value {
    let backend = control.text("backend").unwrap_or_else(|| "Running".to_owned());
    let connected = backend == "Running" && !control.has("offline");
    let capabilities = match (connected, control.has("no-caps")) {
        (false, _) => Value::Null,
        (true, true) => json!({"default-auto-update": [true]}),
        (true, false) => json!({
            "https": null, "funnel": null, "https://tailscale.com/cap/funnel-ports?ports=443,8443,10000": null
        }),
    };
    let health =
        if connected { json!([]) } else { json!(["Tailscale is not in touch with its control server."]) };
    json!({
        "Version": version(control), "TUN": true, "BackendState": backend, "HaveNodeKey": true, "AuthURL": "",
        "TailscaleIPs": [OWN_ADDRESS, "fd7a:115c:a1e0::1"],
        "Self": {
            "ID": "nStandIn", "DNSName": format!("{HOST}."), "Online": connected, "Relay": "tok",
            "KeyExpiry": "2318-01-01T00:00:00Z", "CapMap": capabilities
        },
        "Health": health, "MagicDNSSuffix": "tail1234.ts.net", "CertDomains": [HOST], "Peer": null, "User": null,
        "ClientVersion": null
    })
}

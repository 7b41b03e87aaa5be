//! A moltworker: its status, and its backups behind a service token, as it answers since its first release; and the
//! marker of the last one in its bucket.
//! Files in the control directory: `status` (`not_running`, `not_responding`, `error`), `login` (Access knows
//! nobody and shows its login page), `last-sync` (`null`, or how many seconds ago; taken at the next request),
//! `sync-takes` (milliseconds), `sync-lies` (says success and does nothing), `sync-fails` (500). `--record`
//! gets one line per request.

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use crate::http::{Answer, Reply, Request, serve};
use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// What Access lets through.
const CLIENT_ID: &str = "stand-in.access";
const CLIENT_SECRET: &str = "cfast_stand-in";
const LOGIN: &str =
    "https://team.cloudflareaccess.com/cdn-cgi/access/login/molt.example?kid=0&redirect_url=%2F";

/// In its bucket, which checks no signatures here: the object that each of its backups writes anew.
const MARKER: &str = "/moltbot-data/.last-sync";

struct Moltworker {
    control: Control,
    record: File,
    last_sync: Mutex<Option<Timestamp>>,
}

/// Starts the server.
pub(crate) fn start(mut args: Args) -> Result<()> {
    let port = args.parsed("--port", 18793)?;
    let control = Control::new(args.value("--control")?);
    let path = args.value("--record")?.context("--record FILE is missing")?;
    args.done()?;
    let record = File::options().create(true).append(true).open(&path).context(path)?;
    let molt = Moltworker { control, record, last_sync: Mutex::new(Some(Timestamp::now())) };
    announce(&[serve(port, move |request| Answer::Reply(molt.dated(request)))?]);
    Ok(())
}

impl Moltworker {
    /// As every server behind Cloudflare, it says what time it is.
    fn dated(&self, request: &Request) -> Reply {
        let line = format!("{} {}\n", request.method, request.path);
        if let Err(error) = (&self.record).write_all(line.as_bytes()) {
            eprintln!("stand-in: the record cannot be written: {error}");
        }
        let reply = self.answer(request);
        reply.with("Date", Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
    }

    fn answer(&self, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/sandbox-health") => {
                Reply::json(200, r#"{"status":"ok","service":"moltbot-sandbox","gateway_port":18789}"#)
            }
            ("GET", "/api/status") => Reply::json(200, self.status().to_string()),
            (_, path) if path.starts_with("/api/admin/") && !self.lets_in(request) => {
                Reply::text(302, "<html>Log in</html>").with("Location", LOGIN)
            }
            ("GET", "/api/admin/storage") => Reply::json(200, self.storage().to_string()),
            ("POST", "/api/admin/storage/sync") => self.sync(),
            ("GET", MARKER) => match self.last_sync() {
                Some(time) => Reply::text(200, time + "\n"),
                None => Reply::text(404, "<Error><Code>NoSuchKey</Code></Error>"),
            },
            _ => Reply::json(404, r#"{"error":"Not found"}"#),
        }
    }

    fn lets_in(&self, request: &Request) -> bool {
        let has = |name, value| request.header(name) == Some(value);
        !self.control.has("login")
            && has("cf-access-client-id", CLIENT_ID)
            && has("cf-access-client-secret", CLIENT_SECRET)
    }

    fn status(&self) -> Value {
        match self.control.text("status").as_deref() {
            None | Some("") => json!({ "ok": true, "status": "running", "processId": "p1" }),
            Some("not_responding") => json!({ "ok": false, "status": "not_responding", "processId": "p1" }),
            Some("error") => json!({ "ok": false, "status": "error", "error": "sandbox unavailable" }),
            Some(other) => json!({ "ok": false, "status": other }),
        }
    }

    fn storage(&self) -> Value {
        json!({
            "configured": true,
            "lastSync": self.last_sync(),
            "message": "R2 storage is configured. Your data will persist across container restarts.",
        })
    }

    /// As `date -Iseconds` writes it, which is how the marker is made.
    fn last_sync(&self) -> Option<String> {
        let mut last = self.last_sync.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(steered) = self.control.take("last-sync") {
            let ago = steered.parse().ok().map(Duration::from_secs);
            *last = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
        }
        last.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())
    }

    fn sync(&self) -> Reply {
        sleep(self.control.millis("sync-takes").unwrap_or_default());
        if self.control.has("sync-fails") {
            let body = json!({ "success": false, "error": "Sync failed", "details": "rsync: exit 23" });
            return Reply::json(500, body.to_string());
        }
        if !self.control.has("sync-lies") {
            *self.last_sync.lock().unwrap_or_else(PoisonError::into_inner) = Some(Timestamp::now());
        }
        let last = self.last_sync();
        let body = json!({ "success": true, "message": "Sync completed successfully", "lastSync": last });
        Reply::json(200, body.to_string())
    }
}

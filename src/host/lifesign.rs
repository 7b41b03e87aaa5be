//! A sign of life to somebody outside who notices when it stays away: a ping per completed cycle, in the forms
//! of healthchecks.io, or of Uptime Kuma for a URL with a query.
//!
//! It is sent beside everything else: nothing waits for it, and its failure changes nothing but one line in the
//! log. It must never be given for a cycle that was not completed.

use super::chronicle;
use crate::config::LifeSignSettings;
use crate::probe::clients::Clients;
use crate::values::{Secret, one_line};
use reqwest::{Client, Url};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::info;

/// From the first byte to the answer. The next cycle gives the next sign, so nobody waits longer for this one.
const DEADLINE: Duration = Duration::from_secs(5);
/// Characters of the status line; self-hosted servers keep 10,000 bytes, of up to four per character.
const STATUS_CHARS: usize = 1_000;

/// The sign, and what became of the last one.
#[derive(Debug)]
pub struct LifeSign {
    settings: Option<LifeSignSettings>,
    last: Option<Instant>,
    under_way: Option<JoinHandle<()>>,
    /// Whether the last one did not arrive.
    lost: Arc<AtomicBool>,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// The daemon has started.
    Start,
    /// A cycle was completed.
    Alive,
    /// A cycle was completed, but something of our own is in trouble.
    Trouble,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ping {
    url: Url,
    /// What is posted; without it the URL is only fetched.
    body: Option<String>,
}

impl LifeSign {
    /// None was given yet; without settings none ever is.
    pub fn new(settings: Option<LifeSignSettings>) -> Self {
        Self { settings, last: None, under_way: None, lost: Arc::default() }
    }

    /// Goes on under other settings. The pace is kept, for it may be the same receiver.
    pub fn adopt(&mut self, settings: Option<LifeSignSettings>) {
        self.settings = settings;
    }

    /// The daemon has started.
    pub fn start(&mut self, clients: &Arc<Clients>) {
        self.give(Sign::Start, concat!("version ", env!("CARGO_PKG_VERSION")), clients);
    }

    /// A cycle was completed, perhaps with trouble of our own.
    pub fn cycle(&mut self, status: &str, trouble: Option<&str>, clients: &Arc<Clients>) {
        match trouble {
            None => self.give(Sign::Alive, status, clients),
            Some(why) => self.give(Sign::Trouble, &format!("the watchdog itself: {why} | {status}"), clients),
        }
    }

    /// Waits until nothing is under way any more, at most for the deadline of a sign.
    pub async fn sent(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            // A task that was cancelled sends nothing either.
            let _ = under_way.await;
        }
    }

    fn give(&mut self, sign: Sign, status: &str, clients: &Arc<Clients>) {
        let now = Instant::now();
        let Some(settings) = self.settings.as_ref().filter(|settings| self.is_due(now, settings.every))
        else {
            return;
        };
        let Some(ping) = ping(&settings.url, sign, status) else { return };
        self.last = Some(now);
        let (clients, lost) = (Arc::clone(clients), Arc::clone(&self.lost));
        self.under_way = Some(tokio::spawn(async move { tell(ping.send(&clients).await, &lost) }));
    }

    /// Whether the last sign is over, and long enough ago for the receiver not to drop the next.
    fn is_due(&self, now: Instant, every: Duration) -> bool {
        let over = self.under_way.as_ref().is_none_or(JoinHandle::is_finished);
        over && self.last.is_none_or(|last| now.duration_since(last) >= every)
    }
}

/// The request for a sign; none where the receiver knows no such sign.
fn ping(url: &Secret, sign: Sign, status: &str) -> Option<Ping> {
    // The configuration has read it as a URL already.
    let mut url = Url::parse(url.expose()).ok()?;
    let suffix = match sign {
        Sign::Start => "/start",
        Sign::Alive => "",
        Sign::Trouble => "/fail",
    };
    if url.query().is_some() {
        // It says `status=up` itself. That is no answer to trouble, which is told by silence then.
        return (sign == Sign::Alive).then_some(Ping { url, body: None });
    }
    let path = format!("{}{suffix}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(Ping { url, body: Some(one_line(status, STATUS_CHARS)) })
}

impl Ping {
    /// Sends it, and reads of the answer no more than its status.
    async fn send(self, clients: &Clients) -> Result<(), String> {
        let shown = shown(&self.url);
        let sent = async {
            let client = clients.for_url(&self.url)?;
            let status = self.request(client).send().await.map_err(|error| cause(&error))?.status();
            if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
        };
        let late = || format!("no answer within {} s", DEADLINE.as_secs());
        let sent = timeout(DEADLINE, sent).await.unwrap_or_else(|_| Err(late()));
        sent.map_err(|why| format!("no life sign reaches {shown}: {why}"))
    }

    fn request(self, client: &Client) -> reqwest::RequestBuilder {
        match self.body {
            Some(body) => client.post(self.url).body(body),
            None => client.get(self.url),
        }
    }
}

/// Says the loss of signs once, and its end.
fn tell(sent: Result<(), String>, lost: &AtomicBool) {
    let was_lost = lost.swap(sent.is_err(), Ordering::Relaxed);
    match sent {
        Err(why) if !was_lost => chronicle::trouble("lifesign", &why),
        Ok(()) if was_lost => {
            info!(subject = "lifesign", result = "OK", action = "recovered", "life signs arrive again")
        }
        Ok(()) | Err(_) => {}
    }
}

/// Scheme and host. Whoever knows the path can give signs in our name.
fn shown(url: &Url) -> String {
    format!("{}://{}/***", url.scheme(), url.host_str().unwrap_or_default())
}

/// The innermost cause; the outer ones repeat the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "the request cannot be made".to_owned(),
        None => one_line(&cause.to_string(), STATUS_CHARS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::nobody::nobody;

    const CHECK: &str = "https://hc-ping.com/5bfc5fb5-1e5a-4f41-8f2f-2a1b0d4b6a10";
    const KUMA: &str = "https://kuma.example/api/push/tok3n?status=up&msg=OK&ping=";

    fn asked(url: &str, sign: Sign) -> Option<(String, Option<String>)> {
        ping(&Secret::new(url), sign, "all\nwell").map(|ping| (ping.url.to_string(), ping.body))
    }

    #[test]
    fn a_check_has_an_address_for_each_sign() {
        let body = Some("all\\nwell".to_owned());
        assert_eq!(asked(CHECK, Sign::Alive), Some((CHECK.to_owned(), body.clone())));
        assert_eq!(asked(CHECK, Sign::Start), Some((format!("{CHECK}/start"), body.clone())));
        assert_eq!(asked(&format!("{CHECK}/"), Sign::Trouble), Some((format!("{CHECK}/fail"), body)));
    }

    #[test]
    fn a_push_url_is_left_as_it_is_and_says_only_that_all_is_well() {
        assert_eq!(asked(KUMA, Sign::Alive), Some((KUMA.to_owned(), None)));
        assert_eq!((asked(KUMA, Sign::Start), asked(KUMA, Sign::Trouble)), (None, None));
    }

    #[test]
    fn the_status_is_bounded() {
        let long = ping(&Secret::new(CHECK), Sign::Alive, &"字".repeat(9_000)).unwrap().body.unwrap();
        assert_eq!(long.chars().count(), STATUS_CHARS + 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_pace_is_kept_and_one_sign_is_under_way_at_a_time() {
        let every = Duration::from_secs(12);
        let mut sign = LifeSign::new(None);
        let now = Instant::now();
        assert!(sign.is_due(now, every));
        sign.last = Some(now);
        let at = |ms| now + Duration::from_millis(ms);
        assert!(!sign.is_due(at(11_999), every) && sign.is_due(at(12_000), every));
        sign.under_way = Some(tokio::spawn(std::future::pending()));
        assert!(!sign.is_due(at(60_000), every), "the last one is still under way");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_loss_is_noted_and_shows_no_path() {
        let url = format!("http://{}/secret-path", nobody());
        let settings = LifeSignSettings { url: Secret::new(&url), every: Duration::from_secs(12) };
        let clients = Arc::new(Clients::new());
        let mut sign = LifeSign::new(Some(settings));
        sign.cycle("all well", None, &clients);
        sign.sent().await;
        assert!(sign.lost.load(Ordering::Relaxed));
        let told = ping(&Secret::new(&url), Sign::Alive, "").unwrap().send(&clients).await.unwrap_err();
        assert!(
            told.contains("127.0.0.1/***: Connection refused") && !told.contains("secret-path"),
            "{told}"
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn without_settings_nothing_is_ever_sent() {
        let mut sign = LifeSign::new(None);
        sign.start(&Arc::new(Clients::new()));
        assert!(sign.under_way.is_none());
    }
}

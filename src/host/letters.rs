//! The messages to people, for people and programs: what `alerts` prints. It is made from the outbox and adds
//! no judgement of its own.

use super::log::stamp;
use crate::recovery::outbox::{Fate, Kind, Letter, Outbox, line};
use crate::recovery::policy::{AlertPolicy, ChannelPolicy, Severity};
use crate::recovery::time::{Age, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// The version of this schema.
const SCHEMA: u32 = 1;

/// All letters in the retention, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct LettersView {
    /// 1; it grows when a field changes its meaning.
    pub schema: u32,
    /// Why there is no channel; empty when there is one.
    pub channel_off: String,
    /// Why letters may be missing: a running watchdog cannot save what it has raised.
    pub unsaved: Option<String>,
    /// Who is told of what.
    pub channels: Vec<ChannelView>,
    /// The month's quota, when it is known.
    pub quota: Option<QuotaView>,
    /// The letters.
    pub letters: Vec<LetterView>,
}

/// One channel.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// Why it cannot be used; empty when it can.
    pub off: String,
    /// How bad a fault must be for it.
    pub severities: Vec<Severity>,
    /// The channels that stand in for it when it fails.
    pub fallback: Vec<String>,
}

impl ChannelView {
    /// One channel.
    pub fn new(channel: &ChannelPolicy) -> Self {
        Self {
            name: channel.name.to_string(),
            off: channel.on.clone().err().unwrap_or_default(),
            severities: channel.severities.clone(),
            fallback: channel.fallback.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The month's quota.
#[derive(Clone, Debug, Serialize)]
pub struct QuotaView {
    /// Messages allowed this month; none when there is no limit.
    pub limit: Option<u64>,
    /// Messages used this month, those of others included.
    pub used: u64,
    /// Messages left; none when there is no limit.
    pub left: Option<u64>,
    /// The percentage that is kept for faults and their ends.
    pub reserve_percent: u32,
    /// Seconds since the channel said so.
    pub age_s: u64,
}

/// One letter.
#[derive(Clone, Debug, Serialize)]
pub struct LetterView {
    /// Its number.
    pub id: u64,
    /// The channel that it goes to.
    pub channel: String,
    /// When it was raised, as Unix seconds.
    pub raised_at: u64,
    /// The alert key.
    pub key: String,
    /// `fault`, `reminder`, `recovery`, `notice`, `digest` or `test`.
    pub kind: Kind,
    /// The target; none for what concerns no single one.
    pub target: Option<String>,
    /// `accepted`, `pending`, `withheld`, `refused` or `superseded`.
    pub fate: String,
    /// When the channel accepted it, as Unix seconds.
    pub accepted_at: Option<u64>,
    /// The channel's id of the request.
    pub request_id: Option<String>,
    /// Why it was refused or superseded, or what the channel answered last.
    pub reason: String,
    /// Tries made.
    pub tries: u32,
    /// Seconds until the next try of a pending one.
    pub next_try_in_s: Option<u64>,
    /// The letter with which it was merged into one push; none when it leads its push or has none.
    pub merged_into: Option<u64>,
    /// The text.
    pub text: String,
}

impl LettersView {
    /// Everything that the outbox holds.
    pub fn new(outbox: &Outbox, alerts: &AlertPolicy, now: Timestamp) -> Self {
        let quota = outbox.quota.as_ref().map(|quota| QuotaView {
            limit: quota.limit,
            used: quota.used,
            left: quota.left(),
            reserve_percent: alerts.reserve_percent,
            age_s: now.since(quota.at).as_secs(),
        });
        Self {
            schema: SCHEMA,
            channel_off: alerts.usable().err().unwrap_or_default(),
            unsaved: None,
            channels: alerts.channels.iter().map(ChannelView::new).collect(),
            quota,
            letters: outbox
                .letters
                .iter()
                .map(|letter| LetterView::new(letter, outbox, alerts, now))
                .collect(),
        }
    }

    /// The table for people. Who has LINE only need not be told where each letter went.
    pub fn table(&self, zone: &TimeZone) -> String {
        let many = self.channels.len() > 1;
        let mut text = self.unsaved.iter().map(|why| format!("{why}\n")).collect::<String>();
        for letter in &self.letters {
            let kind = letter.kind.word();
            let raised = stamp(letter.raised_at, zone);
            let channel = if many { format!("{:<10} ", letter.channel) } else { String::new() };
            let fate = letter.sentence(zone);
            let _ =
                writeln!(text, "#{:<4} {raised}  {channel}{kind:<8} {:<24} {fate}", letter.id, letter.key);
        }
        if self.letters.is_empty() {
            let what =
                if self.unsaved.is_some() { "no message was saved" } else { "no message was ever raised" };
            let _ = writeln!(text, "{what}");
        }
        for channel in &self.channels {
            let _ = writeln!(text, "{}", self.sentence(channel));
        }
        text
    }

    fn sentence(&self, channel: &ChannelView) -> String {
        let is_line = channel.name == line().as_str();
        let name = if is_line { "LINE" } else { channel.name.as_str() };
        match (&self.quota, channel.off.as_str()) {
            (_, off) if !off.is_empty() => format!("{name} is off: {off}"),
            (_, _) if !is_line => format!("{name} is on"),
            (Some(quota), _) => quota.sentence(),
            (None, _) => "LINE is on; how many messages are left this month is not known".to_owned(),
        }
    }
}

impl QuotaView {
    /// How much is left, and for whom.
    pub fn sentence(&self) -> String {
        let ago = Age(Duration::from_secs(self.age_s));
        match (self.left, self.limit) {
            (Some(left), Some(limit)) => format!(
                "LINE is on; {left} of {limit} messages are left this month (asked {ago} ago), the last {} % are kept for faults",
                self.reserve_percent
            ),
            _ => format!("LINE is on; {} messages were sent this month, without a limit", self.used),
        }
    }
}

impl LetterView {
    /// One letter of this outbox.
    pub fn new(letter: &Letter, outbox: &Outbox, alerts: &AlertPolicy, now: Timestamp) -> Self {
        let channel = alerts.channel(&letter.channel).filter(|_| letter.is_waiting());
        let next = channel.and_then(|channel| outbox.wake_at(channel));
        let reason = match &letter.fate {
            Fate::Pending | Fate::Withheld => letter.last_answer.clone(),
            Fate::Accepted { .. } => String::new(),
            Fate::Refused { reason, .. } | Fate::Superseded { reason } => reason.clone(),
        };
        let (accepted_at, request_id) = match &letter.fate {
            Fate::Accepted { request_id, wall, .. } => (Some(*wall), Some(request_id.clone())),
            Fate::Pending | Fate::Withheld | Fate::Refused { .. } | Fate::Superseded { .. } => (None, None),
        };
        Self {
            id: letter.id,
            channel: letter.channel.to_string(),
            raised_at: letter.raised_wall,
            key: letter.key.clone(),
            kind: letter.kind,
            target: letter.target.as_ref().map(ToString::to_string),
            fate: letter.fate.word().to_owned(),
            accepted_at,
            request_id,
            reason,
            tries: letter.tries,
            next_try_in_s: next.map(|at| at.since(now).as_secs()),
            merged_into: letter.push.filter(|push| *push != letter.id),
            text: letter.text.clone(),
        }
    }

    /// Its fate in one sentence.
    pub fn sentence(&self, zone: &TimeZone) -> String {
        let mut text = self.fate.clone();
        if let Some(at) = self.accepted_at {
            let _ =
                write!(text, " {}, request {}", stamp(at, zone), self.request_id.as_deref().unwrap_or("-"));
        }
        if let Some(head) = self.merged_into {
            let _ = write!(text, ", in one push with #{head}");
        }
        if let Some(next) = self.next_try_in_s {
            let _ =
                write!(text, ", tries so far: {}, next in {}", self.tries, Age(Duration::from_secs(next)));
        }
        if !self.reason.is_empty() {
            let _ = write!(text, ": {}", self.reason);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, compile};
    use crate::recovery::evidence::{Delivery, Receipt};
    use crate::recovery::outbox::Draft;
    use crate::recovery::quota::Quota;
    use crate::recovery::time::Now;

    fn policy() -> AlertPolicy {
        let config = compile(&Sources { home: "/home/pico".into(), ..Sources::default() }).config.unwrap();
        let mut alerts = config.policy.alerts;
        alerts.channels[0].on = Ok(());
        alerts
    }

    fn at(seconds: u64) -> Now {
        Now { at: Timestamp(seconds * 1000), wall: 1_770_000_000 + seconds, entropy: 1 }
    }

    fn write(outbox: &mut Outbox, key: &str, kind: Kind, seconds: u64) -> u64 {
        let (key, severity, text) = (key.to_owned(), Severity::Critical, "x".to_owned());
        let draft = Draft { key, kind, severity, target: None, incident: 0, text };
        outbox.write(draft, &policy().channels[0], at(seconds))
    }

    #[test]
    fn every_fate_has_its_sentence() {
        let mut outbox = Outbox::default();
        write(&mut outbox, "gateway_limit", Kind::Fault, 0);
        write(&mut outbox, "ollama_remote_outage", Kind::Fault, 0);
        outbox.charge(&policy().channels[0], at(0));
        let accepted = Delivery::Accepted { request_id: "abc".to_owned() };
        outbox.receive(&[Receipt { alert: 1, delivery: accepted }], &policy(), at(1));
        write(&mut outbox, "line_quota", Kind::Notice, 2);
        outbox.quota = Some(Quota { limit: Some(200), used: 160, at: at(0).at, warned: true });
        outbox.keep_reserve(&policy());
        let fault = write(&mut outbox, "health_consecutive", Kind::Fault, 100);
        outbox.charge(&policy().channels[0], at(100));
        let retry = Delivery::Retry("LINE answered 500".to_owned());
        outbox.receive(&[Receipt { alert: fault, delivery: retry }], &policy(), at(101));
        let view = LettersView::new(&outbox, &policy(), at(105).at);
        let zone = TimeZone::posix("JST-9").unwrap();
        let expected = "\
#1    2026-02-02 11:40:00 JST  fault    gateway_limit            accepted 2026-02-02 11:40:01 JST, request abc
#2    2026-02-02 11:40:00 JST  fault    ollama_remote_outage     accepted 2026-02-02 11:40:01 JST, request abc, in one push with #1
#3    2026-02-02 11:40:02 JST  notice   line_quota               superseded: 40 of 200 messages are left this month, and the last 40 are kept for faults
#4    2026-02-02 11:41:40 JST  fault    health_consecutive       pending, tries so far: 1, next in 10 s: LINE answered 500
LINE is on; 40 of 200 messages are left this month (asked 1 min 45 s ago), the last 20 % are kept for faults
";
        assert_eq!(view.table(&zone), expected);
    }
}

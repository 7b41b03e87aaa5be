//! What goes out together, and when. The letters of one push share the key and the bytes of the first, and their
//! fate. Whether a push arrives is not known here.

use super::{Fate, Kind, Letter, Outbox, uuid};
use crate::recovery::policy::{ChannelPolicy, nth_or_last};
use crate::recovery::time::{Now, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// What is raised sooner than this after an acceptance waits so long for company, where several go out at once: a
/// burst costs two messages, not ten.
const COMPANY: Duration = Duration::from_secs(60);
/// Waits between tries. The last keeps the first word within 30 s of the channel's return.
const GAPS: [Duration; 3] = [Duration::from_secs(15), Duration::from_secs(20), Duration::from_secs(25)];
/// After this many tries (about an hour) the channel is asked every five minutes only.
const PATIENT_TRIES: u32 = 150;
const LONG_GAP: Duration = Duration::from_secs(300);
/// LINE honours a retry key for 24 hours from its first use; after that the same key sends twice.
const KEY_LIFE: Duration = Duration::from_secs(23 * 3600);

impl Outbox {
    /// Charges the next try on this channel and returns the push to send once saved, by its first letter. Letters
    /// go out strictly in order, so that nobody is told of the end of a fault before the fault.
    pub fn charge(&mut self, channel: &ChannelPolicy, now: Now) -> Option<u64> {
        if now.at < self.wake_at(channel)? {
            return None;
        }
        let push = self.pack(channel, now)?;
        for letter in self.push_mut(push) {
            letter.first_try.get_or_insert(now.at);
            letter.tries = letter.tries.saturating_add(1);
        }
        let tries = self.letter(push)?.tries;
        let gap = if tries > PATIENT_TRIES { LONG_GAP } else { nth_or_last(&GAPS, tries as usize - 1) };
        self.next_try.insert(channel.name.clone(), now.at.after(gap.max(channel.gap)));
        Some(push)
    }

    /// The push that the first waiting letter leads: put together at its first try, and the same at every retry.
    fn pack(&mut self, channel: &ChannelPolicy, now: Now) -> Option<u64> {
        let head = self.head(channel)?;
        let (push, expired) = (head.id, head.first_try.is_some_and(|at| now.at.since(at) >= KEY_LIFE));
        if expired {
            self.unpack(push, now);
        }
        let head = self.letter(push)?;
        if head.push.is_none() {
            // A body without a push was fixed by the version before pushes, for this letter alone.
            let size = if head.body.is_none() { channel.batch } else { 1 };
            let waiting = self.letters_mut(|letter| letter.is_waiting() && letter.channel == channel.name);
            waiting.take(size).for_each(|letter| letter.push = Some(push));
        }
        Some(push)
    }

    /// Under its old key the push would be sent twice by now, so it may as well be put together anew.
    fn unpack(&mut self, push: u64, now: Now) {
        for letter in self.push_mut(push) {
            letter.push = None;
            letter.body = None;
            letter.first_try = None;
            letter.retry_key = uuid(now.entropy, letter.id);
        }
    }

    /// The letters of a push that still wait, in order.
    pub fn push(&self, push: u64) -> Vec<&Letter> {
        let waiting = self.letters.iter().map(Arc::as_ref).filter(|letter| letter.is_waiting());
        waiting.filter(|letter| letter.is_in(push)).collect()
    }

    /// When the channel wants to be tried next; none when nothing waits for it.
    pub fn wake_at(&self, channel: &ChannelPolicy) -> Option<Timestamp> {
        let head = self.head(channel)?;
        let next = self.next_try.get(&channel.name).copied().unwrap_or_default();
        Some(next.max(self.company_until(channel, head)))
    }

    fn head(&self, channel: &ChannelPolicy) -> Option<&Letter> {
        self.to(&channel.name).find(|letter| letter.is_waiting())
    }

    /// Until when a letter waits for others to share its push. What was raised before the last acceptance has
    /// waited long enough, and somebody sits and waits for a test.
    fn company_until(&self, channel: &ChannelPolicy, head: &Letter) -> Timestamp {
        let is_test = |letter: &Letter| letter.is_waiting() && letter.kind == Kind::Test;
        if channel.batch == 1 || self.to(&channel.name).any(is_test) {
            return Timestamp::default();
        }
        let accepted = self.to(&channel.name).filter_map(|letter| match &letter.fate {
            Fate::Accepted { at, .. } => Some(*at),
            Fate::Pending | Fate::Withheld | Fate::Refused { .. } | Fate::Superseded { .. } => None,
        });
        match accepted.max() {
            Some(at) if head.push.is_none() && head.raised >= at => at.after(COMPANY),
            Some(_) | None => Timestamp::default(),
        }
    }
}

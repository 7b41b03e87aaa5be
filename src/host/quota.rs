//! Asks the channel for the month's quota, beside everything else: no pass waits for it. What follows from the
//! answer is the core's decision.

use crate::notify::line::Line;
use crate::probe::clients::Clients;
use crate::recovery::evidence::QuotaReading;
use crate::recovery::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A month has some thirty days, and what we send ourselves is counted in between.
const PACE: Duration = Duration::from_secs(86_400);
/// After a question without an answer.
const AGAIN: Duration = Duration::from_secs(3600);

/// The question under way and when the next one is due.
#[derive(Debug)]
pub struct QuotaDesk {
    due: Timestamp,
    asking: bool,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    reading: Option<QuotaReading>,
    failure: Option<String>,
}

type Answer = Result<QuotaReading, String>;

impl QuotaDesk {
    /// Due at once, or a day after the last answer, which an earlier process may have had.
    pub fn new(last: Option<Timestamp>) -> Self {
        Self {
            due: last.map_or(Timestamp::default(), |at| at.after(PACE)),
            asking: false,
            answers: mpsc::channel(1),
            reading: None,
            failure: None,
        }
    }

    /// The channel says that the quota is spent: worth asking before the day is over.
    pub fn hurry(&mut self) {
        self.due = Timestamp::default();
    }

    /// Asks when it is due. At most one question is under way; it ends within the bound of
    /// [`Line::quota`].
    pub fn ask(&mut self, now: Timestamp, line: Option<Line>, clients: &Arc<Clients>) {
        let Some(line) = line.filter(|_| now >= self.due && !self.asking) else { return };
        self.asking = true;
        self.due = now.after(AGAIN);
        let (clients, answers) = (Arc::clone(clients), self.answers.0.clone());
        tokio::spawn(async move {
            let url = line.endpoint.parse().map_err(|_| "the endpoint is no URL".to_owned());
            let answer = match url.and_then(|url| clients.for_url(&url)) {
                Ok(client) => line.quota(client).await,
                Err(why) => Err(why),
            };
            // The receiver is gone only when the program ends.
            let _ = answers.send(answer).await;
        });
    }

    /// Whether an answer is awaited.
    pub fn is_asking(&self) -> bool {
        self.asking
    }

    /// Waits for the answer. May be dropped at any time.
    pub async fn answered(&mut self) {
        // Never none: we hold a sender ourselves.
        if let Some(answer) = self.answers.1.recv().await {
            self.note(answer);
        }
    }

    /// What came since the last time.
    pub fn take(&mut self, now: Timestamp) -> Option<QuotaReading> {
        if let Ok(answer) = self.answers.1.try_recv() {
            self.note(answer);
        }
        let reading = self.reading.take()?;
        self.due = now.after(PACE);
        Some(reading)
    }

    /// Why the last question had no answer, when that was not said yet.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn note(&mut self, answer: Answer) {
        self.asking = false;
        match answer {
            Ok(reading) => self.reading = Some(reading),
            Err(why) => self.failure = Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Secret;

    fn nobody() -> Option<Line> {
        let endpoint = "http://127.0.0.1:9/v2/bot/message/push".to_owned();
        Some(Line { endpoint, token: Secret::new("token"), to: "U1".to_owned() })
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_question_without_an_answer_is_put_again_an_hour_later() {
        let (mut desk, clients) = (QuotaDesk::new(None), Arc::new(Clients::new()));
        desk.ask(Timestamp(1), None, &clients);
        assert!(!desk.is_asking(), "there is no channel");
        desk.ask(Timestamp(1), nobody(), &clients);
        assert!(desk.is_asking());
        desk.answered().await;
        assert!(desk.take(Timestamp(2)).is_none() && desk.take_failure().is_some());
        let hour = 3_600_000;
        desk.ask(Timestamp(hour), nobody(), &clients);
        assert!(!desk.is_asking());
        desk.ask(Timestamp(hour + 1), nobody(), &clients);
        assert!(desk.is_asking());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_holds_for_a_day_unless_the_quota_is_spent() {
        let (mut desk, clients) = (QuotaDesk::new(Some(Timestamp(5))), Arc::new(Clients::new()));
        let day = 86_400_000;
        desk.ask(Timestamp(day), nobody(), &clients);
        assert!(!desk.is_asking(), "an earlier process asked");
        desk.note(Ok(QuotaReading { limit: Some(200), used: 1 }));
        assert!(desk.take(Timestamp(day)).is_some());
        desk.ask(Timestamp(2 * day - 1), nobody(), &clients);
        assert!(!desk.is_asking());
        desk.hurry();
        desk.ask(Timestamp(2 * day - 1), nobody(), &clients);
        assert!(desk.is_asking());
    }
}

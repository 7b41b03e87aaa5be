//! The channels to people as the host uses them: letters go out and answers come in beside everything else, so that
//! no pass waits for them. When to send is the core's decision.

use super::chronicle;
use super::quota::QuotaDesk;
use crate::notify::Way;
use crate::notify::line::Line;
use crate::probe::clients::Clients;
use crate::recovery::evidence::{Delivery, QuotaReading, Receipt};
use crate::recovery::outbox::Letter;
use crate::recovery::time::Timestamp;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Answers that wait for a pass. On each channel one push is under way at a time.
const ANSWERS_MAX: usize = 16;

/// What is under way and what came of it.
#[derive(Debug)]
pub struct Channel {
    answers: (mpsc::Sender<Receipt>, mpsc::Receiver<Receipt>),
    receipts: Vec<Receipt>,
    quota: QuotaDesk,
    /// Letters without an answer yet.
    under_way: usize,
    /// Why `alerts.log` lacks a line, as long as it does.
    file_trouble: Option<String>,
}

impl Channel {
    /// Nothing is under way; the quota was last known at that time.
    pub fn new(quota_known: Option<Timestamp>) -> Self {
        Self {
            answers: mpsc::channel(ANSWERS_MAX),
            receipts: Vec::new(),
            quota: QuotaDesk::new(quota_known),
            under_way: 0,
            file_trouble: None,
        }
    }

    /// Waits until the channel has answered, a letter or the question for the quota. May be dropped at any time.
    pub async fn answered(&mut self) {
        tokio::select! {
            // Always some: we hold a sender ourselves.
            Some(receipt) = self.answers.1.recv() => self.receipts.push(receipt),
            () = self.quota.answered() => {}
        }
    }

    /// Whether an answer is awaited, to a letter or to the question for the quota. Each has a bound of its own.
    pub fn is_busy(&self) -> bool {
        self.quota.is_asking() || self.under_way > 0
    }

    /// The answers since the last time.
    pub fn receipts(&mut self) -> Vec<Receipt> {
        while let Ok(receipt) = self.answers.1.try_recv() {
            self.receipts.push(receipt);
        }
        self.under_way = self.under_way.saturating_sub(self.receipts.len());
        if self.receipts.iter().any(|receipt| matches!(receipt.delivery, Delivery::QuotaSpent(_))) {
            self.quota.hurry();
        }
        std::mem::take(&mut self.receipts)
    }

    /// What was said of the quota; asks for it when that is due and there is somebody to ask.
    pub fn quota(
        &mut self,
        now: Timestamp,
        line: Option<Line>,
        clients: &Arc<Clients>,
    ) -> Option<QuotaReading> {
        let reading = self.quota.take(now);
        if let Some(why) = self.quota.take_failure() {
            chronicle::quota_unknown(&why);
        }
        self.quota.ask(now, line, clients);
        reading
    }

    /// What keeps `alerts.log` from being written.
    pub fn file_trouble(&self) -> Option<String> {
        self.file_trouble.clone()
    }

    /// Sends the push that this letter leads, on its way.
    pub fn send(&mut self, way: Way, letter: &Letter, clients: &Arc<Clients>) {
        self.under_way += 1;
        if let Way::File(file) = &way {
            // A line in a file needs no task; there is room for the answer, for one letter is under way at a time.
            let delivery = file.append(letter);
            self.file_trouble = match &delivery {
                Delivery::Retry(why) | Delivery::Later { reason: why, .. } => Some(why.clone()),
                Delivery::Accepted { .. } | Delivery::Refused(_) | Delivery::QuotaSpent(_) => None,
            };
            let _ = self.answers.0.try_send(Receipt { alert: letter.id, delivery });
            return;
        }
        let (clients, answers, letter) = (Arc::clone(clients), self.answers.0.clone(), letter.clone());
        tokio::spawn(async move {
            let delivery = way.send(&clients, &letter).await;
            // The receiver is gone only when the program ends; the letter is tried again then.
            let _ = answers.send(Receipt { alert: letter.id, delivery }).await;
        });
    }
}

//! The channels on which a person is told. A channel sends one finished body and says what became of it;
//! whether and when to send is the core's decision, and no channel may retry by itself.

pub mod line;

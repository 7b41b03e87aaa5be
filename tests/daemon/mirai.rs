//! The Mirai knowledge system as config/mirai.toml sees it, against the real things: Flask under gunicorn behind nginx,
//! PostgreSQL, Redis, journald. Each fault is made for real.

mod failing;
mod journal;
mod repairs;
mod site;

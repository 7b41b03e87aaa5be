//! `status`: what the running watchdog published last, and how old that is. It asks nobody else.

use super::show_checkup;
use crate::cli::Output;
use crate::config::{Config, as_called};
use crate::exit::Exit;
use crate::host::view::View;
use crate::host::{clock, publish};
use crate::recovery::time::Age;
use std::time::Duration;

/// Shows the published view.
pub async fn run(config: &Config, output: Output) -> Exit {
    if !config.enabled {
        return off(config, output).await;
    }
    let Some(view) = publish::read(&config.paths.state) else {
        eprintln!("no watchdog is running, or it has not finished its first cycle");
        eprintln!("  start it:  {} enable --now picoclaw-watchdog", config.manager.systemctl());
        eprintln!("  look once: {}", as_called("picoclaw-watchdog explain", config.flag.as_deref()));
        return Exit::Unavailable;
    };
    let age = clock::wall().saturating_sub(view.at);
    // Of a process that is gone nothing new will come, however young its last word is.
    let is_gone = view.resident && !publish::is_alive(view.pid);
    show_checkup(config, &view, output.json).await;
    if !output.json {
        println!("seen {} ago by pid {}, version {}", Age(Duration::from_secs(age)), view.pid, view.version);
    }
    // Two paces without a sign mean that it hangs or is gone; systemd should have noticed as well.
    if age > view.interval_s * 2 + 60 || is_gone {
        eprintln!(
            "that is too old: the watchdog seems to hang or to be gone ({} status picoclaw-watchdog.service picoclaw-watchdog.timer)",
            config.manager.systemctl()
        );
        return Exit::Unavailable;
    }
    view.overall.into()
}

/// Nothing is watched, whatever was published before. A daemon that still watches has not read that yet.
async fn off(config: &Config, output: Output) -> Exit {
    let view = View::switched_off(&config.policy, clock::wall());
    show_checkup(config, &view, output.json).await;
    if let Some(running) = publish::read(&config.paths.state) {
        eprintln!(
            "the watchdog that runs as pid {} has not read that yet: {} reload picoclaw-watchdog",
            running.pid,
            config.manager.systemctl()
        );
    }
    view.overall.into()
}

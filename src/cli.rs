//! The command line: definitions only. What a command does is in `command/`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Keeps a small self-hosted AI gateway alive, and writes on LINE only when it could not.
#[derive(Debug, Parser)]
#[command(name = "picoclaw-watchdog", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The configuration file; by default ~/.picoclaw/watchdog.toml, else the built-in one.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch until stopped: what systemd starts.
    #[command(
        after_help = "Started by systemd: systemctl --user enable --now picoclaw-watchdog (system-wide: without --user).\nExample: picoclaw-watchdog run --burst 15 --gap 2s --rest 5m"
    )]
    Run(Pace),
    /// One cycle, or some: look, decide, repair if need be, and say how things are. Exits 0, 1 or 2.
    #[command(
        after_help = "Examples: picoclaw-watchdog once --json | jq .overall_status\n          picoclaw-watchdog once --cycles 15 --gap 2s --until-clean 2 --report report.md"
    )]
    Once {
        /// How many cycles, at most 1000.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        cycles: u32,
        /// The wait between two of them.
        #[arg(long, value_name = "SPAN", default_value = "2s")]
        gap: String,
        /// Stop as soon as so many in a row were healthy.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        until_clean: Option<u32>,
        /// Write what was checked, found, repaired and left to this file, a .md or a .json.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Read the configuration and list everything that is wrong with it.
    #[command(after_help = "Example: picoclaw-watchdog check --config ./watchdog.toml")]
    Check(Output),
    /// Look and decide as the daemon would, say why, and do nothing.
    #[command(
        after_help = "Examples: picoclaw-watchdog explain gateway\n          picoclaw-watchdog explain --id 17"
    )]
    Explain {
        /// Only this target.
        target: Option<String>,
        /// Why the action of this number was taken, and what came of it: the `id=` in the log.
        #[arg(long, value_name = "N", conflicts_with = "target")]
        id: Option<u64>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Do nothing about a target for a while, and say nothing of it. It ends by itself.
    #[command(after_help = "Example: picoclaw-watchdog pause gateway --for 2h --reason 'an upgrade'")]
    Pause {
        /// The target, or `all`.
        target: String,
        /// For how long from now, at most 30d: it must end by itself when it is forgotten.
        #[arg(long = "for", value_name = "SPAN")]
        span: String,
        /// Why, for those who read it later.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// End a pause now.
    #[command(after_help = "Example: picoclaw-watchdog resume gateway")]
    Resume {
        /// The target, or `all` for everything that is paused.
        target: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// What the running watchdog last saw. Exits 0, 1 or 2, and 69 when none is running.
    #[command(after_help = "Example: picoclaw-watchdog status")]
    Status(Output),
    /// Look at this host: what keeps the watchdog from doing its work, and the command that mends it. It changes
    /// nothing and sends nothing. Exits 0, 1 when something may matter, and 2 when something must be mended.
    #[command(after_help = "Example: picoclaw-watchdog doctor --json | jq '.findings[] | select(.fix)'")]
    Doctor {
        /// Print instead the lines of sudoers that the configured actions need for the user who runs this.
        #[arg(long, conflicts_with_all = ["print_polkit", "json"])]
        print_sudoers: bool,
        /// Print instead the rule of polkit's that allows the same for units of the system, without sudo.
        #[arg(long, conflicts_with = "json")]
        print_polkit: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// What people were told: every message in the retention, and what became of it.
    #[command(after_help = "Examples: picoclaw-watchdog alerts\n          picoclaw-watchdog alerts test")]
    Alerts {
        /// Something else than the list.
        #[command(subcommand)]
        what: Option<AlertsCommand>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Play a scenario over this configuration, in virtual time, and show what would be done and said. Exits 1
    /// when something that the scenario expects does not hold.
    #[command(
        after_help = "Examples: picoclaw-watchdog simulate S4\n          picoclaw-watchdog simulate my.toml --for 30d --seed 7"
    )]
    Simulate {
        /// A scenario file, or the name of one that comes with the program.
        scenario: Option<String>,
        /// How long, instead of the scenario's own time, like 24h or 365d.
        #[arg(long = "for", value_name = "SPAN")]
        span: Option<String>,
        /// What drives chance: the same seed gives the same run.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// List the scenarios that come with the program.
        #[arg(long)]
        list: bool,
        /// Play a recorded time again under this configuration, and show what would have differed.
        #[arg(long, conflicts_with_all = ["scenario", "list", "span"])]
        from_history: bool,
        /// With --from-history: only the last span of it, like 24h.
        #[arg(long, value_name = "SPAN", requires = "from_history")]
        since: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Test the log rules on a file or on one line: what matches, what is excluded, and how fast. Exits 0 when some
    /// line counts, 1 when none does.
    #[command(
        after_help = "Examples: picoclaw-watchdog logtest /var/log/nginx/access.log\n          picoclaw-watchdog logtest 'OSError: [Errno 28] No space left on device'"
    )]
    Logtest {
        /// A file, `-` for standard input, or one line; without it the samples of the rules are listed.
        #[arg(value_name = "FILE|LINE")]
        input: Option<String>,
        /// The rules: a configuration, or an error_patterns.json; by default those of --config.
        #[arg(long, value_name = "FILE", conflicts_with = "config")]
        rules: Option<PathBuf>,
        /// Show every line, not only the first five of each rule.
        #[arg(long)]
        all: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Ask the running watchdog for something now. The token comes from PICOCLAW_WATCHDOG_KICK_TOKEN in the
    /// environment or in ~/.picoclaw/.env, or from standard input; never from the command line.
    #[command(after_help = "Example: picoclaw-watchdog kick restart_gateway --source line:U0123")]
    Kick {
        /// One of the actions under [kick.actions], such as restart_gateway.
        action: String,
        /// Who asks, for the log: letters, digits and :_@.+-
        #[arg(long, default_value = "cli")]
        source: String,
        /// Read the token from standard input.
        #[arg(long)]
        token_stdin: bool,
        /// Queue the request and do not wait for the answer.
        #[arg(long)]
        no_wait: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// The pace, instead of the configured one. Any of these means bursts of 15, 2s apart, with 5m of rest, unless said
/// otherwise.
#[derive(Clone, Debug, Args)]
pub struct Pace {
    /// Cycles in a burst, at most 1000.
    #[arg(long, value_name = "N")]
    pub burst: Option<u32>,
    /// The wait between two cycles of a burst.
    #[arg(long, value_name = "SPAN")]
    pub gap: Option<String>,
    /// The wait after a burst.
    #[arg(long, value_name = "SPAN")]
    pub rest: Option<String>,
}

/// What to do with messages.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Send one, after saying what it costs, and wait for what becomes of it.
    #[command(after_help = "Example: picoclaw-watchdog alerts test --yes")]
    Test {
        /// On this channel, as `alerts` and `check` name it; else on the first that can be used.
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// How to print.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// Print JSON for programs (schema in the README).
    #[arg(long)]
    pub json: bool,
}

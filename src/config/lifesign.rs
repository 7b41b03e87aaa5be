//! Reads `[lifesign]`: where a sign of life goes. Its address is a secret, and is repeated in no message.

use super::LifeSignSettings;
use crate::section::{Section, parse};
use std::time::Duration;

/// healthchecks.io drops what comes more often than five times a minute.
const LEAST: Duration = Duration::from_secs(12);

/// Who waits longer than an hour for a sign does not wait for one.
const MOST: Duration = Duration::from_secs(3600);

/// Where the sign of life goes; none when there is no address.
pub(super) fn read(root: &mut Section<'_>) -> Option<LifeSignSettings> {
    root.table("lifesign", |lifesign| {
        let url = lifesign.secret("url");
        let every = lifesign.or("every", LEAST, parse::span(LEAST..=MOST));
        if url.is_empty() {
            return None;
        }
        if parse::private_url(url.expose()).is_err() {
            // The text is not repeated: whoever knows it can give signs in our name.
            let hint = "write something like \"https://hc-ping.com/UUID\"";
            lifesign.error(&lifesign.spot("url"), "this is no https URL", hint);
            return None;
        }
        Some(LifeSignSettings { url, every })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, SourceFile, Sources, compile};

    fn with(section: &str) -> Result<Config, String> {
        let text = format!("[[target]]\nname = \"a\"\nunit = \"a\"\n{section}\n");
        let toml = SourceFile { path: "/w.toml".into(), text, mode: 0o600 };
        let compiled =
            compile(&Sources { toml: Some(toml), home: "/home/pico".into(), ..Sources::default() });
        let problems: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
        compiled.config.ok_or(problems.join("\n"))
    }

    #[test]
    fn a_life_sign_has_an_address_that_nobody_sees() {
        let config = with("[lifesign]\nurl = \"https://hc-ping.com/5bfc5fb5\"").unwrap();
        let settings = config.lifesign.clone().unwrap();
        assert_eq!(settings.every, Duration::from_secs(12));
        assert!(!format!("{config:?}").contains("5bfc5fb5"));
        assert!(config.secrets.contains(&settings.url));
        assert_eq!(with("[lifesign]\nurl = \"\"").unwrap().lifesign, None);
        assert_eq!(with("").unwrap().lifesign, None);
    }

    #[test]
    fn a_life_sign_neither_travels_in_the_clear_nor_too_often() {
        for bad in ["http://hc-ping.com/5bfc5fb5", "5bfc5fb5", "https://"] {
            let told = with(&format!("[lifesign]\nurl = \"{bad}\"")).unwrap_err();
            assert!(told.contains("lifesign.url") && !told.contains("5bfc5fb5"), "{told}");
        }
        let told = with("[lifesign]\nurl = \"https://a.b/c\"\nevery = \"11s\"").unwrap_err();
        assert!(told.contains("12s"), "{told}");
    }
}

//! The fixed phrases of our own core, which messages quote, in Japanese.

/// Fixed phrases of `recovery/unit.rs`, `decide.rs` and `health.rs`, longer ones before their parts.
const PHRASES: [(&str, &str); 21] = [
    (
        "a person stopped it while it waited for an automatic restart",
        "自動再起動の待機中に手動で停止されました",
    ),
    ("a person stopped it while it was starting", "起動中に手動で停止されました"),
    ("a person stopped it", "手動で停止されています"),
    ("a person masked it", "手動で mask されています"),
    (
        "it was not started since boot, or was stopped, and it is not enabled",
        "OS の起動後に開始されていないか停止済みで、自動起動も無効です",
    ),
    ("it is enabled but was not started since boot", "自動起動が有効ですが、OS の起動後に開始されていません"),
    ("its main process ended by itself", "メインプロセスが自ら終了しました"),
    (
        "systemd knows no such unit; is it installed, and is its name in the configuration right?",
        "該当するユニットがありません",
    ),
    ("its unit file cannot be used", "ユニットファイルに問題があります"),
    ("it failed (", "異常終了しました ("),
    ("did not help: ", "効果なし: "),
    ("(failed: ", "(失敗: "),
    ("3 runs in a row ended before they were healthy", "正常になる前の終了が3回続いています"),
    ("systemd restarts it by itself", "systemd が自動再起動中です"),
    ("a restart job is under way", "restart ジョブの実行中です"),
    ("a start job is under way", "start ジョブの実行中です"),
    ("a stop job is under way", "stop ジョブの実行中です"),
    ("it is starting (", "起動中です ("),
    ("it is stopping (", "停止処理中です ("),
    (" so far)", "回)"),
    ("unit: ", "ユニット: "),
];

/// What was observed, with our own phrases in the language of the reader.
pub(super) fn quoted(observed: &str) -> String {
    PHRASES.iter().fold(observed.to_owned(), |text, (ours, theirs)| text.replace(ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use crate::recovery::unit::tests::{failed, running};
    use crate::recovery::unit::{Active, Load, Standing, UnitFacts};
    use std::time::Duration;

    /// A phrase that is changed there and not here would reach a Japanese reader in English.
    #[test]
    fn every_standing_of_a_unit_is_known() {
        let with = |active, sub: &str| UnitFacts { active, sub: sub.to_owned(), ..running() };
        let inactive = |facts: UnitFacts| UnitFacts { active: Active::Inactive, ..facts };
        let unloaded = |load| UnitFacts { load, ..running() };
        let queued = |job: &str| UnitFacts { job: Some(job.to_owned()), ..running() };
        let s = |n| Some(Duration::from_secs(n));
        let never = UnitFacts { left_inactive_ago: None, ..running() };
        for facts in [
            failed(),
            unloaded(Load::NotFound),
            unloaded(Load::Masked),
            unloaded(Load::Bad("ユニット".to_owned())),
            queued("restart"),
            queued("start"),
            queued("stop"),
            with(Active::Activating, "auto-restart"),
            with(Active::Activating, "start"),
            with(Active::Deactivating, "stop-sigterm"),
            inactive(UnitFacts { left_active_ago: s(2), main_exited_ago: s(1), ..running() }),
            inactive(UnitFacts { left_active_ago: s(1), main_exited_ago: s(2), ..running() }),
            inactive(UnitFacts { result: "exit-code".to_owned(), ..running() }),
            inactive(UnitFacts { became_active_ago: None, ..running() }),
            inactive(never.clone()),
            inactive(UnitFacts { file_state: "disabled".to_owned(), ..never }),
        ] {
            let words = match facts.standing() {
                Standing::Running => continue,
                Standing::Busy(why) | Standing::Dead(why) | Standing::Off(why) | Standing::Unusable(why) => {
                    why
                }
            };
            let said = quoted(&words);
            let english = [" it ", "it ", "person", "under way", "so far", " is "];
            assert!(!english.iter().any(|word| said.contains(word)), "{words}: {said}");
        }
    }
}

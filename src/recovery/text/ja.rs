//! Messages in Japanese. Prose only: what is said is in [`super::Message`]. What probes and systemd said is
//! quoted, except for the fixed phrases of our own core.

mod phrases;

use super::fault::{Advice, Fault, Headline};
use super::{End, Lasting, Message, bare, in_runs, lines, names, start};
use crate::recovery::digest::{Sums, Week};
use crate::recovery::gate::Hold;
use crate::recovery::policy::Manager;
use crate::recovery::quota::{Quota, Scarce};
use crate::recovery::state::{HEALS_MAX, Incident, Offline, Pause, Spent};
use crate::recovery::verdict::Ruling;
use crate::recovery::window::Window;
use phrases::quoted;
use std::time::Duration;

pub(super) fn render(manager: Manager, message: &Message<'_>) -> String {
    let journalctl = manager.journalctl();
    match message {
        Message::Fault(facts) => fault(manager, facts),
        Message::Recovered { target, end, lasted, incident } => {
            recovered(target.map_or("watchdog", |name| name.as_str()), end, *lasted, incident)
        }
        Message::LeftAlone { target, why, down, unit } => lines([
            Some(format!("{target}: 意図的な停止とみなし、復旧を行いません（{}）。", quoted(why))),
            down.map(|down| format!("{}前から停止しています。", age(down))),
            Some("起動するまで停止したままです。".to_owned()),
            unit.map(|unit| format!("対処: {}", start(manager, unit, why))),
        ]),
        Message::Lasting { target, what, age: lasted, seen } => lines([
            Some(format!("{target}: {}状態が{}続いています。", lasting(*what), age(*lasted))),
            Some(format!("状況: {}", quoted(seen))),
            Some(lasting_advice(*what).to_owned()),
            Some(look(target.as_str())),
        ]),
        Message::OwnTrouble { key, text, age } => own_trouble(manager, key, text, *age),
        Message::ForgedKick { action, source } => lines([
            Some(format!("トークンの誤った操作要求を拒否しました: {action}（要求元: {source}）。")),
            Some("何も実行していません。心当たりがない場合は、要求ファイルの書き込み権限を確認してください。\n対処: PICOCLAW_WATCHDOG_KICK_TOKEN を変更してください".to_owned()),
        ]),
        Message::HealedOften { target, unit, times, per } => lines([
            Some(format!("{target}: 直近{}で{times}回{}、自動復旧しました。", age(*per), or_more(*times))),
            Some("watchdog または systemd により毎回復旧していますが、根本的な原因が残っている可能性があります。".to_owned()),
            unit.map(|unit| format!("対処: 原因を調べてください: {journalctl} -u {unit} --since -{}s -p warning", per.as_secs())),
            Some(look(target.as_str())),
        ]),
        Message::BackOnline { offline, lasted } => back_online(offline, *lasted),
        Message::PauseOver { target, pause, lasted } => pause_over(*target, pause, *lasted),
        Message::Digest(week) => digest(week),
        Message::Test { metered: true, quota } => test(*quota),
        Message::Test { metered: false, .. } => {
            "テスト: ご依頼の確認メッセージです。正常に届いています。\n対応は不要です。".to_owned()
        }
        Message::PassedOn { text, channel, why } => {
            let why = if why.is_empty() { "応答なし" } else { why };
            format!("{}\n（{channel} に届けられなかったため、こちらでお知らせします: {why}）", bare(text))
        }
        Message::QuotaRunsOut(scarce) => quota_runs_out(scarce),
    }
}

fn fault(manager: Manager, fault: &Fault<'_>) -> String {
    let now = fault.ruling.map(|(of, wait)| match wait {
        Some(wait) => format!("現在: {}（次は{}後）", ruling(of), age(wait)),
        None => format!("現在: {}", ruling(of)),
    });
    lines([
        Some(format!("{}: {}。", fault.target, headline(fault))),
        Some(format!("{}前から異常: {}", age(fault.age), quoted(&fault.seen))),
        in_runs(fault.tried).map(|tried| format!("実施済み: {}", quoted(&tried))),
        now,
        names(&fault.dependents).map(|names| format!("この影響を受けている対象: {names}")),
        advice(manager, fault).map(|text| format!("対処: {text}")),
        Some(look(fault.target.as_str())),
    ])
}

fn headline(fault: &Fault<'_>) -> String {
    match fault.headline {
        Headline::LimitReached(limit) => match fault.asked_for {
            0 => format!("復旧の上限に達しました（{}）", window(&limit)),
            asked => format!("復旧の上限に達しました（{}、うち{asked}回は手動での要求）", window(&limit)),
        },
        Headline::NoHelp => "復旧を試みましたが、回復しません".to_owned(),
        Headline::NothingRepairs => "停止しています。自動復旧の手段はありません".to_owned(),
        Headline::OnlyAPerson => "停止しています。手動での対応が必要です".to_owned(),
        Headline::CannotNow => "停止していますが、現在は復旧を実行できません".to_owned(),
        Headline::StillDown => "停止が続いています".to_owned(),
    }
}

fn advice(manager: Manager, fault: &Fault<'_>) -> Option<String> {
    let (systemctl, journalctl) = (manager.systemctl(), manager.journalctl());
    let target = fault.target;
    match &fault.advice {
        Advice::CheckUnit(unit) => Some(format!(
            "ユニットを確認してください: {systemctl} status {unit}（watchdog.toml または .env のユニット名は正しいですか）"
        )),
        Advice::FreePort(held) => Some(format!("ポートを使用している別プロセスを停止してください: {held}")),
        Advice::StartElsewhere => Some(format!(
            "{target} が動作するマシンで対処してください。これを理由に他のサービスを再起動することはありません"
        )),
        Advice::StartManager => Some(format!("サービスマネージャーを確認してください: {}", manager.itself())),
        Advice::FreeDisk => Some(format!("ディスクの空きを確保してください: df -h {}", manager.directory())),
        Advice::ReadJournal(unit) => {
            Some(format!("停止の原因を確認してください: {journalctl} -u {unit} -n 50"))
        }
        Advice::None => None,
    }
}

fn or_more(times: usize) -> &'static str {
    if times < HEALS_MAX { "" } else { "以上" }
}

fn look(target: &str) -> String {
    format!("詳細: picoclaw-watchdog explain {target}")
}

fn ruling(ruling: &Ruling) -> String {
    match ruling {
        Ruling::Fine => "対応は不要です".to_owned(),
        Ruling::LeftAlone(why) => format!("意図的な停止とみなし、復旧しません: {}", quoted(why)),
        Ruling::Suspect(what) => format!("異常の疑いがあり、再確認中: {}", quoted(what)),
        Ruling::Unsure(why) => format!("状態が不明なため、何も実行しません: {}", quoted(why)),
        Ruling::Recovering { passes, of } => format!("回復を確認中（正常 {passes}/{of} 回）"),
        Ruling::Verifying { action, age: done } => {
            format!("{action} の効果を確認中（{}前に実行）", age(*done))
        }
        Ruling::Act { action, number } => format!("{action} を実行します（期間内{number}回目）"),
        Ruling::Held(why) => format!("保留中: {}", hold(why)),
    }
}

fn hold(hold: &Hold) -> String {
    match hold {
        Hold::Paused { reason, .. } if reason.is_empty() => "手動で一時停止中です".to_owned(),
        Hold::Paused { reason, .. } => format!("手動で一時停止中です（{}）", quoted(reason)),
        Hold::FirstLook { .. } => {
            "起動またはスリープ復帰の直後のため、まず状態だけを確認しています".to_owned()
        }
        Hold::Offline { .. } => "こちらがオフラインのため、状態を判断できません".to_owned(),
        Hold::Unusable(why) => format!("手動での対応が必要です: {}", quoted(why)),
        Hold::OnPurpose(why) => format!("意図的な停止とみなし、復旧しません: {}", quoted(why)),
        Hold::Blind(why) => format!("サービスマネージャーに問い合わせできません: {}", quoted(why)),
        Hold::Busy(why) => format!("systemd が処理中です: {}", quoted(why)),
        Hold::StillStarting { age: running, allowance, .. } => {
            format!("起動中です（{}経過、{}まで待機）", age(*running), age(*allowance))
        }
        Hold::Upstream(name) => format!("依存先の {name} が停止しています"),
        Hold::Backoff { .. } => "次の試行まで待機しています".to_owned(),
        Hold::Cooldown { .. } => "直前の修復後のクールダウン中です".to_owned(),
        Hold::HalfOpen { spent, action, .. } => {
            let why = match spent {
                Spent::Window => "上限に達したため".to_owned(),
                Spent::Ladder => "すべての手段を試したため".to_owned(),
                Spent::Futile => format!("{action} を繰り返しても変化がないため"),
            };
            format!("{why}、間隔を空けて1回ずつ試行します")
        }
        Hold::WindowSpent { window: limit, .. } => {
            format!("再起動の上限に達しています（{}）", window(limit))
        }
        Hold::NotDurable { .. } => {
            "状態を保存できないため、期間内1回に制限しており、すでに実行済みです".to_owned()
        }
        Hold::OneAtATime(name) => format!("{name} の復旧中です（停止を伴う操作は1件ずつ行います）"),
        Hold::NotItsTurn { .. } => "他の対象の復旧を先に行っており、次に実行します".to_owned(),
        Hold::NoLadder => "自動復旧の手段が設定されていません".to_owned(),
    }
}

fn recovered(who: &str, end: &End, lasted: Duration, incident: &Incident) -> String {
    let (what, next) = match end {
        End::RepairedBy(action) => (format!("{action} により復旧しました"), "対応は不要です。"),
        End::ByItself => ("自然に復旧しました".to_owned(), "対応は不要です。"),
        End::RunsAgain => ("再び稼働しています".to_owned(), "対応は不要です。"),
        End::LeftAlone(why) => (
            format!("意図的な停止とみなし、対応を終了しました（{}）", quoted(why)),
            "起動するまで停止したままです。",
        ),
        End::Unwatched => ("監視対象から外れました".to_owned(), "意図しない場合: picoclaw-watchdog check"),
    };
    lines([
        Some(format!("{who}: {what}。")),
        Some(format!("{}: {}", duration(end), age(lasted))),
        Some(format!("内容: {}", quoted(&incident.cause))),
        in_runs(&incident.tried).map(|tried| format!("実施済み: {}", quoted(&tried))),
        Some(next.to_owned()),
    ])
}

/// What was it that lasted.
fn duration(end: &End) -> &'static str {
    match end {
        End::RunsAgain => "停止していた時間",
        End::RepairedBy(_) | End::ByItself | End::LeftAlone(_) | End::Unwatched => "異常の継続時間",
    }
}

fn lasting(what: Lasting) -> &'static str {
    match what {
        Lasting::NotReady => "稼働中ですが準備未完了の",
        Lasting::Blind => "稼働状況を判定できない",
    }
}

fn lasting_advice(what: Lasting) -> &'static str {
    match what {
        Lasting::NotReady => "これを理由に再起動することはありません。\n対処: 上記の項目を確認してください",
        Lasting::Blind => "判定できるまで何も実行しません。\n対処: 判定を妨げている原因を取り除いてください",
    }
}

/// The trouble itself comes from the shell in English and is quoted; what it means and what to do is said.
fn own_trouble(manager: Manager, key: &str, text: &str, since: Duration) -> String {
    let (systemctl, kept) = (manager.systemctl(), manager.directory());
    let look = &*format!(
        "picoclaw-watchdog doctor; {} -u picoclaw-watchdog -n 50 で原因を確認してください",
        manager.journalctl()
    );
    let check = &*format!("picoclaw-watchdog check で確認後、{systemctl} reload picoclaw-watchdog");
    let room = &*format!("空き容量とディレクトリの所有者を確認してください: df -h {kept}; ls -ld {kept}");
    let (what, advice) = match key {
        "state_not_durable" => ("状態を保存できません。保存できるまで、復旧は期間内1回に制限されます", room),
        "log_not_written" => ("ログを書き込めません", room),
        "alerts_log_not_written" => ("alerts.log を書き込めません", room),
        "state_unreadable" => (
            "保存された状態に問題がありました",
            "すぐに必要な対応はありません。繰り返す場合はディスクを確認してください",
        ),
        "config_rejected" => ("新しい設定に誤りがあるため、以前の設定で動作を続けます", check),
        _ => ("内部で問題が発生しました", look),
    };
    let noticed = match since.is_zero() {
        true => "検知: たった今".to_owned(),
        false => format!("検知: {}前", age(since)),
    };
    format!("watchdog: {what}。\n内容: {text}\n{noticed}\n対処: {advice}")
}

fn back_online(offline: &Offline, lasted: Duration) -> String {
    lines([
        Some(format!("インターネット接続が{}ぶりに復旧しました。", age(lasted))),
        Some(format!("内容: {}", quoted(&offline.why))),
        names(&offline.hidden.iter().cloned().collect::<Vec<_>>())
            .map(|names| format!("その間に判定できなかった対象: {names}")),
        Some(
            "切断中、外部の対象には復旧も警告も行っていません。頻発する場合はルーターを確認してください。"
                .to_owned(),
        ),
    ])
}

fn pause_over(target: Option<&str>, pause: &Pause, lasted: Duration) -> String {
    let missed: Vec<String> = pause.missed.iter().map(|what| quoted(what)).collect();
    let meanwhile = match missed.is_empty() {
        true => "その間、異常はありませんでした。".to_owned(),
        false => format!("その間の出来事: {}", missed.join("、")),
    };
    lines([
        Some(format!("{}: 一時停止を終了しました（{}）。", target.unwrap_or("すべての対象"), age(lasted))),
        (!pause.reason.is_empty()).then(|| format!("理由: {}", pause.reason)),
        Some(meanwhile),
        Some("詳細: picoclaw-watchdog status".to_owned()),
    ])
}

fn digest(week: &Week) -> String {
    let targets =
        week.targets.iter().map(|(name, sums, uptime)| format!("{name}: 稼働率 {uptime}{}", figures(sums)));
    let quota = week.quota.as_ref().map(|quota| match quota.limit {
        Some(limit) => format!("メッセージ: 今月 {limit}通中{}通を使用", quota.used),
        None => format!("メッセージ: 今月{}通（上限なし）", quota.used),
    });
    let all: Vec<String> = targets.chain(quota).collect();
    format!("直近{}のまとめ\n{}", age(week.span), all.join("\n"))
}

fn figures(sums: &Sums) -> String {
    let mut text = match sums.detect.count {
        0 => "、障害なし".to_owned(),
        count => format!("、障害{count}件"),
    };
    if let Some((mean, worst)) = sums.detect.mean_and_worst() {
        text.push_str(&format!("、検知まで平均{}（最長{}）", age(mean), age(worst)));
    }
    if let Some((mean, worst)) = sums.repair.mean_and_worst() {
        text.push_str(&format!("、解消まで平均{}（最長{}）", age(mean), age(worst)));
    }
    match sums.attempts {
        0 => text,
        attempts => format!("{text}、復旧操作{attempts}回"),
    }
}

fn test(quota: Option<&Quota>) -> String {
    let cost = match quota.and_then(|quota| Some((quota.left()?, quota.limit?))) {
        Some((left, limit)) => format!("今月の残り{left}通（上限{limit}通）のうち1通を使用します"),
        None => "今月のメッセージを1通使用します".to_owned(),
    };
    format!(
        "テスト: ご依頼の確認メッセージです。正常に届いています。\n{cost}。障害用に確保した分は使用しません。\n対応は不要です。"
    )
}

fn quota_runs_out(scarce: &Scarce) -> String {
    let Scarce { left, limit, reserve } = scarce;
    format!(
        "今月のメッセージの残りがわずかです（上限{limit}通、残り{left}通）。\n最後の{reserve}通は障害とその復旧の通知に確保します。再通知、お知らせ、週次のまとめはログにのみ記録します。\n対処: 翌月までお待ちいただくか、上位プランをご検討ください。詳細: picoclaw-watchdog alerts"
    )
}

fn window(window: &Window) -> String {
    format!("{}あたり{}回まで", age(window.per), window.attempts)
}

/// A duration as a Japanese reader expects it: `42秒`, `2分5秒`, `3時間10分`, `2日4時間`.
fn age(span: Duration) -> String {
    let s = span.as_secs();
    let pair = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    match s {
        0..10 if span.subsec_millis() >= 50 => format!("{:.1}秒", span.as_secs_f64()),
        0..60 => format!("{s}秒"),
        60..3_600 => pair(s / 60, "分", s % 60, "秒"),
        3_600..86_400 => pair(s / 3_600, "時間", s % 3_600 / 60, "分"),
        _ => pair(s / 86_400, "日", s % 86_400 / 3_600, "時間"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let say = |ms| age(Duration::from_millis(ms));
        assert_eq!(
            [say(400), say(42_000), say(125_000), say(11_400_000), say(187_200_000)],
            ["0.4秒", "42秒", "2分5秒", "3時間10分", "2日4時間"]
        );
    }
}

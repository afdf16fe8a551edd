//! What can be said of a blocked or wiped device, in a breath: never more than is true. Pure.

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use mdm_core::device::{Device, DeviceState, Wipe};

/// The same in two languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// The zone in which statements name times: Japan's, which has no summer time.
pub fn office_zone() -> TimeZone {
    TimeZone::fixed(tz::offset(9))
}

/// What is known of the device at `now`; nothing needs saying while it is enrolling or live.
pub fn of_device(device: &Device, now: Timestamp, zone: &TimeZone) -> Option<Statement> {
    let clock = Clock { now, zone };
    let mut said = Sentences::default();
    match &device.state {
        DeviceState::Enrolling | DeviceState::Live => return None,
        DeviceState::Blocked => {
            said.add(
                "利用を停止しています(停止解除できます)。オンラインでは開けません。".to_owned(),
                "The device is blocked; that can be undone. It cannot be opened online.".to_owned(),
            );
            offline(device, &clock, &mut said);
        }
        DeviceState::Wiped(wipe) => {
            server_side(wipe, &clock, &mut said);
            if wipe.receipt.is_none() {
                offline(device, &clock, &mut said);
            }
            device_side(wipe, &clock, &mut said);
        }
    }
    if device.copy_may_open {
        said.add(
            "この端末には、ハードウェアで保護されていない鍵のまま、再起動後も有効なオフライン利用を許可したことがあります。その間に複製された保管データは、\
             暗証番号があれば期限後も開ける可能性があります。"
                .to_owned(),
            "Offline use that outlasts a restart was granted to a software key: a copy of its storage made meanwhile \
             could be opened with the PIN, also later."
                .to_owned(),
        );
    }
    Some(Statement { ja: said.ja.concat(), en: said.en.join(" ") })
}

fn server_side(wipe: &Wipe, clock: &Clock<'_>, said: &mut Sentences) {
    match wipe.sealed_at {
        Some(at) => said.add(
            format!("{}にサーバー側の鍵を破棄しました。オンラインでは開けません。", clock.ja(at)),
            format!("At {} the server destroyed its part of the key. It cannot be opened online.", clock.en(at)),
        ),
        None => said.add(
            format!(
                "{}に遠隔消去を確定しました。オンラインでは開けません。サーバー側の鍵の破棄はまだ終わっていません。",
                clock.ja(wipe.ordered_at)
            ),
            format!(
                "At {} the wipe was ordered. It cannot be opened online. The server has not yet destroyed its part of \
                 the key.",
                clock.en(wipe.ordered_at)
            ),
        ),
    }
}

fn offline(device: &Device, clock: &Clock<'_>, said: &mut Sentences) {
    match device.may_be_open_until {
        None => said.add(
            "この端末を開く手助けは一度もしていません。".to_owned(),
            "The server never helped to open it.".to_owned(),
        ),
        Some(until) if until > clock.now => said.add(
            format!("{}までは開ける可能性があります。", clock.ja(until)),
            format!("Until {} it could still be open.", clock.en(until)),
        ),
        Some(until) => said.add(
            format!("開いていられる期限({})は過ぎました。", clock.ja(until)),
            format!("The time until which it could be open ended at {}.", clock.en(until)),
        ),
    }
}

fn device_side(wipe: &Wipe, clock: &Clock<'_>, said: &mut Sentences) {
    match &wipe.receipt {
        None => said.add("端末での消去:未確認".to_owned(), "Erased on the device: not confirmed.".to_owned()),
        Some(receipt) => said.add(
            format!(
                "端末での消去:確認済(端末の時計で{}、消去証明の受信{})",
                clock.ja(receipt.erased_at),
                clock.ja(receipt.received_at)
            ),
            format!(
                "Erased on the device: confirmed (at {} by its clock, receipt received at {}).",
                clock.en(receipt.erased_at),
                clock.en(receipt.received_at)
            ),
        ),
    }
    if wipe.further_receipts > 0 {
        said.add(
            format!(
                "異なる消去証明がさらに{}件届きました。端末の複製があるおそれがあります。",
                wipe.further_receipts
            ),
            format!(
                "Differing receipts that came later: {}. There may be a copy of the device.",
                wipe.further_receipts
            ),
        );
    }
}

#[derive(Default)]
struct Sentences {
    ja: Vec<String>,
    en: Vec<String>,
}

impl Sentences {
    fn add(&mut self, ja: String, en: String) {
        self.ja.push(ja);
        self.en.push(en);
    }
}

/// Names times as shortly as leaves no doubt: the day only if it is another one.
struct Clock<'a> {
    now: Timestamp,
    zone: &'a TimeZone,
}

impl Clock<'_> {
    fn ja(&self, at: Timestamp) -> String {
        let formats = ("%-H時%M分", "%-m月%-d日%-H時%M分", "%Y年%-m月%-d日%-H時%M分");
        self.format(at, formats)
    }

    fn en(&self, at: Timestamp) -> String {
        self.format(at, ("%H:%M", "%H:%M on %-d %B", "%H:%M on %-d %B %Y"))
    }

    fn format(&self, at: Timestamp, (time, day, year): (&str, &str, &str)) -> String {
        let (now, at) = (self.now.to_zoned(self.zone.clone()), at.to_zoned(self.zone.clone()));
        let format = if now.date() == at.date() {
            time
        } else if now.year() == at.year() {
            day
        } else {
            year
        };
        at.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests;

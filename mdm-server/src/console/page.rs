//! What every template is given: language, viewer, place, and how words, numbers and times are said.

use std::borrow::Borrow;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use mdm_core::account::SourceName;
use mdm_core::operator::{Act, Role};
use mdm_core::substitute::Tables;

use super::notice::Notice;
use super::printed::Printed;
use super::words::{FluentValue, Language};

/// An entry of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    /// ホーム.
    Home,
    /// 異動一括処理.
    Batches,
    /// アカウント.
    Accounts,
    /// 文書.
    Documents,
    /// ライセンス.
    Licenses,
    /// 端末.
    Devices,
    /// 紛失対応.
    Lost,
    /// 監査記録.
    Audit,
    /// 管理者.
    Operators,
    /// A page outside the navigation: the way in.
    Outside,
}

/// Where an entry of the navigation leads, what it says, and who sees it.
pub(super) struct NavEntry {
    /// Which.
    pub(super) nav: Nav,
    /// Where it leads.
    pub(super) href: &'static str,
    /// The key of its words.
    pub(super) key: &'static str,
    act: Act,
}

const NAVIGATION: [NavEntry; 9] = [
    NavEntry { nav: Nav::Home, href: "/", key: "common-nav-home", act: Act::Read },
    NavEntry { nav: Nav::Lost, href: "/lost", key: "common-nav-lost", act: Act::Read },
    NavEntry { nav: Nav::Accounts, href: "/accounts", key: "common-nav-accounts", act: Act::Read },
    NavEntry { nav: Nav::Devices, href: "/devices", key: "common-nav-devices", act: Act::Read },
    NavEntry { nav: Nav::Batches, href: "/batches", key: "common-nav-batches", act: Act::Read },
    NavEntry { nav: Nav::Documents, href: "/documents", key: "common-nav-documents", act: Act::Read },
    NavEntry { nav: Nav::Licenses, href: "/licenses", key: "common-nav-licenses", act: Act::Read },
    NavEntry { nav: Nav::Audit, href: "/audit", key: "common-nav-audit", act: Act::Audit },
    NavEntry { nav: Nav::Operators, href: "/operators", key: "common-nav-operators", act: Act::Operators },
];

/// Who looks at the page.
#[derive(Clone)]
pub(super) struct Who {
    /// Their sign-in name.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// Whether they approve now, by role or as a deputy.
    pub(super) approves: bool,
    /// What the forms of their session carry.
    pub(super) csrf: String,
}

/// What every template is given as `page`.
pub(super) struct Page {
    /// Which entry of the navigation is open.
    pub(super) nav: Nav,
    /// Who looks at it; nobody on the way in.
    pub(super) who: Option<Who>,
    /// What was done just before.
    pub(super) notice: Option<Notice>,
    /// Path and query of this page.
    pub(super) place: String,
    /// The organisation's name.
    pub(super) organisation: String,
    /// The organisation's zone.
    pub(super) zone: TimeZone,
    /// The language.
    pub(super) language: Language,
    /// Whether the server is in quarantine: every page says so.
    pub(super) quarantined: bool,
    /// What stands for private-use characters; nothing where nobody is signed in.
    pub(super) substitutes: Arc<Tables>,
    /// Now.
    pub(super) now: Timestamp,
}

impl Page {
    /// A text.
    pub(super) fn say(&self, key: &str) -> String {
        self.language.say(key, &[])
    }

    /// A text with one value.
    pub(super) fn say1<'v>(&self, key: &str, name: &str, value: impl Into<FluentValue<'v>>) -> String {
        self.language.say(key, &[(name, value.into())])
    }

    /// A text with two values.
    pub(super) fn say2<'v>(
        &self,
        key: &str,
        first: &str,
        one: impl Into<FluentValue<'v>>,
        second: &str,
        two: impl Into<FluentValue<'v>>,
    ) -> String {
        self.language.say(key, &[(first, one.into()), (second, two.into())])
    }

    /// Whether the viewer may do it: a button they may not press is not shown.
    pub(super) fn may(&self, act: Act) -> bool {
        self.who.as_ref().is_some_and(|who| who.role.may(act) || (act == Act::Approve && who.approves))
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_block(&self) -> bool {
        self.may(Act::Block)
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_wipe(&self) -> bool {
        self.may(Act::Wipe)
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_manage(&self) -> bool {
        self.may(Act::Manage)
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_approve(&self) -> bool {
        self.may(Act::Approve)
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_administer(&self) -> bool {
        self.may(Act::Operators)
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_see_codes(&self) -> bool {
        self.may(Act::Codes)
    }

    /// [`Page::may`] by the act's name, for templates.
    pub(super) fn may_audit(&self) -> bool {
        self.may(Act::Audit)
    }

    /// The entries of the navigation that the viewer sees.
    pub(super) fn navigation(&self) -> impl Iterator<Item = &'static NavEntry> {
        NAVIGATION.iter().filter(|entry| self.may(entry.act))
    }

    /// The languages to change to.
    pub(super) fn other_languages(&self) -> impl Iterator<Item = Language> {
        let current = self.language;
        Language::ALL.into_iter().filter(move |language| *language != current)
    }

    /// A text of a source with what stands for its private-use characters.
    pub(super) fn printed(&self, source: &SourceName, text: &str) -> Printed {
        Printed::new(&self.substitutes, source, text, self.language)
    }

    /// [`Page::place`] as a value of a query, as if a person had asked for it.
    pub(super) fn place_in_query(&self) -> String {
        let by_itself = self.place.strip_suffix("?live").or_else(|| self.place.strip_suffix("&live"));
        form_urlencoded::byte_serialize(by_itself.unwrap_or(&self.place).as_bytes()).collect()
    }

    /// The token that each form carries.
    pub(super) fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.csrf)
    }

    /// The role in words.
    pub(super) fn role(&self, role: impl Borrow<Role>) -> String {
        self.say(match role.borrow() {
            Role::Owner => "common-role-owner",
            Role::Operator => "common-role-operator",
            Role::Helpdesk => "common-role-helpdesk",
            Role::Auditor => "common-role-auditor",
        })
    }

    /// A number with its thousands apart.
    pub(super) fn count(&self, count: impl Count) -> String {
        grouped(count.to_u64())
    }

    /// A time in a table: `2027-04-01 09:00`.
    pub(super) fn time(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// The same, or a dash where there was none.
    pub(super) fn time_or_dash(&self, at: &Option<Timestamp>) -> String {
        at.as_ref().map_or_else(|| "\u{2013}".to_owned(), |at| self.time(at))
    }

    /// A time as a form has it: `2027-04-01T09:00`.
    pub(super) fn local(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// A day in a table: `2027-04-01`.
    pub(super) fn day(&self, at: &Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d").to_string()
    }

    /// A time in a sentence: `2027年4月1日(令和9年)木曜日 9:00`, `Thursday, 1 April 2027, 9:00`.
    pub(super) fn time_in_text(&self, at: &Timestamp) -> String {
        time_in_text(*at, self.language, self.zone.clone())
    }
}

/// How many, in whatever type. Templates hand over references.
pub(super) trait Count {
    /// The number.
    fn to_u64(&self) -> u64;
}

impl<T: Count> Count for &T {
    fn to_u64(&self) -> u64 {
        T::to_u64(self)
    }
}

macro_rules! count {
    ($($number:ty),+) => {
        $(
            impl Count for $number {
                fn to_u64(&self) -> u64 {
                    u64::try_from(*self).unwrap_or(u64::MAX)
                }
            }
        )+
    };
}

count!(u16, u32, u64, usize);

/// `1400` as `1,400`, in both languages.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time as it stands in a sentence: with era and weekday in Japanese.
pub(crate) fn time_in_text(at: Timestamp, language: Language, zone: TimeZone) -> String {
    let at = at.to_zoned(zone);
    match language {
        Language::English => at.strftime("%A, %-d %B %Y, %-H:%M").to_string(),
        Language::Japanese => {
            let weekday = match at.weekday() {
                Weekday::Monday => '月',
                Weekday::Tuesday => '火',
                Weekday::Wednesday => '水',
                Weekday::Thursday => '木',
                Weekday::Friday => '金',
                Weekday::Saturday => '土',
                Weekday::Sunday => '日',
            };
            let (year, month, day) = (at.year(), at.month(), at.day());
            // Nothing that the server dates lies before 2019, when Reiwa began.
            let era = year - 2018;
            let time = at.strftime("%-H:%M");
            format!("{year}年{month}月{day}日(令和{era}年){weekday}曜日 {time}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::april;
    use crate::use_cases::statement::office_zone;

    #[test]
    fn a_time_in_a_sentence_names_era_and_weekday() {
        let said = |language| time_in_text(april(), language, office_zone());
        assert_eq!(said(Language::Japanese), "2027年4月1日(令和9年)木曜日 0:00");
        assert_eq!(said(Language::English), "Thursday, 1 April 2027, 0:00");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}

//! The staff as a model: who sits where, hiring, and filling the posts of heads. What a new year brings stands in
//! `years`.

use std::collections::HashSet;

use rand::Rng;
use rand::seq::{SliceRandom as _, index};

use super::Row;
use super::departments::{Chart, Post, Trade};
use super::names::{EXTENDED_FAMILY, FAMILY, GIVEN};

const MAIL_DOMAIN: &str = "pref.tamate.lg.jp.example";

/// 任用区分.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contract {
    Regular,
    Reappointed,
    FiscalYear,
}

/// Heads first, as a file lists them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    DivisionHead,
    SectionHead,
    DeputyHead,
    UnitHead,
    Senior,
    Middle,
    Junior,
}

impl Rank {
    /// Whether a post has one person of this rank at most.
    pub(super) fn is_head(self) -> bool {
        self <= Self::UnitHead
    }
}

pub(super) struct Person {
    number: u32,
    pub(super) family: usize,
    given: usize,
    pub(super) mail: String,
    pub(super) contract: Contract,
    pub(super) trade: Trade,
    pub(super) rank: Rank,
    pub(super) post: Post,
    pub(super) wish: bool,
}

/// Everybody, and what must not be given twice.
pub(super) struct Staff {
    pub(super) people: Vec<Person>,
    pub(super) chart: Chart,
    pub(super) size: usize,
    heads: Vec<(Rank, Post)>,
    wishes: usize,
    last_number: u32,
    mails: HashSet<String>,
}

impl Staff {
    pub(super) fn first_year(size: usize, wish_percent: u8, rng: &mut impl Rng) -> Self {
        let chart = Chart::for_people(size);
        let wishes = (size * usize::from(wish_percent)).div_ceil(100);
        let mut heads: Vec<(Rank, Post)> = Vec::new();
        heads.extend(chart.divisions.iter().map(|post| (Rank::DivisionHead, *post)));
        heads.extend(chart.sections.iter().map(|post| (Rank::SectionHead, *post)));
        heads.extend(chart.sections.iter().map(|post| (Rank::DeputyHead, *post)));
        heads.extend(chart.units.iter().map(|post| (Rank::UnitHead, *post)));
        heads.truncate(size * 22 / 100);
        let (people, mails) = (Vec::with_capacity(size), HashSet::new());
        let mut staff = Self { people, chart, size, heads, wishes, last_number: 0, mails };
        for _ in 0..size {
            let rank = *[Rank::Senior, Rank::Senior, Rank::Middle, Rank::Junior, Rank::Junior]
                .choose(rng)
                .expect("the list is not empty");
            staff.hire(rank, rng);
        }
        staff.fill_heads(rng);
        staff.fill_wishes(rng);
        staff
    }

    /// Adds a person at a random desk.
    pub(super) fn hire(&mut self, rank: Rank, rng: &mut impl Rng) {
        // Gaps, as if the numbers between had left long ago.
        self.last_number += rng.gen_range(1..=5);
        let family = EXTENDED_FAMILY.get(self.people.len()).copied().unwrap_or_else(|| draw_family(rng));
        let given = rng.gen_range(0..GIVEN.len());
        let contract = match rng.gen_range(0..100) {
            0..80 => Contract::Regular,
            80..86 => Contract::Reappointed,
            _ => Contract::FiscalYear,
        };
        let rank = if contract == Contract::Regular { rank } else { Rank::Junior };
        let post = *self.chart.units.choose(rng).expect("a chart has units");
        let trade = *post.trades().choose(rng).expect("every section has a trade");
        let mail = self.new_mail(family, given);
        let number = self.last_number;
        self.people.push(Person { number, family, given, mail, contract, trade, rank, post, wish: false });
    }

    /// Gives another family name, and the mail address that goes with it.
    pub(super) fn rename(&mut self, index: usize, rng: &mut impl Rng) {
        let old = self.people[index].family;
        let family = loop {
            let family = draw_family(rng);
            // Another kana too: 高橋 to 髙橋 is a correction, not a change of name.
            if FAMILY[family].kana != FAMILY[old].kana {
                break family;
            }
        };
        let mail = self.new_mail(family, self.people[index].given);
        let person = &mut self.people[index];
        person.family = family;
        person.mail = mail;
    }

    /// Fills vacant posts of heads from the top, by the next rank below; what that leaves vacant is filled in turn.
    pub(super) fn fill_heads(&mut self, rng: &mut impl Rng) {
        let holders = self.people.iter().filter(|person| person.rank.is_head());
        let mut held: Vec<(Rank, Post)> = holders.map(|person| (person.rank, person.post)).collect();
        held.sort_unstable();
        for (rank, post) in self.heads.clone() {
            if held.binary_search(&(rank, post)).is_ok() {
                continue;
            }
            let Some(index) = self.candidate(rank, rng) else { continue };
            let person = &mut self.people[index];
            if let Ok(left) = held.binary_search(&(person.rank, person.post)) {
                held.remove(left);
            }
            person.rank = rank;
            person.post = post;
            let place = held.partition_point(|other| *other < (rank, post));
            held.insert(place, (rank, post));
        }
    }

    /// Someone below the rank, from the nearest rank that has anybody; the longest-serving of three.
    fn candidate(&self, rank: Rank, rng: &mut impl Rng) -> Option<usize> {
        let below = |person: &Person| person.contract == Contract::Regular && person.rank > rank;
        let next = self.people.iter().filter(|person| below(person)).map(|person| person.rank).min()?;
        let of_next: Vec<usize> = (0..self.people.len())
            .filter(|i| below(&self.people[*i]) && self.people[*i].rank == next)
            .collect();
        of_next.choose_multiple(rng, 3).copied().min_by_key(|index| self.people[*index].number)
    }

    /// Lets as many more people wish for a seat as the share asks for.
    pub(super) fn fill_wishes(&mut self, rng: &mut impl Rng) {
        let without: Vec<usize> = (0..self.people.len()).filter(|i| !self.people[*i].wish).collect();
        let missing = self.wishes.saturating_sub(self.people.len() - without.len());
        for chosen in index::sample(rng, without.len(), missing.min(without.len())) {
            self.people[without[chosen]].wish = true;
        }
    }

    /// The file's rows: by department, heads first.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut order: Vec<&Person> = self.people.iter().collect();
        order.sort_unstable_by_key(|person| (person.post, person.rank, person.number));
        order.into_iter().map(row).collect()
    }

    fn new_mail(&mut self, family: usize, given: usize) -> String {
        let base = format!("{}-{}", FAMILY[family].latin, GIVEN[given].latin);
        let local = (1..)
            .map(|n| if n == 1 { base.clone() } else { format!("{base}{n}") })
            .find(|local| !self.mails.contains(local))
            .expect("numbers do not run out");
        self.mails.insert(local.clone());
        format!("{local}@{MAIL_DOMAIN}")
    }
}

/// Leans towards the front of the list, where the frequent names stand.
fn draw_family(rng: &mut impl Rng) -> usize {
    rng.gen_range(0..FAMILY.len()).min(rng.gen_range(0..FAMILY.len()))
}

fn row(person: &Person) -> Row {
    let (family, given) = (&FAMILY[person.family], &GIVEN[person.given]);
    let employment = match person.contract {
        Contract::Regular => "正規",
        Contract::Reappointed => "再任用",
        Contract::FiscalYear => "会計年度任用職員",
    };
    Row {
        number: format!("{:06}", person.number),
        name: format!("{}\u{3000}{}", family.kanji, given.kanji),
        kana: format!("{}\u{3000}{}", family.kana, given.kana),
        department: person.post.department(),
        title: title(person).to_owned(),
        employment: employment.to_owned(),
        mail: person.mail.clone(),
        wish: person.wish,
    }
}

fn title(person: &Person) -> &'static str {
    let office = person.post.is_office();
    match (person.contract, person.rank, person.trade) {
        (Contract::Reappointed, _, _) => "専門員",
        (Contract::FiscalYear, _, Trade::Clerk) => "事務補助員",
        (Contract::FiscalYear, _, Trade::Engineer) => "技術補助員",
        (_, Rank::DivisionHead, _) => "部長",
        (_, Rank::SectionHead, _) if office => "所長",
        (_, Rank::SectionHead, _) => "課長",
        (_, Rank::DeputyHead, _) if office => "次長",
        (_, Rank::DeputyHead, _) => "課長補佐",
        (_, Rank::UnitHead, _) => "係長",
        (_, Rank::Senior, _) => "主査",
        (_, Rank::Middle, Trade::Engineer) => "主任技師",
        (_, Rank::Middle, _) => "主任",
        (_, Rank::Junior, Trade::Clerk) => "主事",
        (_, Rank::Junior, Trade::Engineer) => "技師",
        (_, Rank::Junior, Trade::Veterinarian) => "獣医師",
        (_, Rank::Junior, Trade::Nurse) => "保健師",
        (_, Rank::Junior, Trade::Pharmacist) => "薬剤師",
    }
}

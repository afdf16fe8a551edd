//! What people, clocks, power and weather do in one history: drawn from the seed before it begins, so that acts can be left
//! out one by one when a failure is made smaller.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shared::policy::{ClipboardMode, LeaseMode, Policy};

use crate::network::Weather;

/// What stays the same in one history.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) phones: usize,
    pub(crate) staff: usize,
    pub(crate) pool: u32,
    pub(crate) attempts: u16,
    pub(crate) policy: Policy,
    pub(crate) weather: Weather,
}

/// One act. The number is the phone, and the person who holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Enrol(usize),
    Unlock(usize),
    WrongPin(usize),
    Lock(usize),
    Note(usize),
    NoCoverage(usize),
    Coverage(usize),
    SwitchOff(usize),
    SwitchOn(usize),
    Sleep(usize),
    Wake(usize),
    KillApp(usize),
    /// The power goes at this write, whatever is written then.
    CutPower(usize, u32),
    /// One destroying write in so many is refused.
    WearOut(usize, u32),
    /// Sets the civil clock so many milliseconds off.
    SetClock(usize, i64),
    /// Whoever has the device key asks for so many answers and proves nothing.
    Thief(usize, u32),
    Block(usize),
    Unblock(usize),
    Wipe(usize),
    Reissue(usize),
    /// A staff file with these people in it.
    Batch(u32),
    Reclaim(u16),
    SetPool(u32),
    Scheduler,
    CrashServer,
    /// The server dies right after so many commits.
    CrashAfterCommits(u32),
    StartServer(LeaseMode),
    Weather(Weather),
}

/// A history to be played.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    /// Acts, and how long after the one before.
    pub(crate) acts: Vec<(Duration, Act)>,
}

impl Script {
    /// The history of a seed. `phones`: how many; otherwise one to three.
    pub fn draw(seed: u64, phones: Option<usize>) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let phones = phones.unwrap_or_else(|| [1, 1, 2, 2, 3][rng.gen_range(0..5)]).max(1);
        let settings = Settings {
            phones,
            staff: phones + rng.gen_range(0..3),
            pool: u32::try_from(rng.gen_range(phones..phones + 2)).unwrap_or(1),
            attempts: [3, 5, 10][rng.gen_range(0..3)],
            policy: policy(rng),
            weather: weather(rng),
        };
        let everybody = (1 << settings.staff) - 1;
        let mut acts = vec![(Duration::ZERO, Act::Batch(everybody))];
        for phone in 0..phones {
            acts.push((soon(rng), Act::Enrol(phone)));
            if rng.gen_ratio(4, 5) {
                acts.push((Duration::from_secs(rng.gen_range(3..30)), Act::Unlock(phone)));
            }
        }
        for _ in 0..rng.gen_range(6..16) {
            episode(rng, &settings, &mut acts);
        }
        Self { seed, settings, acts }
    }

    /// The same without one act.
    pub(crate) fn without(&self, index: usize) -> Self {
        let mut shorter = self.clone();
        let (gap, _) = shorter.acts.remove(index);
        if let Some((next, _)) = shorter.acts.get_mut(index) {
            *next += gap;
        }
        shorter
    }
}

fn lease_mode(rng: &mut StdRng) -> LeaseMode {
    [LeaseMode::None, LeaseMode::Volatile, LeaseMode::Volatile, LeaseMode::Durable][rng.gen_range(0..4)]
}

fn policy(rng: &mut StdRng) -> Policy {
    let lease_mode = lease_mode(rng);
    let minutes = rng.gen_range(2..20);
    Policy {
        pin_min_length: 6,
        lease_mode,
        lease_seconds: minutes * 60,
        max_open_seconds: rng.gen_range(1..15) * 60,
        clipboard: ClipboardMode::Inside,
        // Guesses are slowed down on real phones; here they shall come.
        wrong_pin_delay_seconds: 0,
        ..Policy::default()
    }
}

fn weather(rng: &mut StdRng) -> Weather {
    Weather {
        breaks: [0, 0, 40, 12][rng.gen_range(0..4)],
        repeats: [0, 12, 6][rng.gen_range(0..3)],
        delay: [50, 300, 2000][rng.gen_range(0..3)],
    }
}

/// Between two acts of one moment.
fn at_once(rng: &mut StdRng) -> Duration {
    Duration::from_millis(rng.gen_range(0..900))
}

fn soon(rng: &mut StdRng) -> Duration {
    Duration::from_millis(rng.gen_range(500..20_000))
}

/// Mostly soon, sometimes after days or months.
fn later(rng: &mut StdRng) -> Duration {
    match rng.gen_range(0..20) {
        0 => Duration::from_secs(rng.gen_range(20..400) * 86_400),
        1 | 2 => Duration::from_secs(rng.gen_range(1..20) * 86_400),
        3..=6 => Duration::from_secs(rng.gen_range(60..6 * 3600)),
        7..=11 => Duration::from_secs(rng.gen_range(10..1500)),
        _ => soon(rng),
    }
}

/// A few acts that belong together: something that happens, and often what goes wrong with it at the same moment.
fn episode(rng: &mut StdRng, settings: &Settings, acts: &mut Vec<(Duration, Act)>) {
    let phone = rng.gen_range(0..settings.phones);
    let gap = later(rng);
    let act = act(rng, settings, phone);
    if rng.gen_ratio(1, 4) && writes(act) {
        acts.push((gap, Act::CutPower(phone, rng.gen_range(0..24))));
        acts.push((at_once(rng), act));
        acts.push((soon(rng), Act::SwitchOn(phone)));
        return;
    }
    if rng.gen_ratio(1, 6) && commits(act) {
        acts.push((gap, Act::CrashAfterCommits(rng.gen_range(1..6))));
        acts.push((at_once(rng), act));
        acts.push((soon(rng), Act::StartServer(lease_mode(rng))));
        return;
    }
    acts.push((gap, act));
    match act {
        // Back again, some time. What is done without the server is done within a lease.
        Act::NoCoverage(_) => {
            if rng.gen_ratio(2, 3) {
                acts.push((Duration::from_secs(rng.gen_range(16..200)), Act::Unlock(phone)));
                acts.push((soon(rng), Act::Note(phone)));
            }
            acts.push((later(rng), Act::Coverage(phone)));
        }
        Act::SwitchOff(_) if rng.gen_ratio(1, 3) => {
            acts.push((at_once(rng), Act::NoCoverage(phone)));
            acts.push((Duration::from_secs(rng.gen_range(1..300)), Act::SwitchOn(phone)));
            acts.push((soon(rng), Act::Unlock(phone)));
            acts.push((soon(rng), Act::Coverage(phone)));
        }
        Act::SwitchOff(_) => acts.push((later(rng), Act::SwitchOn(phone))),
        Act::Sleep(_) => acts.push((later(rng), Act::Wake(phone))),
        // A worn disk matters where something is to be destroyed.
        Act::WearOut(..) if rng.gen_ratio(1, 2) => {
            acts.push((soon(rng), Act::Unlock(phone)));
            acts.push((soon(rng), Act::Block(phone)));
        }
        Act::CrashServer => acts.push((soon(rng), Act::StartServer(lease_mode(rng)))),
        Act::Unlock(_) | Act::Block(_) | Act::Enrol(_) if rng.gen_ratio(1, 2) => {
            let beside = act_beside(rng, phone);
            acts.push((at_once(rng), beside));
            match beside {
                Act::NoCoverage(_) => acts.push((soon(rng), Act::Coverage(phone))),
                Act::SwitchOff(_) => acts.push((soon(rng), Act::SwitchOn(phone))),
                Act::CrashServer => acts.push((soon(rng), Act::StartServer(lease_mode(rng)))),
                _ => {}
            }
        }
        // Both write the account.
        Act::Batch(_) if rng.gen_ratio(1, 2) => acts.push((at_once(rng), Act::Unlock(phone))),
        Act::Unlock(_) if rng.gen_ratio(2, 3) => acts.push((soon(rng), Act::Note(phone))),
        _ => {}
    }
}

fn writes(act: Act) -> bool {
    matches!(
        act,
        Act::Enrol(_) | Act::Unlock(_) | Act::Block(_) | Act::Unblock(_) | Act::Wipe(_) | Act::Note(_)
    )
}

fn commits(act: Act) -> bool {
    matches!(
        act,
        Act::Enrol(_) | Act::Unlock(_) | Act::Block(_) | Act::Unblock(_) | Act::Wipe(_) | Act::Batch(_)
    )
}

fn act_beside(rng: &mut StdRng, phone: usize) -> Act {
    match rng.gen_range(0..10) {
        0 | 1 => Act::Wipe(phone),
        2 | 3 => Act::Block(phone),
        4 => Act::Lock(phone),
        5 => Act::NoCoverage(phone),
        6 => Act::SwitchOff(phone),
        7 => Act::CrashServer,
        8 => Act::Thief(phone, 2),
        _ => Act::Unlock(phone),
    }
}

fn act(rng: &mut StdRng, settings: &Settings, phone: usize) -> Act {
    let someone = 1_u32 << rng.gen_range(0..settings.staff);
    match rng.gen_range(0..60) {
        0..=14 => Act::Unlock(phone),
        15..=18 => Act::WrongPin(phone),
        19..=23 => Act::Note(phone),
        24 => Act::Lock(phone),
        25..=28 => Act::Enrol(phone),
        29..=31 => Act::NoCoverage(phone),
        32..=34 => Act::SwitchOff(phone),
        35 | 36 => Act::Sleep(phone),
        37 | 38 => Act::KillApp(phone),
        39 => Act::WearOut(phone, rng.gen_range(2..6)),
        40 => Act::SetClock(phone, rng.gen_range(-90_000_000..90_000_000)),
        41 => Act::Thief(phone, rng.gen_range(1..12)),
        42..=44 => Act::Block(phone),
        45 | 46 => Act::Unblock(phone),
        47 | 48 => Act::Wipe(phone),
        49 | 50 => Act::Reissue(phone),
        51 => Act::Batch((1 << settings.staff) - 1),
        52 => Act::Batch(((1 << settings.staff) - 1) & !someone),
        53 => Act::Reclaim(rng.gen_range(0..30)),
        54 => Act::SetPool(rng.gen_range(0..settings.pool + 2)),
        55 | 56 => Act::Scheduler,
        57 | 58 => Act::CrashServer,
        _ => Act::Weather(weather(rng)),
    }
}

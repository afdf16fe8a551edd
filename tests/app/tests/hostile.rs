//! Documents that were made to do harm: each is shown or refused within what a document is given, and the app lives.

mod documents;

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use client::viewer::{MAX_MEMORY, MAX_SECONDS, NotShown, Viewer};
use viewer::{Ask, Content, ViewError};

use self::documents::{Hostile, all};

pub(crate) fn tests() -> Vec<e2e_app::Test> {
    vec![
        ("hostile::each_is_shown_or_refused_within_its_limits_and_the_next_is_shown", each_is_answered_for),
        (
            "hostile::the_worst_goes_beyond_the_limits_where_there_are_none",
            the_worst_goes_beyond_the_limits_where_there_are_none,
        ),
    ]
}

const ASK: Ask = Ask { page: 0, width: 1_600 };

/// What may become of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Shown,
    TooLarge,
    Damaged,
    Protected,
    Unknown,
    /// It came to the limits of its process.
    TooMuch,
}

fn outcome(shown: &Result<Content, NotShown>) -> Outcome {
    match shown {
        Ok(_) => Outcome::Shown,
        Err(NotShown::Document(ViewError::TooLarge)) => Outcome::TooLarge,
        Err(NotShown::Document(ViewError::Damaged | ViewError::NoSuchPage)) => Outcome::Damaged,
        Err(NotShown::Document(ViewError::Protected)) => Outcome::Protected,
        Err(NotShown::Document(ViewError::Unknown)) => Outcome::Unknown,
        Err(NotShown::TooMuch) => Outcome::TooMuch,
        Err(NotShown::NotStarted) => panic!("no process was started"),
    }
}

/// What must become of these, however fast the machine is.
const REFUSED: [(&str, Outcome); 12] = [
    ("a PNG cut in half", Outcome::Damaged),
    ("a JPEG of 65,500 by 65,500", Outcome::TooLarge),
    ("a GIF of 65,535 by 65,535", Outcome::TooLarge),
    ("a TIFF", Outcome::Unknown),
    ("64 MiB and a byte", Outcome::TooLarge),
    ("zeros", Outcome::Unknown),
    ("a workbook of entities in entities", Outcome::Damaged),
    ("an old workbook", Outcome::Unknown),
    ("a PDF whose pages are their own children", Outcome::Damaged),
    (WORST, Outcome::TooMuch),
    ("a PDF with a password", Outcome::Protected),
    ("a PDF of noise", Outcome::Damaged),
];
const WORST: &str = "a PDF whose drawing unfolds to 2 GB";

fn each_is_answered_for() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let viewer = Viewer::default();
    let all = all();
    assert!(all.len() >= 50, "{} documents", all.len());
    let mut refused = Vec::new();
    for Hostile { name, declared, bytes } in all {
        let outcome = outcome(&runtime.block_on(viewer.view(&bytes, declared, ASK)));
        println!("{name}: {outcome:?}");
        if REFUSED.iter().any(|(known, _)| *known == name) {
            refused.push((name, outcome));
        }
    }
    assert_eq!(refused, REFUSED);
    let sound = runtime.block_on(viewer.view(&e2e_app::papers::pdf(1), "application/pdf", ASK));
    assert!(matches!(sound, Ok(Content::Page { of: 1, .. })), "{sound:?}");
}

/// Asks this program to look at a document as the app's process does, without its limits.
const UNBOUNDED: &str = "E2E_APP_UNBOUNDED";

pub(crate) fn is_unbounded() -> bool {
    std::env::var_os(UNBOUNDED).is_some()
}

pub(crate) fn view_unbounded() {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).expect("a document");
    let declared = std::env::var(UNBOUNDED).expect("a media type");
    println!("{:?}", viewer::view(bytes, &declared, ASK).err());
}

/// Bytes of memory and seconds of the processor that a process has taken so far; `None` once it has ended.
fn taken(process: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    let kilobytes: u64 = peak.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name in brackets: user and system time are the 12th and 13th, in hundredths.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let time = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok());
    Some((kilobytes * 1024, (time(11)? + time(12)?) / 100))
}

/// The control: the same document, looked at by the same code in a process without limits, goes beyond them.
fn the_worst_goes_beyond_the_limits_where_there_are_none() {
    let worst = all().into_iter().find(|one| one.name == WORST).expect("it");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(UNBOUNDED, worst.declared).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("this program");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&worst.bytes).expect("it reads");
    drop(stdin);
    let (memory, seconds) = loop {
        let (memory, seconds) = taken(child.id()).expect("it ended within the limits");
        if memory > MAX_MEMORY || seconds > MAX_SECONDS {
            break (memory, seconds);
        }
        std::thread::yield_now();
    };
    println!("{memory} bytes and {seconds} s, and not at its end");
    child.kill().expect("a process");
    child.wait().expect("its end");
}

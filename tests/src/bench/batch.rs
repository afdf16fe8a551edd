//! A staff file from upload to acknowledgement, beside `COPY` of the same rows into PostgreSQL and `ldapadd` of the same people
//! into OpenLDAP; and a wipe in the middle of it. `cargo xtask bench batch` builds and runs it.

mod ldap;
mod ours;
mod postgres;
mod wipes;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use self::ldap::Ldap;
use self::ours::Ours;
use self::postgres::Postgres;
use super::rows::{Row, write};
use crate::roster::{FIRST_YEAR, RosterSpec, Row as Person, generate};

const COPY: &str = "PostgreSQL, COPY";
const LDAPADD: &str = "OpenLDAP, ldapadd";
const LIMIT: &str = "the limit";
/// Most memory that the server may take.
const MEMORY: f64 = 300.0;
/// Above so many people `ldapadd` would take most of an hour; what it takes for each is known by then.
const LDAP_MOST: usize = 10_000;
/// Above so many, once is enough.
const ROUNDS_MOST: usize = 10_000;
const ROUNDS: usize = 3;

/// Measures files of so many rows each, the smallest first, and writes the rows to `out`.
///
/// # Errors
/// When a server does not start or refuses, or the batch is over before wipes fell inside it: the other rows are written all the same.
pub fn batch(sizes: &[usize], out: &Path) -> Result<()> {
    let mut rows = Vec::new();
    let mut done: Vec<Measured> = Vec::new();
    for size in sizes {
        let measured = measure(*size)?;
        rows.extend(measured.rows());
        // What comes after may fail.
        write(&rows, out)?;
        if let Some(smaller) = done.last() {
            let figure = format!("{size} rows, time of a row");
            let peer = smaller.ours.whole / u32::try_from(smaller.size)?;
            rows.push(Row::times(&figure, measured.ours.whole / u32::try_from(*size)?, smaller.name(), peer));
        }
        done.push(measured);
    }
    let largest = done.last().context("at least one size")?;
    println!("wipes, idle and while {} rows take effect", largest.size);
    let wipes = wipes::measure(&people(largest.size), largest.ours.commit);
    if let Ok(wipes) = &wipes {
        let figure =
            format!("wipe, while {} rows take effect ({} of them), median", largest.size, wipes.inside);
        rows.push(Row::times(&figure, wipes.busy, "the same server, idle", wipes.idle));
        let figure = format!("wipe, while {} rows take effect, the longest", largest.size);
        rows.push(Row::times(&figure, wipes.worst, "the same server, idle, median", wipes.idle));
    }
    write(&rows, out)?;
    wipes.map(drop)
}

fn people(size: usize) -> Vec<Person> {
    generate(&RosterSpec::new(23, size, FIRST_YEAR))
}

/// One size, everybody's median.
struct Measured {
    size: usize,
    ours: Ours,
    copy: Duration,
    ldapadd: Option<Duration>,
}

fn measure(size: usize) -> Result<Measured> {
    let people = people(size);
    let rounds = if size > ROUNDS_MOST { 1 } else { ROUNDS };
    let (mut ours, mut copies, mut adds) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        println!("{size} rows, round {round} of {rounds}");
        ours.push(Ours::measure(&people)?);
        copies.push(Postgres::start()?.copy(&people)?);
        if size <= LDAP_MOST {
            adds.push(Ldap::start()?.add(&people)?);
        }
    }
    if adds.is_empty() {
        println!("{LDAPADD}: not measured above {LDAP_MOST} people");
    }
    ours.sort_by_key(|ours| ours.whole);
    let ours = ours.swap_remove(ours.len() / 2);
    Ok(Measured { size, ours, copy: median(copies).context("a round")?, ldapadd: median(adds) })
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

impl Measured {
    /// As a peer of larger files.
    fn name(&self) -> &'static str {
        if self.size == LDAP_MOST { "ours, 10,000 rows" } else { "ours, the smaller file" }
    }

    fn rows(&self) -> Vec<Row> {
        let Self { size, ours, copy, ldapadd } = self;
        let of = |what: &str, ours: Duration| Row::times(&format!("{size} rows, {what}"), ours, COPY, *copy);
        let mut rows = vec![
            of("read, in memory alone", ours.read),
            of("plan, in memory alone", ours.plan),
            of("commit", ours.commit),
            of("upload to acknowledged", ours.whole),
        ];
        let whole = format!("{size} rows, upload to acknowledged");
        rows.extend(ldapadd.map(|ldapadd| Row::times(&whole, ours.whole, LDAPADD, ldapadd)));
        rows.push(Row::megabytes(
            &format!("{size} rows, peak memory of the server"),
            ours.peak,
            LIMIT,
            MEMORY,
        ));
        rows
    }
}

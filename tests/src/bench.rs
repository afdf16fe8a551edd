//! Benches. Here: how long the console's pages take for an organisation of 10,000 people, beside an empty page on the same
//! stack. `cargo xtask bench console` builds and runs it; nothing here judges anything but the limit.

pub mod batch;
mod connection;
mod fixture;
mod measure;
mod pages;
pub mod peer;
mod rows;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use connection::Connection;
use fixture::Fixture;
use measure::{Times, interleaved};
use pages::Visitor;
use rows::{Row, write};

/// Longest time for 95 of 100 requests of any page.
const LIMIT: Duration = Duration::from_millis(100);
const LIMIT_NAME: &str = "the limit";
const PEER_NAME: &str = "an empty page on the same stack";
/// Requests to a page before it is measured.
const WARM_UP: usize = 5;

/// Measures every page `requests` times and writes the rows to `out`.
///
/// # Errors
/// When a page fails, or takes longer than `LIMIT`: the rows are written all the same.
pub fn console(people: usize, requests: usize, out: &Path) -> Result<()> {
    println!("preparing an organisation of {people} people");
    let fixture = Fixture::new(people)?;
    let address = fixture.world.https();
    let mut ours = Connection::open(address, &fixture.world.ca())?;
    let sample = ours.get("/", Some(&fixture.cookie))?;
    ensure!(sample.status == 200, "nobody is signed in: {}", sample.status);
    let peer = peer::Peer::start(&fixture.world, &sample.headers)?;
    let mut peers = Connection::open(peer.address(), &fixture.world.ca())?;

    let (mut rows, mut slow) = (Vec::new(), Vec::new());
    let pages = pages::all(&fixture.ids)?;
    for (number, page) in (1..).zip(&pages) {
        let cookie = (page.visitor == Visitor::Owner).then_some(fixture.cookie.as_str());
        let mut get = || {
            let answer = ours.get(&page.path, cookie)?;
            ensure!(answer.status == 200, "{} answers {}", page.path, answer.status);
            Ok(answer)
        };
        let bytes = get()?.length;
        println!("[{number}/{}] {}: {bytes} bytes", pages.len(), page.name);
        let (ours, theirs) = interleaved(requests, WARM_UP, &mut get, &mut || peers.get("/", cookie))?;
        rows.extend(rows_of(&page.name, &ours, &theirs));
        if ours.percentile(95) >= LIMIT {
            slow.push(page.name.as_str());
        }
    }
    let followed = after_changes(&fixture, &mut ours, requests)?;
    rows.push(Row::times("/accounts, right after a change, p95", followed.percentile(95), LIMIT_NAME, LIMIT));
    rows.push(first_page_after_a_batch(&fixture, &mut ours)?);
    write(&rows, out)?;
    ensure!(slow.is_empty(), "p95 is at or over {} ms: {}", LIMIT.as_millis(), slow.join(", "));
    Ok(())
}

fn rows_of(page: &str, ours: &Times, theirs: &Times) -> [Row; 3] {
    let row = |percent: u8| {
        let (ours, theirs) = (ours.percentile(percent), theirs.percentile(percent));
        Row::times(&format!("{page}, p{percent}"), ours, PEER_NAME, theirs)
    };
    let limit = Row::times(&format!("{page}, p95 and limit"), ours.percentile(95), LIMIT_NAME, LIMIT);
    [row(50), row(95), limit]
}

/// A batch names so many people that the directory is loaded whole by whoever looks first. Once, since it happens once.
fn first_page_after_a_batch(fixture: &Fixture, ours: &mut Connection) -> Result<Row> {
    fixture.apply_planned()?;
    let answer = ours.get("/accounts", Some(&fixture.cookie))?;
    ensure!(answer.status == 200, "the list of people answers {}", answer.status);
    Ok(Row::times("/accounts, first look after a batch (once)", answer.time, LIMIT_NAME, LIMIT))
}

/// Each request meets a directory that must follow a commit first.
fn after_changes(fixture: &Fixture, ours: &mut Connection, requests: usize) -> Result<Times> {
    println!("people, each time after a change");
    let mut times = Times::default();
    for number in 0..requests {
        fixture.change(number)?;
        let answer = ours.get("/accounts?q=%E3%82%BF", Some(&fixture.cookie))?;
        ensure!(answer.status == 200, "the list of people answers {}", answer.status);
        times.add(answer.time);
    }
    Ok(times)
}

//! Bad links. The server's log counts what it sent: a download that began anew would show there.

use std::time::Duration;

use e2e::world::link::{Link, Weather};
use e2e::world::{Launch, Phone, World, wait};

use super::{contents, is_there, publish};
use crate::thief::PIN;

const MB: u64 = 1024 * 1024;
/// What a server may have handed to a connection that was not received: its send window, `SEND_WINDOW`.
const IN_FLIGHT: u64 = 2 * MB;

/// A phone whose way to the server is `link`.
fn phone(world: &World, link: &Link) -> Phone {
    let person = world.hire("委員会", 1).unwrap().pop().unwrap();
    let phone = world.phone("委員会").at(link.address());
    phone.enrol(&person.code, PIN).unwrap();
    phone
}

/// Offset and length of each answer with contents.
fn sent(world: &World) -> Vec<(u64, u64)> {
    let field = |line: &str, name: &str| -> Option<u64> {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let log = world.log();
    let lines = log.lines().filter(|line| line.contains("contents were sent"));
    lines.map(|line| (field(line, "offset").unwrap(), field(line, "sent").unwrap())).collect()
}

#[test]
fn fifty_megabytes_arrive_over_a_link_that_loses_is_cut_and_renumbered_and_begin_once() {
    let mut world = World::prepared().unwrap();
    world.start_with(&Launch::logging("info,mdm_server::quic=debug")).unwrap();
    let link = Link::to(world.quic(), 20_261_122).unwrap();
    let phone = phone(&world, &link);
    let bytes = contents(3, 50 * MB as u32);
    let id = publish(&world, "film.bin", &bytes, &["--organisation", "--level", "1"]).unwrap();

    // 300 ms there and back.
    link.set(Weather {
        loss: 0.05,
        delay: Duration::from_millis(150),
        jitter: Duration::ZERO,
        rate: 4 * MB,
        queue: Duration::from_millis(200),
    });
    let start = std::time::Instant::now();
    let running = phone.run().unwrap();
    phone.unlock(PIN).unwrap();
    let lines = |line: &str| said(&running.process().printed(), line);
    // What the link has brought tells how far it is, and costs the machine nothing.
    let came = || link.traffic().down;
    for upto in [8, 18, 28] {
        wait::until("more has come", || (came() > upto * MB).then_some(())).unwrap();
        link.cut();
        let gone = lines("disconnected");
        wait::until("the connection is given up", || (lines("disconnected") > gone).then_some(())).unwrap();
        link.mend();
    }
    wait::until("it goes on", || (came() > 38 * MB).then_some(())).unwrap();
    let connections = lines("connected");
    link.rebind();
    wait::until("it is there", || (lines("documents 1 of 1") > 0).then_some(())).unwrap();
    println!("{:?}: {:?}", start.elapsed(), link.traffic());
    assert!(phone.document(id).unwrap() == bytes);
    assert_eq!(link.traffic().rebound, 1);
    assert_eq!(lines("connected"), connections, "the connection migrated");

    let answers = sent(&world);
    println!("{answers:?}");
    assert!(answers.len() >= 4, "{answers:?}");
    assert_eq!(answers.iter().filter(|(offset, _)| *offset == 0).count(), 1, "it began once");
    let all: u64 = answers.iter().map(|(_, sent)| sent).sum();
    assert!(all <= bytes.len() as u64 + 3 * IN_FLIGHT, "{all} bytes were sent");
}

fn said(log: &str, line: &str) -> usize {
    log.lines().filter(|said| *said == line).count()
}

#[test]
fn two_seconds_of_delay_are_no_reason_to_give_up() {
    let world = World::new().unwrap();
    let link = Link::to(world.quic(), 2).unwrap();
    let phone = phone(&world, &link);
    let bytes = contents(5, 100_000);
    let id = publish(&world, "notice.txt", &bytes, &["--organisation", "--level", "1"]).unwrap();
    // Two seconds there, and two back.
    link.set(Weather { delay: Duration::from_secs(2), ..Weather::FINE });
    let running = phone.run().unwrap();
    phone.unlock(PIN).unwrap();
    wait::until("it is there", || phone.documents().unwrap().iter().any(is_there).then_some(())).unwrap();
    assert!(phone.document(id).unwrap() == bytes);
    assert_eq!(said(&running.process().printed(), "disconnected"), 0);
}

//! What was acknowledged is on the disk: strace shows a completed sync between the last write of an operation and the
//! answer to it. A kill cannot show that, since the system's page cache survives it. The control takes the syncs out, and
//! the same checks report them missing.

mod trace;

use std::fs;
use std::path::{Path, PathBuf};

use e2e::world::shim::{Mode, Shim};
use e2e::world::{Launch, World};
use shared::wire::{Message as _, UnlockChallenge};

use crate::prepared::{self, PIN};
use trace::{Call, MissingSync, Trace};

const FILTER: &str = "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,fsync,fdatasync";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Syncs {
    AsBuilt,
    TakenOut,
}

/// What a server did from its start to its end, with one operation between.
struct Traced {
    trace: Trace,
    database: PathBuf,
    /// What is staged of a large change, beside the database.
    stage: PathBuf,
    key_file: PathBuf,
    /// Where answers of the API go, in strace's words.
    api: String,
}

fn run(prepared: &World, syncs: Syncs, operation: impl Fn(&World)) -> Traced {
    let mut world = prepared.copy().unwrap();
    let output = world.folder().join("strace");
    let shim = (syncs == Syncs::TakenOut).then(|| Shim::new(&world, Mode::NoSync).unwrap());
    world.start_with(&Launch::traced(&output, FILTER, shim.as_ref())).unwrap();
    operation(&world);
    world.stop().unwrap();
    let mut trace = Trace::parse(&String::from_utf8_lossy(&fs::read(&output).unwrap())).unwrap();
    let ready = trace.0.iter().position(|call| call.arguments.contains("ready quic=")).unwrap();
    trace.0.drain(..=ready);
    let [database, stage, key_file, mark] =
        ["db/db", "db/stage", "unlock-records", "db/commits"].map(|name| world.data().join(name));
    // The mark may be behind the database; any other file would be one whose syncs are not looked at.
    let looked_at = [&database, &stage, &key_file, &mark];
    let other = |call: &&Call| {
        let file = Path::new(&call.target);
        file.starts_with(world.data()) && call.is_write_to(file) && !looked_at.contains(&&file.to_owned())
    };
    assert!(
        !trace.0.iter().any(|call| other(&call)),
        "written: {:?}",
        trace.0.iter().find(other).map(|call| &call.target)
    );
    Traced { trace, database, stage, key_file, api: format!("TCP:[{}->", world.https()) }
}

impl Traced {
    fn first_write(&self, file: &Path) -> &Call {
        let found = self.trace.0.iter().find(|call| call.is_write_to(file));
        found.unwrap_or_else(|| panic!("nothing was written to {}", file.display()))
    }

    fn last_write(&self, file: &Path, before: &Call) -> &Call {
        let found = self.trace.last_write(file, before.begins);
        found.unwrap_or_else(|| {
            panic!("nothing was written to {} before line {}", file.display(), before.begins)
        })
    }

    /// The first bytes that leave on an API connection once the operation has begun to write: all else that the server
    /// sends there, it sends during the handshake.
    fn api_answer(&self) -> &Call {
        let begun = self.first_write(&self.database).begins;
        let answer = self.trace.0.iter().find(|call| call.begins > begun && call.is_send_to(&self.api));
        answer.expect("mdmctl had an answer")
    }

    fn missing(&self, promises: &[(&Path, &Call, &Call)]) -> Vec<MissingSync> {
        let check =
            |(file, write, answer): &(&Path, &Call, &Call)| self.trace.check_sync(file, write, answer).err();
        promises.iter().filter_map(check).collect()
    }
}

/// The checks find nothing missing in the server as it is, and a missing sync of each of `files` in the control.
fn assert_synced(what: &str, honest: &[MissingSync], control: &[MissingSync], files: &[&str]) {
    assert!(
        honest.is_empty(),
        "{what}: {}",
        honest.iter().map(MissingSync::to_string).collect::<Vec<_>>().join("; ")
    );
    for file in files {
        assert!(
            control.iter().any(|missing| missing.file.ends_with(file)),
            "{what}: without syncs, none of {file} is reported missing"
        );
    }
}

#[test]
fn a_wipe_is_synced_at_each_step_before_it_is_acknowledged() {
    let (prepared, device) = prepared::phone();
    let [honest, control] = [Syncs::AsBuilt, Syncs::TakenOut].map(|syncs| {
        let traced = run(&prepared, syncs, |world| {
            let done = world.mdmctl(&["devices", "wipe", &device, "--reason", "left in a taxi"]).unwrap();
            assert!(done["wipe"]["sealed_at"].is_string(), "{done}");
        });
        let (database, key_file) = (traced.database.as_path(), traced.key_file.as_path());
        let answer = traced.api_answer();
        let page = traced.last_write(key_file, answer);
        let tombstone = traced.last_write(database, traced.first_write(key_file));
        let sealed = traced.last_write(database, answer);
        assert!(sealed.begins > page.begins, "鍵破棄済 is noted after the page was zeroed");
        traced.missing(&[
            (database, tombstone, traced.first_write(key_file)),
            (key_file, page, sealed),
            (key_file, page, answer),
            (database, sealed, answer),
        ])
    });
    assert_synced("wipe", &honest, &control, &["db/db", "unlock-records"]);
}

/// The last datagram that can carry KE2, by its size: the frame, and what QUIC adds to it (RFC 9000 section 17.3, RFC
/// 9001 section 5.3, and perhaps an acknowledgement). The answer to the hello before it may be as large; what follows it is smaller.
fn ke2_datagram(traced: &Traced) -> &Call {
    const KE2: usize = 320; // RFC 9807 section 6.1 with ristretto255 and SHA-512
    let frame = UnlockChallenge { ke2: vec![0; KE2], attempts_left: 9 }.to_frame().len() as i64;
    let sent = |call: &&Call| call.is_send_to("UDP:") && call.result.is_some();
    let carries = |call: &&Call| sent(call) && (frame + 24..frame + 72).contains(&call.result.unwrap_or(0));
    let sizes = || traced.trace.0.iter().filter(sent).filter_map(|call| call.result).collect::<Vec<_>>();
    let found = traced.trace.0.iter().rev().find(carries);
    found.unwrap_or_else(|| panic!("no datagram has a frame of {frame} bytes in it; sent were {:?}", sizes()))
}

#[test]
fn an_attempt_and_how_long_the_vault_may_be_open_are_synced_before_ke2_leaves() {
    let (prepared, _) = prepared::phone();
    let [honest, control] = [Syncs::AsBuilt, Syncs::TakenOut].map(|syncs| {
        let traced = run(&prepared, syncs, |world| world.phone("phone").unlock(PIN).unwrap());
        let (database, key_file) = (traced.database.as_path(), traced.key_file.as_path());
        let ke2 = ke2_datagram(&traced);
        let charge = traced.first_write(key_file);
        assert!(charge.begins < ke2.begins, "the attempt is charged before KE2 leaves");
        traced.missing(&[
            (key_file, charge, ke2),
            (key_file, traced.last_write(key_file, ke2), ke2),
            (database, traced.last_write(database, ke2), ke2),
        ])
    });
    assert_synced("unlock", &honest, &control, &["db/db", "unlock-records"]);
}

/// `state` = `{"applied": …}` of the batch's record in CBOR (RFC 8949 section 3.1), as strace writes bytes.
const IN_FORCE: &str = r"estate\241gapplied";

#[test]
fn a_batch_is_synced_before_it_is_acknowledged() {
    let (prepared, batch) = prepared::large_batch();
    let [honest, control] = [Syncs::AsBuilt, Syncs::TakenOut].map(|syncs| {
        let traced = run(&prepared, syncs, |world| drop(world.apply(&batch).unwrap()));
        let (database, stage) = (traced.database.as_path(), traced.stage.as_path());
        let answer = traced.api_answer();
        // Behind the write that puts the whole batch into force, staged records are moved: no part of the answer.
        let mut writes = traced.trace.0.iter().filter(|call| call.is_write_to(database));
        let in_force =
            writes.find(|call| call.arguments.contains(IN_FORCE)).expect("the batch's record is written");
        let staged = traced.last_write(stage, in_force);
        traced.missing(&[(stage, staged, in_force), (database, in_force, answer)])
    });
    assert_synced("batch apply", &honest, &control, &["db/stage", "db/db"]);
}

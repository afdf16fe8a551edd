//! Ten thousand histories in which nothing is planted: no invariant breaks, and every kind of event and fault came.

use e2e_simulation::{Fault, Script, play, run};

const HISTORIES: u64 = 10_000;
const SEEDS_PLAYED_TWICE: u64 = 300;

/// What has to happen in ten thousand histories, or they say nothing about it. All of it is counted where it happens: an act
/// alone may find nothing to act on.
const COVERED: [&str; 59] = [
    "admin: attempts given back",
    "admin: batch applied",
    "admin: block",
    "admin: code issued again",
    "admin: pool set",
    "admin: refused",
    "admin: seats reclaimed",
    "admin: unblock",
    "admin: wipe",
    "command: pushed",
    "command: reported",
    "command: without effect",
    "enrol: done",
    "enrol: unconfirmed discarded",
    "erase: end finished at start",
    "erase: receipt sent",
    "erase: resumed",
    "erase: stuck, tried again later",
    "fault: app killed",
    "fault: asleep",
    "fault: clock set",
    "fault: disk refused",
    "fault: no coverage",
    "fault: power cut in a write",
    "fault: server crash",
    "fault: server crash after a commit",
    "fault: switched off",
    "fault: weather turns",
    "fault: write lost",
    "fault: write torn",
    "healed: attempts given back",
    "healed: unblocked",
    "healed: vault opened",
    "hello: certificate renewed",
    "lease: durable goes on",
    "network: connection broken",
    "network: frame lost",
    "network: frame repeated",
    "phone: app started",
    "phone: blocked",
    "phone: enrolled",
    "phone: gone",
    "phone: note kept",
    "phone: switched on",
    "phone: unblocked",
    "scheduler: account closed",
    "scheduler: blocked late",
    "scheduler: codes expired",
    "server: sealed at start",
    "server: started again",
    "thief: answered",
    "thief: not answered",
    "unlock: attempts exhausted",
    "unlock: granted",
    "unlock: with the server",
    "unlock: within a lease",
    "wipe: receipt again",
    "wipe: receipt stored",
    "wipe: sealed",
];

#[test]
fn no_invariant_breaks_in_ten_thousand_histories() {
    let run = run(1, HISTORIES, None, Fault::None);
    if let Some(failure) = run.failure {
        panic!("{failure}");
    }
    assert_eq!(run.histories, HISTORIES);
    assert!(run.checks > run.histories, "{} checks", run.checks);
    assert!(COVERED.iter().all(|what| !what.starts_with("act: ")), "an act is an intent");
    let missing: Vec<_> = COVERED.iter().filter(|what| !run.counts.contains_key(**what)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}; what did: {:#?}", run.counts);
}

/// Each on a thread of its own, as the runs play them: what a library draws from its thread must not show.
#[test]
fn a_seed_is_one_history() {
    for seed in 1..=SEEDS_PLAYED_TWICE {
        let script = Script::draw(seed, None);
        let [first, second] = std::thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(|| play(&script, Fault::None, true)))
                .map(|playing| playing.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)))
        });
        let differ = first.log.iter().zip(&second.log).find(|(first, second)| first != second);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(first.log.len(), second.log.len(), "seed {seed}");
        assert_eq!(first.events, second.events, "seed {seed}");
    }
}

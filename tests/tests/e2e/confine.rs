//! A phone takes its own access to files away, and says so, or says that it could not.

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use client_agent::Confinement;
use client_agent::confine::Gap;
use e2e::world::{Finished, Phone, World, kernel};
use serde_json::Value;

use crate::thief::{MARKER, PIN, holder};

/// Runs `phone try`, confined or, for the control, not.
fn attempt(phone: &Phone, confined: bool, act: &[&str]) -> Finished {
    let mut words = vec!["try"];
    words.extend(act);
    if !confined {
        words.insert(0, "--unconfined");
    }
    phone.call(&words).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the phone says of itself, which has to be all that this kernel can.
fn said(phone: &Phone) -> Confinement {
    let said = phone.status().unwrap()["confinement"].clone();
    let said: Confinement = serde_json::from_value(said).unwrap();
    println!("the phone says {said:?}");
    assert!(
        kernel::is_all_that_can_be(&said, false),
        "{said:?}, and the kernel can {:?}",
        kernel::confinement(false)
    );
    said
}

#[test]
fn a_phone_reads_and_writes_its_home_and_the_list_and_nothing_else_or_says_that_it_is_not_confined() {
    let world = World::new().unwrap();
    let (own, neighbour) = (holder(&world, "own").unwrap(), holder(&world, "neighbour").unwrap());
    own.put("memo", &world.file("memo", MARKER).unwrap()).unwrap();
    neighbour.put("memo", &world.file("memo", MARKER).unwrap()).unwrap();
    let phone = &own.phone;

    let mut asleep = std::process::Command::new("/bin/cat");
    let mut asleep = asleep.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let name = format!("tamatebako-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();

    let outside = neighbour.phone.home().join("device/secret");
    let store = neighbour.phone.home().join("vault/store/db");
    let (temporary, id) = (world.tmp().join("left"), asleep.id().to_string());
    let denied = [
        ["read", "/etc/passwd"],
        ["read", text(&outside)],
        ["read", text(&store)],
        ["list", neighbour.phone.home().to_str().unwrap()],
        ["list", "/"],
        ["write", text(&temporary)],
        ["write", "/tmp/tamatebako-attempt"],
        ["run", "/bin/true"],
        ["signal", &id],
        ["socket", &name],
    ];
    let said = said(phone);
    let leaves = |gap: Gap| match &said {
        Confinement::Full => false,
        Confinement::Partial(gaps) => gaps.contains(&gap),
        Confinement::None(_) => true,
    };
    for act in &denied {
        attempt(phone, false, act).expect_success(&format!("{act:?}, the control")).unwrap();
        let tried = attempt(phone, true, act);
        let open = match act[0] {
            "signal" => leaves(Gap::Signals),
            "socket" => leaves(Gap::AbstractSockets),
            _ => matches!(said, Confinement::None(_)),
        };
        if open {
            tried.expect_success(&format!("{act:?} of a phone that says {said:?}")).unwrap();
        } else {
            let refused = tried.expect_failure(&format!("{act:?}")).unwrap();
            assert!(refused.contains("denied") || refused.contains("not permitted"), "{act:?}: {refused}");
        }
    }
    let own_file = own.phone.home().join("device/state");
    attempt(phone, true, &["read", text(&own_file)]).expect_success("its own home").unwrap();
    attempt(phone, true, &["write", text(&own.phone.home().join("vault/new"))])
        .expect_success("the same")
        .unwrap();
    // The second may be a link to a file of a network manager.
    for listed in ["/etc/hosts", "/etc/resolv.conf"] {
        attempt(phone, true, &["read", listed]).expect_success("the list").unwrap();
    }
    drop((asleep.kill(), asleep.wait()));
}

#[test]
fn a_phone_that_is_not_confined_says_so() {
    let world = World::new().unwrap();
    let own = holder(&world, "own").unwrap();
    let shown = own.phone.call(&["--unconfined", "status", "--json"]).unwrap();
    let shown: Value = serde_json::from_slice(&shown.expect_success("phone status").unwrap().stdout).unwrap();
    assert_eq!(shown["confinement"], serde_json::json!({ "none": "not_asked" }));
    attempt(&own.phone, false, &["read", "/etc/passwd"]).expect_success("and it is so").unwrap();
}

#[test]
fn a_confined_phone_that_runs_does_all_that_a_phone_does() {
    let world = World::new().unwrap();
    let own = holder(&world, "own").unwrap();
    let running = own.phone.run().unwrap();
    own.phone.unlock(PIN).unwrap();
    said(&own.phone);
    // Larger than the pieces it goes in, from a folder that the running phone cannot see.
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|i| i.to_be_bytes()).collect();
    own.phone.put("large", &large).unwrap();
    assert!(own.phone.get("large").unwrap() == large, "what was stored comes back");
    own.order(&world, "wipe").unwrap();
    running.finish().unwrap().expect_success("the running phone, wiped").unwrap();
    assert_eq!(fs::read_dir(own.phone.home()).unwrap().count(), 1, "only the note of the erase");
}

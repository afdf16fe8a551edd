//! A change of the PIN, on real phones.

use e2e::world::World;

use crate::thief::{MARKER, MEMO, PIN, holder};

const NEW: &str = "135792468";

#[test]
fn a_changed_pin_opens_the_vault_and_the_old_one_costs_an_attempt_and_does_not() {
    let world = World::new().unwrap();
    let holder = holder(&world, "pin").unwrap();
    let memo = world.file("memo.txt", MARKER).unwrap();
    holder.put(MEMO, &memo).unwrap();
    let change =
        |old: &str, new: &str| holder.phone.call(&["change-pin", "--pin", old, "--new-pin", new]).unwrap();
    change(PIN, NEW).expect_success("change-pin").unwrap();
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 10);

    let said = holder.phone.try_unlock(PIN).unwrap().expect_failure("the old PIN").unwrap();
    assert!(said.contains("PIN is wrong"), "{said}");
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 9);
    let got = holder.phone.call(&["get", MEMO, "--pin", NEW]).unwrap().expect_success("get").unwrap();
    assert_eq!(got.stdout, MARKER);
    change(NEW, PIN).expect_success("back again").unwrap();
    holder.phone.unlock(PIN).unwrap();
}

//! Damage to a phone's folder: each kind has its name and a way back, nothing is dropped by a vault that does not open, and
//! what is dropped by mending it is said.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::world::shim::{Mode, Shim};
use e2e::world::{Finished, Phone, Process, World, files};
use rustix::io::Errno;

use crate::thief::{Holder, MARKER, MEMO, PIN, holder};

/// Stored beside the store.
const PLAN: &str = "plan";

/// Somebody with a memo in the store and a plan beside it.
fn filled(world: &World) -> Holder {
    let holder = holder(world, "damage").unwrap();
    put(&holder, world, MEMO, MARKER);
    put(&holder, world, PLAN, &plan());
    holder
}

fn plan() -> Vec<u8> {
    MARKER.repeat(1000)
}

fn put(holder: &Holder, world: &World, name: &str, bytes: &[u8]) {
    holder.put(name, &world.file("source", bytes).unwrap()).unwrap();
}

fn call(phone: &Phone, command: &str) -> Finished {
    phone.call(&[command, "--pin", PIN]).unwrap()
}

/// What the phone says when it does not do it; a crash is none.
fn refused(phone: &Phone, command: &str) -> String {
    call(phone, command).expect_failure(command).unwrap()
}

fn done(phone: &Phone, command: &str) -> String {
    call(phone, command).expect_success(command).unwrap().text()
}

fn reads(phone: &Phone, name: &str) -> Vec<u8> {
    phone.with_pin(PIN).get(name).unwrap()
}

fn start_over(phone: &Phone) -> Finished {
    phone.call(&["start-over", "--pin", PIN, "--lose-what-was-not-sent"]).unwrap()
}

/// A folder kept aside, to be put back.
struct Kept {
    folder: PathBuf,
    aside: PathBuf,
}

impl Kept {
    fn of(folder: PathBuf, world: &World) -> Self {
        let aside = world.tmp().join("aside");
        files::copy(&folder, &aside).unwrap();
        Self { folder, aside }
    }

    fn put_back(&self) {
        fs::remove_dir_all(&self.folder).unwrap();
        files::copy(&self.aside, &self.folder).unwrap();
    }
}

fn store(phone: &Phone) -> PathBuf {
    phone.home().join("vault/store")
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_store_that_was_set_back_is_named_and_repair_says_how_much_is_lost() {
    let world = World::new().unwrap();
    let holder = filled(&world);
    let phone = &holder.phone;
    let older = Kept::of(store(phone), &world);
    put(&holder, &world, "newer", MARKER);
    put(&holder, &world, "newest", MARKER);
    older.put_back();

    let said = refused(phone, "unlock");
    assert!(said.contains("commits, and") && said.contains("phone repair"), "{said}");
    let said = done(phone, "repair");
    assert!(said.contains("lost 0") && said.contains("the newest 2 commits are lost"), "{said}");
    assert_eq!(reads(phone, MEMO), MARKER);
    assert_eq!(reads(phone, PLAN), plan());
    put(&holder, &world, "newest", MARKER);
    assert!(done(phone, "repair").contains("nothing is damaged"), "once");
}

#[test]
fn flipped_bits_in_a_file_are_named_and_repair_drops_that_file_alone_and_says_so() {
    let world = World::new().unwrap();
    let holder = filled(&world);
    let phone = &holder.phone;
    let contents = files::files(&phone.home().join("vault/content")).unwrap();
    let [content] = contents.as_slice() else { panic!("{contents:?}") };
    flip(content, fs::metadata(content).unwrap().len() as usize / 2);

    let said = phone.call(&["get", PLAN, "--pin", PIN]).unwrap().expect_failure("get").unwrap();
    assert!(said.contains("of a file was changed, moved or cut"), "{said}");
    let named = format!("lost: Files {PLAN}: chunk");
    assert!(done(phone, "check").contains(&named));
    assert_eq!(reads(phone, MEMO), MARKER, "the rest is read on");
    let said = done(phone, "repair");
    assert!(said.contains("lost 1") && said.contains(&named), "{said}");
    assert!(done(phone, "check").contains("nothing is damaged"));
    assert_eq!(reads(phone, MEMO), MARKER);
    put(&holder, &world, PLAN, &plan());
    assert_eq!(reads(phone, PLAN), plan());
}

#[test]
fn a_store_that_was_cut_is_named_and_its_way_back_leads_to_a_vault_that_works() {
    let world = World::new().unwrap();
    let holder = filled(&world);
    let phone = &holder.phone;
    let db = store(phone).join("db");
    let whole = fs::read(&db).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let mut named = 0;
    for cut in [0, used / 3, 2 * used / 3] {
        let kept = Kept::of(phone.home().join("vault"), &world);
        let (mark, marked) =
            (phone.home().join("device/mark"), fs::read(phone.home().join("device/mark")).unwrap());
        fs::write(&db, &whole[..cut]).unwrap();
        let unlock = call(phone, "unlock");
        if !unlock.succeeded() {
            named += 1;
            let said = unlock.said();
            // sled may say what it asserts; the phone goes on.
            assert_ne!(unlock.status.code(), Some(101), "{said}");
            let repairable = said.contains("`phone repair`");
            assert!(repairable || said.contains("`phone start-over`"), "cut at {cut}: {said}");
            let mended = if repairable { call(phone, "repair") } else { start_over(phone) };
            let mended = if mended.succeeded() { mended } else { start_over(phone) };
            let said = mended.expect_success("a way back").unwrap().text();
            assert!(said.contains("lost"), "cut at {cut}: {said}");
            put(&holder, &world, "after", MARKER);
            assert_eq!(reads(phone, "after"), MARKER);
        }
        // What did not open had lost nothing that is put back.
        kept.put_back();
        fs::write(&mark, &marked).unwrap();
        assert_eq!(reads(phone, MEMO), MARKER, "cut at {cut}");
        assert_eq!(reads(phone, PLAN), plan(), "cut at {cut}");
        fs::remove_dir_all(&kept.aside).unwrap();
    }
    assert!(named > 1, "{named} cuts were noticed");
}

#[test]
fn a_store_that_does_not_open_is_started_over_only_when_told_what_that_costs() {
    let world = World::new().unwrap();
    let holder = filled(&world);
    let phone = &holder.phone;
    let conf = store(phone).join("conf");
    fs::write(&conf, vec![0xa5; fs::read(&conf).unwrap().len()]).unwrap();

    for command in ["unlock", "repair"] {
        let said = refused(phone, command);
        assert!(said.contains("does not open") && said.contains("`phone start-over`"), "{command}: {said}");
    }
    let said = phone.call(&["start-over", "--pin", PIN]).unwrap().expect_failure("start-over").unwrap();
    assert!(said.contains("--lose-what-was-not-sent"), "{said}");
    let said = start_over(phone).expect_success("start-over").unwrap().text();
    assert!(said.contains("what was not sent to the server is lost"), "{said}");
    assert_eq!(phone.with_pin(PIN).ls().unwrap(), "");
    put(&holder, &world, MEMO, MARKER);
    assert_eq!(reads(phone, MEMO), MARKER);
    let said = start_over(phone).expect_success("start-over").unwrap().text();
    assert!(said.contains("nothing was changed"), "a whole vault is not thrown away: {said}");
    assert_eq!(reads(phone, MEMO), MARKER);
}

#[test]
fn a_slot_that_is_missing_or_changed_is_named_and_opens_again_when_it_is_back() {
    let world = World::new().unwrap();
    let holder = filled(&world);
    let phone = &holder.phone;
    let slot = phone.home().join("vault/slots/online");
    let whole = fs::read(&slot).unwrap();

    fs::remove_file(&slot).unwrap();
    for command in ["unlock", "repair"] {
        let said = refused(phone, command);
        assert!(said.contains("the key slot of this device is missing: have it wiped"), "{said}");
    }
    fs::write(&slot, &whole).unwrap();
    flip(&slot, whole.len() - 1);
    let said = refused(phone, "unlock");
    assert!(said.contains("the key slot is damaged: have this device wiped"), "{said}");
    fs::write(&slot, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(phone, "unlock").contains("the key slot is damaged"));
    fs::write(&slot, &whole).unwrap();
    assert_eq!(reads(phone, MEMO), MARKER);
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 10);
}

/// `phone` in a folder in which nothing can be written.
fn unwritable(phone: &Phone, world: &World, error: Errno, arguments: &[&str]) -> String {
    let shim = Shim::over(world, phone.home(), Mode::Refuse(error)).unwrap();
    shim.arm().unwrap();
    let mut command = phone.command(arguments).unwrap();
    command.envs(shim.variables()).env("LD_PRELOAD", shim.library());
    let finished = Process::spawn("phone", &mut command).unwrap().finish().unwrap();
    assert!(!shim.calls().unwrap().is_empty(), "the shim was loaded");
    finished.expect_failure("phone").unwrap()
}

#[test]
fn a_folder_that_takes_nothing_is_named_and_costs_neither_an_attempt_nor_anything_stored() {
    let world = World::new().unwrap();
    let holder = filled(&world);
    let phone = &holder.phone;
    let source = world.file("source", b"newer").unwrap();
    let put = ["put", MEMO, source.to_str().unwrap(), "--pin", PIN];
    for (error, words) in
        [(Errno::NOSPC, "free some space"), (Errno::ROFS, "see that its folder can be written in")]
    {
        for arguments in [&["unlock", "--pin", PIN][..], &["unlock", "--pin", "000000000"], &put] {
            let said = unwritable(phone, &world, error, arguments);
            assert!(said.contains(words), "{error} {arguments:?}: {said}");
        }
        assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 10, "{error}");
    }
    assert_eq!(reads(phone, MEMO), MARKER);
    assert_eq!(reads(phone, PLAN), plan());
    assert!(done(phone, "check").contains("nothing is damaged"));
}

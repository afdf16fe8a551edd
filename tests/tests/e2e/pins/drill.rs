//! The drills of `docs/operations.md`, command by command as they stand there.

use std::fs;

use e2e::world::{Process, World};
use mdm_server::init::{RECOVERY_KEY_FILE, SPARE_KEY_FILE};

use super::{known_to, offline, text};
use crate::thief::{PIN, holder};

const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
/// The medium in the document.
const MEDIUM: &str = "/media/keys";

/// The commands of a section, each in one line.
fn commands(heading: &str) -> Vec<String> {
    let document = fs::read_to_string(OPERATIONS).unwrap();
    let section = document.split(&format!("## {heading}\n")).nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Does on this world what the document says. Nobody makes two backups in one folder within a second; a test does.
fn follow(world: &mut World, heading: &str, backups: &str) -> usize {
    let medium = world.folder().join("medium");
    let backups = world.folder().join(backups);
    let commands = commands(heading);
    for line in &commands {
        let line = line.replace(MEDIUM, text(&medium)).replace("/backup/tamatebako", text(&backups));
        let line = line.replace("/backup-key-files", text(&backups.join("key-files")));
        let line = line.replace("CONFIG", text(&world.config_file()));
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["systemctl", "stop", "mdm-server"] => world.stop().unwrap(),
            ["systemctl", "start", "mdm-server"] => world.start().unwrap(),
            ["mdm-server", ref arguments @ ..] => {
                let mut command = world.command("mdm-server").unwrap();
                let finished = Process::spawn("mdm-server", command.args(arguments)).unwrap().finish();
                finished.unwrap().expect_success(&line).unwrap();
            }
            _ => panic!("the drill has a command that this test does not know: {line}"),
        }
    }
    commands.len()
}

#[test]
fn the_drills_in_the_operations_document_work_as_they_stand_there() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "phone").unwrap();
    let medium = world.folder().join("medium");
    fs::create_dir(&medium).unwrap();
    fs::rename(offline(&world, SPARE_KEY_FILE), medium.join("spare-1.pkcs8")).unwrap();
    fs::rename(offline(&world, RECOVERY_KEY_FILE), medium.join(RECOVERY_KEY_FILE)).unwrap();
    let mut sets = vec![known_to(&holder.phone).unwrap().pins];
    for (heading, backups) in [
        ("The server gets another key, by plan", "backups-1"),
        ("Keys of the server were stolen or lost", "backups-2"),
    ] {
        let commands = follow(&mut world, heading, backups);
        assert!(commands >= 5, "{heading}: {commands} commands");
        holder.phone.unlock(PIN).unwrap();
        sets.push(known_to(&holder.phone).unwrap().pins);
    }
    assert_eq!(sets[1][0], sets[0][1], "the spare of the first drill");
    assert!(sets[2].iter().all(|pin| !sets[1].contains(pin)), "all new in the second");
}

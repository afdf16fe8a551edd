//! OpenLDAP as Debian has it, on its own database (mdb), which waits for the disk at each entry: `ldapadd` of the people.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use data_encoding::BASE64;
use tempfile::TempDir;

use super::postgres::run;
use crate::roster::Row as Person;
use crate::world::{Process, wait};

const ADMIN: [&str; 5] = ["-x", "-D", "cn=admin,dc=tamate", "-w", "bench"];
const BASE: &str = "dn: dc=tamate\nobjectClass: dcObject\nobjectClass: organization\ndc: tamate\no: tamate\n\n\
    dn: ou=people,dc=tamate\nobjectClass: organizationalUnit\nou: people\n\n";

/// A server of its own, ended when dropped.
pub(super) struct Ldap {
    address: String,
    _server: Process,
    folder: TempDir,
}

impl Ldap {
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tamatebako-ldap-").tempdir()?;
        let path = folder.path().display().to_string();
        fs::create_dir(folder.path().join("db"))?;
        let config = folder.path().join("slapd.conf");
        fs::write(&config, configuration(&path))?;
        let address = format!("ldapi://{}", format!("{path}/ldapi").replace('/', "%2F"));
        let mut command = Command::new("/usr/sbin/slapd");
        command.args(["-d", "0", "-h", &address, "-f"]).arg(&config);
        let server = Process::spawn("slapd", &mut command)?;
        let started = Self { address, _server: server, folder };
        let base = folder_file(&started, "base.ldif", BASE.to_owned())?;
        wait::until("OpenLDAP takes entries", || run(&mut started.ldapadd(&base)).ok())?;
        Ok(started)
    }

    /// Everybody, by a client process.
    pub(super) fn add(&self, people: &[Person]) -> Result<Duration> {
        let file = folder_file(self, "people.ldif", people.iter().map(entry).collect())?;
        let begun = Instant::now();
        run(&mut self.ldapadd(&file))?;
        let taken = begun.elapsed();
        let mut search = Command::new("ldapsearch");
        let count = ["-LLL", "-b", "ou=people,dc=tamate", "-s", "one", "(objectClass=inetOrgPerson)", "1.1"];
        let found = run(search.args(["-H", &self.address]).args(ADMIN).args(count))?;
        let found = found.lines().filter(|line| line.starts_with("dn:")).count();
        ensure!(found == people.len(), "{found} people are in the directory");
        Ok(taken)
    }

    fn ldapadd(&self, file: &std::path::Path) -> Command {
        let mut command = Command::new("ldapadd");
        command.args(["-H", &self.address]).args(ADMIN).arg("-f").arg(file);
        command
    }
}

fn folder_file(ldap: &Ldap, name: &str, text: String) -> Result<std::path::PathBuf> {
    let path = ldap.folder.path().join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn configuration(folder: &str) -> String {
    let schemas = ["core", "cosine", "inetorgperson"];
    let schemas: String =
        schemas.iter().map(|name| format!("include /etc/ldap/schema/{name}.schema\n")).collect();
    format!(
        "{schemas}pidfile {folder}/slapd.pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\nsizelimit unlimited\n\
         database mdb\nmaxsize 4294967296\nsuffix \"dc=tamate\"\nrootdn \"cn=admin,dc=tamate\"\nrootpw bench\n\
         directory {folder}/db\nindex objectClass,uid,employeeNumber eq\n"
    )
}

/// A person as an entry (RFC 2798) in LDIF (RFC 2849).
fn entry(person: &Person) -> String {
    let Person { number, name, department, title, employment, mail, .. } = person;
    let family = name.split('\u{3000}').next().unwrap_or_default();
    let mut text = format!("dn: uid={number},ou=people,dc=tamate\nobjectClass: inetOrgPerson\n");
    for (attribute, value) in [
        ("uid", number.as_str()),
        ("employeeNumber", number),
        ("cn", name),
        ("sn", family),
        ("departmentNumber", department),
        ("title", title),
        ("employeeType", employment),
        ("mail", mail),
    ] {
        text += &attribute_line(attribute, value);
    }
    text + "\n"
}

/// Nothing for no value; base 64 for what is no SAFE-STRING.
fn attribute_line(attribute: &str, value: &str) -> String {
    let is_safe = value.chars().all(|c| c.is_ascii() && !c.is_ascii_control())
        && !value.starts_with([' ', ':', '<'])
        && !value.ends_with(' ');
    match value {
        "" => String::new(),
        value if is_safe => format!("{attribute}: {value}\n"),
        value => format!("{attribute}:: {}\n", BASE64.encode(value.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_safe_string_is_written_in_base_64() {
        assert_eq!(attribute_line("uid", "000001"), "uid: 000001\n");
        assert_eq!(attribute_line("cn", "髙橋"), "cn:: 6auZ5qmL\n");
        assert_eq!(attribute_line("title", ":a"), "title:: OmE=\n");
        assert_eq!(attribute_line("title", "a "), "title:: YSA=\n");
        assert_eq!(attribute_line("mail", ""), "");
    }
}

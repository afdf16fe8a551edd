//! PostgreSQL as Debian has it, with nothing set but where it listens: `COPY` of the people into a table with the same keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use super::ours::SOURCE;
use crate::roster::Row as Person;
use crate::world::{Process, wait};

const TABLE: &str = "create table people (\
    id uuid primary key default gen_random_uuid(), source text not null, number text not null, name text not null, \
    kana text, department text not null, title text, employment text, mail text, wish boolean not null, \
    unique (source, number))";
const COPY: &str = "copy people (source, number, name, kana, department, title, employment, mail, wish) from stdin (format csv)";

/// A server of its own, ended when dropped.
pub(super) struct Postgres {
    programs: PathBuf,
    server: Option<Process>,
    folder: TempDir,
}

impl Postgres {
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tamatebako-postgres-").tempdir()?;
        let programs = programs()?;
        let data = folder.path().join("data");
        if is_root() {
            // It refuses to run as root.
            run(Command::new("chown").arg("postgres:").arg(folder.path()))?;
        }
        let initdb = ["--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C"];
        run(as_its_user(&programs.join("initdb")).args(initdb).arg("--pgdata").arg(&data))?;
        let mut command = as_its_user(&programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses="]);
        let server = Process::spawn("postgres", &mut command)?;
        let started = Self { programs, server: Some(server), folder };
        wait::until("PostgreSQL answers", || run(started.psql().args(["-c", "select 1"])).ok())?;
        let fsync = run(started.psql().args(["-At", "-c", "show fsync"]))?;
        ensure!(fsync.trim() == "on", "PostgreSQL would not wait for the disk");
        Ok(started)
    }

    /// Everybody in one transaction, by a client process.
    pub(super) fn copy(&self, people: &[Person]) -> Result<Duration> {
        run(self.psql().args(["-c", TABLE]))?;
        let file = self.folder.path().join("people.csv");
        fs::write(&file, csv_of(people)?)?;
        let begun = Instant::now();
        let stdin = fs::File::open(&file)?;
        run(self.psql().args(["-c", COPY]).stdin(stdin))?;
        let taken = begun.elapsed();
        let count = run(self.psql().args(["-At", "-c", "select count(*) from people"]))?;
        ensure!(count.trim() == people.len().to_string(), "{count} people are in the table");
        Ok(taken)
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-U", "bench", "-d", "postgres", "-h"])
            .arg(self.folder.path());
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its parent, where there is one, ends with it.
        let data = self.folder.path().join("data");
        let _ =
            run(as_its_user(&self.programs.join("pg_ctl")).args(["-m", "immediate", "stop", "-D"]).arg(data));
        drop(self.server.take());
    }
}

fn csv_of(people: &[Person]) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for person in people {
        let Person { number, name, kana, department, title, employment, mail, wish } = person;
        let wish = if *wish { "t" } else { "f" };
        writer.write_record([SOURCE, number, name, kana, department, title, employment, mail, wish])?;
    }
    Ok(writer.into_inner()?)
}

/// Of the newest version that is installed.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is not installed: apt-get install postgresql")?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    found.sort();
    Ok(found.pop().context("PostgreSQL has no initdb here: apt-get install postgresql")?.1)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_its_user(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

pub(super) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

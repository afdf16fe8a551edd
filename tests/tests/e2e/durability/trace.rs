//! Reading what strace wrote, and the one question asked of it: was a file synced between a write to it and an answer?

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// One system call. Places are line numbers: a call that others interleave with begins and ends on different lines.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) begins: usize,
    /// `None` while it was under way at the end of the trace.
    pub(super) ends: Option<usize>,
    pub(super) name: String,
    /// What the first descriptor stands for: a path, or an address in strace's words.
    pub(super) target: String,
    /// Arguments as strace writes them.
    pub(super) arguments: String,
    pub(super) result: Option<i64>,
}

impl Call {
    pub(super) fn is_write_to(&self, path: &Path) -> bool {
        let writes = ["write", "writev", "pwrite64", "pwritev", "pwritev2"];
        writes.contains(&self.name.as_str()) && Path::new(&self.target) == path
    }

    fn is_completed_sync_of(&self, path: &Path) -> bool {
        // sync_file_range is no promise: it writes neither metadata nor the disk's own cache.
        let syncs = ["fsync", "fdatasync"];
        syncs.contains(&self.name.as_str()) && Path::new(&self.target) == path && self.result == Some(0)
    }

    pub(super) fn is_send_to(&self, protocol: &str) -> bool {
        let sends = ["write", "writev", "sendto", "sendmsg", "sendmmsg"];
        sends.contains(&self.name.as_str()) && self.target.starts_with(protocol)
    }
}

/// An answer left before what it promises was safe.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MissingSync {
    pub(super) file: PathBuf,
    write: usize,
    answer: usize,
}

impl fmt::Display for MissingSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, write, answer } = self;
        let file = file.display();
        write!(
            f,
            "no completed fsync or fdatasync of {file} between its write on line {write} and the answer on line {answer}"
        )
    }
}

/// Calls in the order in which they begin.
pub(super) struct Trace(pub(super) Vec<Call>);

impl Trace {
    /// From the lines of `strace -f -yy -o`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut calls: Vec<Call> = Vec::new();
        let mut under_way: HashMap<&str, usize> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let (pid, rest) = line.trim_start().split_once(' ').with_context(|| format!("line {number}"))?;
            let rest = rest.trim_start();
            if rest.starts_with("---") || rest.starts_with("+++") {
                continue;
            }
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let index =
                    under_way.remove(pid).with_context(|| format!("line {number} resumes nothing"))?;
                let (_, rest) = resumed.split_once(" resumed>").with_context(|| format!("line {number}"))?;
                calls[index].ends = Some(number);
                calls[index].result = result(rest);
                let more = rest.to_owned();
                calls[index].arguments.push_str(&more);
                continue;
            }
            let Some((name, arguments)) = rest.split_once('(') else {
                bail!("line {number}: {}", short(rest))
            };
            let unfinished = arguments.ends_with("<unfinished ...>");
            if unfinished {
                under_way.insert(pid, calls.len());
            }
            calls.push(Call {
                begins: number,
                ends: (!unfinished).then_some(number),
                name: name.to_owned(),
                target: target(arguments).to_owned(),
                result: if unfinished { None } else { result(arguments) },
                arguments: arguments.to_owned(),
            });
        }
        Ok(Self(calls))
    }

    /// The last write to a file that begins before a line.
    pub(super) fn last_write(&self, file: &Path, before: usize) -> Option<&Call> {
        self.0.iter().rev().find(|call| call.begins < before && call.is_write_to(file))
    }

    /// Whether the file was synced after the write and before the answer: begun after the one ended, ended before the
    /// other began.
    pub(super) fn check_sync(&self, file: &Path, write: &Call, answer: &Call) -> Result<(), MissingSync> {
        let missing = || MissingSync { file: file.to_owned(), write: write.begins, answer: answer.begins };
        let written = write.ends.ok_or_else(missing)?;
        let synced = self.0.iter().any(|call| {
            let between = call.begins > written && call.ends.is_some_and(|ends| ends < answer.begins);
            between && call.is_completed_sync_of(file)
        });
        if synced { Ok(()) } else { Err(missing()) }
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// `7</data/db>` or `6<TCP:[127.0.0.1:1->127.0.0.1:2]>`: what stands between the angle brackets.
fn target(arguments: &str) -> &str {
    let rest = arguments.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(rest) = rest.strip_prefix('<') else { return "" };
    let end = match rest.find(['[', '>']) {
        Some(at) if rest[at..].starts_with('[') => rest.find("]>").map(|at| at + 1),
        other => other,
    };
    end.map_or("", |end| &rest[..end])
}

fn result(text: &str) -> Option<i64> {
    let (_, result) = text.rsplit_once(" = ")?;
    result.split_whitespace().next()?.parse().ok()
}

const EXAMPLE: &str = r#"10 pwrite64(5</data/db>, "a\0> b) = 3", 9, 0) = 9
11 fdatasync(5</data/db> <unfinished ...>
10 sendto(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, "early", 5, 0, NULL, 0) = 5
11 <... fdatasync resumed>)         = 0
10 sendto(8<TCP:[127.0.0.1:1->127.0.0.1:2]>, "late", 4, 0, NULL, 0) = 4
11 fdatasync(6</data/other>) = 0
10 --- SIGTERM {si_signo=SIGTERM} ---
"#;

#[test]
fn a_sync_counts_only_when_it_has_ended_before_the_answer() {
    let trace = Trace::parse(EXAMPLE).unwrap();
    let db = Path::new("/data/db");
    let write = trace.last_write(db, usize::MAX).unwrap();
    let [early, late] = [2, 3].map(|index| &trace.0[index]);
    assert!(early.is_send_to("TCP:") && late.is_send_to("TCP:"));
    assert_eq!(late.target, "TCP:[127.0.0.1:1->127.0.0.1:2]");
    assert_eq!((write.result, early.result), (Some(9), Some(5)));
    let missing = trace.check_sync(db, write, early).unwrap_err();
    assert_eq!(missing, MissingSync { file: db.to_owned(), write: 1, answer: 3 });
    trace.check_sync(db, write, late).unwrap();
}

#[test]
fn a_sync_of_another_file_or_one_that_failed_does_not_count() {
    for text in [
        EXAMPLE.replace("fdatasync(5</data/db>", "fdatasync(5</data/x>"),
        EXAMPLE.replace(")         = 0", ") = -1 EIO"),
    ] {
        let trace = Trace::parse(&text).unwrap();
        let write = trace.last_write(Path::new("/data/db"), usize::MAX).unwrap();
        trace.check_sync(Path::new("/data/db"), write, &trace.0[3]).unwrap_err();
    }
}

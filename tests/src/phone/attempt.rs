//! `phone try`: does what a fault in a library might be made to do, in a process that is confined as a phone is.

use std::fs::{self, OpenOptions};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Command;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::cli::Act;

/// Ends well if it was possible. The error is the system's.
pub(super) fn attempt(act: &Act) -> anyhow::Result<()> {
    match act {
        Act::Read { path } => println!("read {} bytes", fs::read(path)?.len()),
        Act::Write { path } => {
            OpenOptions::new().write(true).create_new(true).open(path)?;
            fs::remove_file(path)?;
            println!("written");
        }
        Act::List { path } => println!("listed {}", fs::read_dir(path)?.count()),
        Act::Run { path } => println!("ran: {}", Command::new(path).status()?),
        Act::Signal { id } => {
            let id = Pid::from_raw(*id).context("a process id")?;
            kill_process(id, Signal::CONT)?;
            println!("signalled");
        }
        Act::Socket { name } => {
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
            println!("connected");
        }
    }
    Ok(())
}

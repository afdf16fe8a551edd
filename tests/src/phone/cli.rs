//! The phone's command line.

use std::io::{BufRead, Read};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use shared::ids::DocumentId;
use zeroize::Zeroizing;

/// A phone without a face, for tests and demonstrations.
#[derive(Parser)]
#[command(name = "phone", version)]
pub struct Cli {
    /// The phone's folder: new or empty at enrolment.
    #[arg(long)]
    pub home: PathBuf,
    /// Keep the access to all files: the control of a test.
    #[arg(long, hide = true)]
    pub unconfined: bool,
    /// Keep a way to search the own memory, for `scan`.
    #[arg(long, hide = true)]
    pub scannable: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: PhoneCommand,
}

/// What a phone can do.
#[derive(Subcommand)]
pub enum PhoneCommand {
    /// Enrol with the code from the letter, and set a PIN.
    Enrol(EnrolArguments),
    /// Open the vault; without a running phone, only to see that it opens.
    Unlock {
        /// The PIN.
        #[command(flatten)]
        pin: RequiredPin,
    },
    /// Put a new PIN in the place of the old one.
    ChangePin {
        /// The PIN that holds now.
        #[command(flatten)]
        pin: RequiredPin,
        /// The new PIN.
        #[arg(long)]
        new_pin: String,
    },
    /// Ask for a code that enrols another device of the same person.
    SecondDevice {
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// Close the vault of a running phone.
    Lock,
    /// Store a file.
    Put {
        /// Its name in the vault.
        name: String,
        /// Where it is now.
        file: PathBuf,
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// Write a file to standard output.
    Get {
        /// Its name in the vault.
        name: String,
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// Remove a file.
    Rm {
        /// Its name in the vault.
        name: String,
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// List the files.
    Ls {
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// List the documents of the organisation, there or coming.
    Documents {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// Write a document to standard output.
    Document {
        /// Its id.
        id: DocumentId,
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// List the notes and photos, and whether the server has them.
    Notes {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Without a running phone.
        #[command(flatten)]
        pin: OptionalPin,
    },
    /// Read everything in the vault and name what is damaged; nothing is changed.
    Check {
        /// The PIN.
        #[command(flatten)]
        pin: RequiredPin,
    },
    /// Open a damaged vault: what is whole is kept, what is lost is named.
    Repair {
        /// The PIN.
        #[command(flatten)]
        pin: RequiredPin,
    },
    /// Put an empty vault in the place of one that cannot be repaired.
    StartOver {
        /// The PIN.
        #[command(flatten)]
        pin: RequiredPin,
        /// Nothing is started over without it: what was not sent to the server is lost.
        #[arg(long, required = true)]
        lose_what_was_not_sent: bool,
    },
    /// Say how the phone stands.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stay connected, obey commands, and serve the other commands.
    Run,
    /// Connect once: obey commands, send a receipt that is owed.
    Sync,
    /// Try what a confined process should not be able to do, and say how it ended.
    #[command(hide = true)]
    Try {
        /// What.
        #[command(subcommand)]
        act: Act,
    },
    /// Have a running phone panic while it does something, and go on.
    #[command(hide = true)]
    Panic,
    /// Search the memory of a running phone, which has to be scannable, for secrets in two halves.
    #[command(hide = true)]
    Scan {
        /// Put the secrets together meanwhile, so that they are found: the control of a test.
        #[arg(long)]
        planted: bool,
        /// Two halves in hexadecimal digits, with a colon between them; the secret is their XOR.
        needles: Vec<String>,
    },
    /// Say which steps of a wipe are done, by looking at the files alone.
    EraseState {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What a program might be made to do.
#[derive(Subcommand)]
pub enum Act {
    /// Read a file.
    Read {
        /// Which.
        path: PathBuf,
    },
    /// Make a file.
    Write {
        /// Which.
        path: PathBuf,
    },
    /// List a folder.
    List {
        /// Which.
        path: PathBuf,
    },
    /// Run a program.
    Run {
        /// Which.
        path: PathBuf,
    },
    /// Stop another process for a moment.
    Signal {
        /// Its id.
        id: i32,
    },
    /// Connect to a socket that has a name and no file.
    Socket {
        /// Its name.
        name: String,
    },
}

/// What `enrol` needs.
#[derive(Args)]
pub struct EnrolArguments {
    /// What the QR code of a letter says, in place of code, server and pins.
    #[arg(long, value_name = "LINK", required_unless_present = "code", conflicts_with_all = ["code", "server", "pins"])]
    pub scanned: Option<String>,
    /// The activation code.
    #[arg(long, requires = "server")]
    pub code: Option<String>,
    /// `host:port` of the server.
    #[arg(long)]
    pub server: Option<String>,
    /// SHA-256 of a server key in hex, from the QR code; may be repeated.
    #[arg(long = "pins", value_name = "HEX")]
    pub pins: Vec<String>,
    /// The PIN to set.
    #[command(flatten)]
    pub pin: RequiredPin,
}

/// A PIN that has to be given.
#[derive(Args)]
pub struct RequiredPin {
    /// The PIN; `-` reads a line from standard input.
    #[arg(long, env = "TBK_PIN", hide_env_values = true)]
    pin: String,
}

/// A PIN that may be given.
#[derive(Args)]
pub struct OptionalPin {
    /// The PIN, where no phone is running; `-` reads a line from standard input.
    #[arg(long, env = "TBK_PIN", hide_env_values = true)]
    pin: Option<String>,
}

impl RequiredPin {
    /// The PIN itself.
    pub(super) fn read(self) -> anyhow::Result<Zeroizing<String>> {
        read(self.pin)
    }
}

impl OptionalPin {
    /// The PIN itself, which is needed after all.
    pub(super) fn read(self) -> anyhow::Result<Zeroizing<String>> {
        match self.pin {
            Some(pin) => read(pin),
            None => bail!("no phone is running in this home: give --pin, or start `phone run` and unlock"),
        }
    }
}

/// No PIN with its line end is longer: read without growing, so that no copy is left behind.
const MAX_PIN_LINE: u64 = 256;

fn read(given: String) -> anyhow::Result<Zeroizing<String>> {
    let given = Zeroizing::new(given);
    if *given != "-" {
        return Ok(given);
    }
    let mut line = Zeroizing::new(String::with_capacity(MAX_PIN_LINE as usize));
    std::io::stdin()
        .lock()
        .take(MAX_PIN_LINE)
        .read_line(&mut line)
        .context("cannot read the PIN from standard input")?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

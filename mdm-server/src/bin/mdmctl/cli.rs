//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use shared::ids::{BatchId, DocumentId, EnrolmentId};

/// Manages a Tamatebako MDM server.
#[derive(Debug, Parser)]
#[command(name = "mdmctl", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The server, like `https://mdm.example.lg.jp:8443`.
    #[arg(long, env = "MDM_SERVER", value_name = "URL", global = true)]
    pub(crate) server: Option<String>,
    /// The file with your API token.
    #[arg(long, env = "MDM_TOKEN", value_name = "FILE", global = true)]
    pub(crate) token: Option<PathBuf>,
    /// The certificate of the server's authority, PEM.
    #[arg(long, env = "MDM_CA", value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Staff files: upload, look at the plan, apply it.
    #[command(subcommand)]
    Batch(Batch),
    /// Activation codes for letters.
    #[command(subcommand)]
    Codes(Codes),
    /// Look people up.
    #[command(subcommand)]
    Accounts(Accounts),
    /// The pool of seats, and taking seats back.
    #[command(subcommand)]
    Licenses(Licenses),
    /// Who waits for a seat.
    #[command(subcommand)]
    Waitlist(Waitlist),
    /// What columns of a source's files are, where their headers do not say it.
    #[command(subcommand)]
    Columns(Columns),
    /// What stands for private-use characters (gaiji) of names where they are shown and printed.
    #[command(subcommand)]
    Substitutes(Substitutes),
    /// Devices: block, unblock, wipe.
    #[command(subcommand)]
    Devices(Devices),
    /// Documents for staff to read: publish, unpublish, list.
    #[command(subcommand)]
    Documents(Documents),
    /// Operators: who may use console and API.
    #[command(subcommand)]
    Operators(Operators),
    /// The audit journal.
    #[command(subcommand)]
    Audit(Audit),
    /// The server itself: whether it is in quarantine, why, and the way out.
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All of the source: who is absent leaves.
    Roster,
    /// Some of the source: nobody leaves.
    Upsert,
    /// Those who leave: a staff number is enough, and names, if there are any, must be the known ones.
    Remove,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Batch {
    /// Upload a staff file. Nothing changes until it is applied.
    Upload {
        /// CSV in UTF-8, CP932 or UTF-16, or an Excel workbook (.xlsx).
        file: PathBuf,
        /// The personnel authority or list that the file is.
        #[arg(long, value_name = "NAME")]
        source: String,
        /// How the file is compared.
        #[arg(long, value_enum, default_value = "roster")]
        mode: Mode,
        /// Overrule the encoding that would be found: utf-8, utf-8-bom, cp932, utf-16.
        #[arg(long)]
        encoding: Option<String>,
        /// Overrule the delimiter that would be found: comma, tab, semicolon.
        #[arg(long)]
        delimiter: Option<String>,
        /// What a column is, by its header: staff-number, name and so on, or ignored, like 個人番号=staff-number. May be given
        /// several times; it is remembered for the next file of the source.
        #[arg(long = "column", value_name = "HEADER=IS")]
        columns: Vec<String>,
        /// Put zeros back in front of staff numbers of digits only, up to this length.
        #[arg(long, value_name = "DIGITS", value_parser = clap::value_parser!(u8).range(1..=20))]
        pad_numbers_to: Option<u8>,
        /// When it is to take effect: day and time of day in the organisation's zone, like 2027-04-01T00:00.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// The last day of everybody in the file, who get temporary accounts that end by themselves after it, like 2027-09-30.
        #[arg(long, value_name = "DAY")]
        temporary_until: Option<String>,
    },
    /// Show what a batch would do, or did.
    Show {
        /// The batch.
        id: BatchId,
        /// Show unchanged people too.
        #[arg(long)]
        all: bool,
    },
    /// Show what a plan says differently than an older one of the same source.
    Compare {
        /// The older batch.
        older: BatchId,
        /// The newer one.
        newer: BatchId,
    },
    /// Write the rejected rows into a file, as the upload was written, with a column of reasons. Mended it comes back with
    /// `batch mend`; once the batch is in force it is uploaded with --mode upsert.
    Rejected {
        /// The batch.
        id: BatchId,
        /// The file, which is made.
        file: PathBuf,
        /// The language of the reasons: ja, en.
        #[arg(long, default_value = "ja")]
        language: String,
    },
    /// Bring mended rows back into the plan that rejected them: a plan of the whole takes its place.
    Mend {
        /// The batch that rejected them.
        id: BatchId,
        /// The file of rejected rows, mended.
        file: PathBuf,
        /// Overrule the encoding that would be found: utf-8, utf-8-bom, cp932, utf-16.
        #[arg(long)]
        encoding: Option<String>,
    },
    /// Say of rejected rows that are possibly about another person who they are: a plan with that takes the place of this one.
    Decide {
        /// The batch that rejected them.
        id: BatchId,
        /// A row that is about the person who is known by its number. May be given more than once.
        #[arg(long, value_name = "ROW", required_unless_present = "another")]
        same: Vec<u32>,
        /// A row that is about another person, who has the number now: the one who had it leaves. May be given more than once.
        #[arg(long, value_name = "ROW")]
        another: Vec<u32>,
    },
    /// Approve a plan that somebody else uploaded.
    Approve {
        /// The batch.
        id: BatchId,
        /// The plan that you have looked at, as `mdmctl batch show` names it.
        #[arg(long, value_name = "DIGEST")]
        plan: String,
        /// How many leave: asked for where many do.
        #[arg(long, value_name = "NUMBER")]
        leavers: Option<u32>,
        /// Approve your own plan, since nobody else can be had in time.
        #[arg(long, value_name = "REASON")]
        emergency: Option<String>,
    },
    /// Set when a batch takes effect, or change it.
    Schedule {
        /// The batch.
        id: BatchId,
        /// Day and time of day in the organisation's zone, like 2027-04-01T00:00.
        #[arg(long, value_name = "TIME")]
        at: String,
        /// How many leave: asked for where many do.
        #[arg(long, value_name = "NUMBER")]
        leavers: Option<u32>,
    },
    /// Apply a batch at once.
    Apply {
        /// The batch.
        id: BatchId,
        /// How many leave: asked for where many do.
        #[arg(long, value_name = "NUMBER")]
        leavers: Option<u32>,
    },
    /// Cancel a batch before it takes effect.
    Cancel {
        /// The batch.
        id: BatchId,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Activation codes of a batch by mail.
    #[command(subcommand)]
    Mail(BatchMail),
    /// Take note of an emergency approval.
    Acknowledge {
        /// The batch.
        id: BatchId,
    },
    /// Plan what takes back an applied batch, within 14 days. Nothing changes until that plan is applied.
    Undo {
        /// The batch.
        id: BatchId,
        /// Only for people with these staff numbers.
        #[arg(long, value_name = "STAFF_NUMBER", num_args = 1..)]
        only: Vec<String>,
        /// Only for people who belonged to this department before the batch, or by it.
        #[arg(long, value_name = "NAME")]
        department: Vec<String>,
    },
}

/// A person.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Staff number or account id.
    pub(crate) account: String,
    /// The source, where several have that staff number.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
}

/// Activation codes by mail.
#[derive(Debug, Subcommand)]
pub(crate) enum BatchMail {
    /// Send a mail to everybody of the batch who has a code and an address, or only to some. Who has had one gets no second; who
    /// could not be reached is tried again. Whoever reads somebody's mailbox reads their code.
    Send {
        /// The batch.
        id: BatchId,
        /// Only these staff numbers.
        #[arg(long, value_name = "STAFF_NUMBER", value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Call off what waits: everything, or only to some. What was sent cannot be taken back.
    Cancel {
        /// The batch.
        id: BatchId,
        /// Only these staff numbers.
        #[arg(long, value_name = "STAFF_NUMBER", value_delimiter = ',')]
        only: Vec<String>,
    },
    /// What became of it, person by person.
    List {
        /// The batch.
        id: BatchId,
        /// Only whom a mail did not reach.
        #[arg(long)]
        failed: bool,
    },
}

/// How many letters a page has.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Layout {
    /// One.
    One,
    /// Ten, to be cut apart.
    Ten,
}

/// What letters are written in.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Codes {
    /// Write all codes that can be used, as CSV; with --json as JSON.
    Export {
        /// Where to; standard output if absent.
        file: Option<PathBuf>,
    },
    /// Write letters as PDF, by department, each department behind its receipt list.
    Letters {
        /// Only people of this batch.
        #[arg(long, value_name = "ID", conflicts_with = "all", required_unless_present = "all")]
        batch: Option<BatchId>,
        /// Everybody who has a code that can be used.
        #[arg(long)]
        all: bool,
        /// How many letters a page has.
        #[arg(long, value_enum, default_value = "one")]
        layout: Layout,
        /// What they are written in.
        #[arg(long, value_enum, default_value = "ja")]
        language: Language,
        /// Print something else for characters that the font lacks, and list whom it concerns on the first page.
        #[arg(long)]
        substitutes: bool,
        /// Where to.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Issue another code for a person; earlier ones are dead.
    Reissue(Who),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Accounts {
    /// List accounts.
    List {
        /// Only those whose staff number begins so or whose name or kana has it; blanks and width do not matter.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those of this source.
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
    },
    /// Show one account with codes and devices.
    Show(Who),
    /// Note leave (休職・育休), whose days do not count as unused; the same first day again sets another end.
    Absence {
        #[command(flatten)]
        who: Who,
        /// The first day, like 2027-05-01.
        #[arg(long, value_name = "DAY")]
        from: jiff::civil::Date,
        /// The last day, once it is known.
        #[arg(long, value_name = "DAY")]
        until: Option<jiff::civil::Date>,
        /// Remove the one that begins on that day instead: it was noted by mistake.
        #[arg(long, conflicts_with = "until")]
        remove: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Licenses {
    /// Show the pool.
    Status,
    /// Change the pool.
    #[command(subcommand)]
    Pool(Pool),
    /// Take seats back and give them to who waits.
    Reclaim {
        /// From accounts that did not sign in within so many days.
        #[arg(long, value_name = "DAYS", required_unless_present_any = ["no_sign_in", "term_ended"])]
        never_signed_in: Option<u16>,
        /// From accounts that have signed in, but on no device for so many days.
        #[arg(long, value_name = "DAYS", conflicts_with = "never_signed_in")]
        no_sign_in: Option<u16>,
        /// From accounts whose term (任期満了日) ended at least so many days ago.
        #[arg(long, value_name = "DAYS", conflicts_with_all = ["never_signed_in", "no_sign_in"])]
        term_ended: Option<u16>,
        /// No more than so many, longest unused first.
        #[arg(long, value_name = "SEATS")]
        at_most: Option<u32>,
        /// Give so many days of notice before the seats serve nobody.
        #[arg(long, value_name = "DAYS", default_value_t = 0)]
        notice: u16,
        /// Keep them so many days from then, to be restored, before they are taken.
        #[arg(long, value_name = "DAYS", default_value_t = 0)]
        grace: u16,
        /// Only show which they would be.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show whose term (任期満了日) ends, and what a new file says of them.
    Ending {
        /// The last day that is looked at; the end of the fiscal year if absent.
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
    },
    /// Show what plans that are not in force will need.
    Needs,
    /// Show how the seats were used, day by day.
    Use {
        /// The first day, like 2027-04-01; the oldest that is kept if absent.
        #[arg(long, value_name = "DAY")]
        from: Option<jiff::civil::Date>,
        /// The last day; the newest there is if absent.
        #[arg(long, value_name = "DAY")]
        to: Option<jiff::civil::Date>,
    },
    /// Show the seats of which notice was given.
    Noticed,
    /// Do not take back a seat of which notice was given, and unblock its devices.
    Restore {
        /// An account's id or staff number.
        account: String,
        /// The source, where the staff number occurs in several.
        #[arg(long)]
        source: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pool {
    /// Set how many seats there are.
    Set {
        /// How many.
        seats: u32,
        /// How many of them are held back for temporary accounts; as before if absent.
        #[arg(long, value_name = "SEATS")]
        reserve: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Waitlist {
    /// Ask for a seat for a person.
    Add(Who),
    /// Show who waits, in order.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Columns {
    /// List what is remembered.
    List,
    /// Say what a column is from the next file on.
    Set {
        /// Its header.
        header: String,
        /// staff-number, name and so on, or ignored.
        is: String,
        /// The personnel authority or list whose files have it.
        #[arg(long, value_name = "NAME")]
        source: String,
    },
    /// Forget what was said of a column.
    Forget {
        /// Its header.
        header: String,
        /// The personnel authority or list whose files have it.
        #[arg(long, value_name = "NAME")]
        source: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Substitutes {
    /// List them.
    List,
    /// Say what stands for a character.
    Set {
        /// The character's code point, like U+E000.
        code_point: String,
        /// 1 to 4 characters.
        text: String,
        /// The personnel authority or list whose character it is.
        #[arg(long, value_name = "NAME")]
        source: String,
    },
    /// Let nothing stand for a character any more.
    Remove {
        /// The character's code point, like U+E000.
        code_point: String,
        /// The personnel authority or list whose character it is.
        #[arg(long, value_name = "NAME")]
        source: String,
    },
}

/// An order to a device.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// The device.
    pub(crate) id: EnrolmentId,
    /// Why, for the audit journal.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Devices {
    /// List devices.
    List,
    /// Show one device.
    Show {
        /// The device.
        id: EnrolmentId,
    },
    /// 利用停止: withhold the server's help, reversibly.
    Block(Order),
    /// 停止解除.
    Unblock(Order),
    /// 遠隔消去: destroy the keys, for ever.
    Wipe(Order),
    /// Give back all unlock attempts. The PIN stays: it is known to its owner or to nobody.
    ResetAttempts(Order),
}

/// A document that comes in.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("audience").required(true).args(["organisation", "department", "person"])))]
pub(crate) struct Publish {
    /// The file.
    pub(crate) file: PathBuf,
    /// Its title; the file's name without its ending if absent.
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Where it stands: names with / between them.
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) folder: String,
    /// 機密性: 1, 2 or 3.
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) level: u8,
    /// What it is, like application/pdf; found by the file's ending if absent.
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
    /// For everybody.
    #[arg(long)]
    pub(crate) organisation: bool,
    /// For a department and what is below it, as the staff file writes it; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) department: Vec<String>,
    /// For a person: staff number or account id; may be given several times.
    #[arg(long, value_name = "PERSON")]
    pub(crate) person: Vec<String>,
    /// The source of departments or staff numbers, where several have them.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// お知らせ: shown before documents on phones, and marked until it was read. The file is plain text in UTF-8.
    #[arg(long)]
    pub(crate) notice: bool,
    /// Publish it as a newer version of this document.
    #[arg(long, value_name = "DOCUMENT")]
    pub(crate) replace: Option<DocumentId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Documents {
    /// List what is published.
    List,
    /// Publish a file.
    Publish(Publish),
    /// Take a document back; its contents are removed from the server.
    Unpublish {
        /// The document.
        id: DocumentId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArgument {
    /// Everything.
    Owner,
    /// Batches, licenses, codes, devices.
    Operator,
    /// Looks up people and blocks devices.
    Helpdesk,
    /// Reads everything, changes nothing.
    Auditor,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operators {
    /// List operators.
    List,
    /// Invite somebody: prints a link, good once and for 24 hours.
    Invite {
        /// The sign-in name.
        name: String,
        /// What they may do.
        #[arg(long, value_enum)]
        role: RoleArgument,
    },
    /// Invite an operator anew who lost phone or password; what they had is void at once.
    Reinvite {
        /// The operator's name or id.
        operator: String,
    },
    /// Give another role.
    Role {
        /// The operator's name or id.
        operator: String,
        /// What they may do.
        #[arg(value_enum)]
        role: RoleArgument,
    },
    /// Name a deputy, who approves plans of others for a time; or end that.
    #[command(group = ArgGroup::new("what").required(true).args(["from", "end"]))]
    Deputy {
        /// The operator's name or id.
        operator: String,
        /// From when: day and time of day in the organisation's zone, like 2027-03-25T09:00.
        #[arg(long, value_name = "TIME", requires = "until")]
        from: Option<String>,
        /// Until when.
        #[arg(long, value_name = "TIME", requires = "from")]
        until: Option<String>,
        /// End it now.
        #[arg(long)]
        end: bool,
    },
    /// Stop an operator's sessions, sign-in and token at once.
    Disable {
        /// The operator's name or id.
        operator: String,
    },
    /// Let a disabled operator in again.
    Enable {
        /// The operator's name or id.
        operator: String,
    },
    /// Make an API token and print it; an earlier one is void.
    Token {
        /// The operator's name or id.
        operator: String,
        /// Take the token away instead.
        #[arg(long)]
        revoke: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Write the whole journal and its signed checkpoint as JSON Lines.
    Export {
        /// Where to. It holds names and reasons.
        file: PathBuf,
    },
    /// Verify an exported journal. Needs no server.
    Verify {
        /// What `audit export` wrote.
        file: PathBuf,
        /// The checkpoint key: SHA-256 fingerprint in hexadecimal, or its SubjectPublicKeyInfo in base64.
        #[arg(long, value_name = "FINGERPRINT|SPKI")]
        key: Option<String>,
        /// A head of the journal that you know from elsewhere.
        #[arg(long, value_name = "SEQ:HASH")]
        at_least: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn connection_and_json_may_stand_anywhere() {
        let cli = Cli::try_parse_from([
            "mdmctl",
            "devices",
            "list",
            "--json",
            "--server",
            "https://s",
            "--token",
            "t",
            "--ca",
            "c",
        ]);
        let cli = cli.unwrap();
        assert!(cli.json);
        assert_eq!(cli.connection.server.as_deref(), Some("https://s"));
    }

    #[test]
    fn a_wipe_without_a_reason_is_not_understood() {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert!(Cli::try_parse_from(["mdmctl", "devices", "wipe", id]).is_err());
        assert!(Cli::try_parse_from(["mdmctl", "devices", "wipe", id, "--reason", "lost"]).is_ok());
        assert!(Cli::try_parse_from(["mdmctl", "devices", "wipe", "phone", "--reason", "lost"]).is_err());
    }

    #[test]
    fn a_document_is_for_somebody_and_in_one_way() {
        let parse = |more: &[&str]| {
            let all = [&["mdmctl", "documents", "publish", "a.pdf", "--level", "2"], more].concat();
            Cli::try_parse_from(all)
        };
        assert!(parse(&[]).is_err());
        assert!(parse(&["--organisation"]).is_ok());
        assert!(parse(&["--department", "税務課", "--department", "福祉課"]).is_ok());
        assert!(parse(&["--department", "税務課", "--person", "001"]).is_err());
        assert!(parse(&["--organisation", "--level", "4"]).is_err());
    }
}

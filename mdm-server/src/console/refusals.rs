//! Why something was not done, in the viewer's language: what happened, what is safe, what to do. Each reason of
//! [`crate::use_cases::UseCaseError`] has words of its own; a new one does not compile before it has them.

use mdm_core::absence::AbsenceError;
use mdm_core::account::{InvalidStaffNumber, SourceName};
use mdm_core::apply::ApplyError;
use mdm_core::approval::ApprovalError;
use mdm_core::assignment::TooManyHeaders;
use mdm_core::batch::{NotNow, StateWord};
use mdm_core::command::CommandError;
use mdm_core::document::{
    AudienceError, DocumentError, MAX_DEPARTMENTS, MAX_NOTICE, MAX_PERSONS, MAX_PUBLISHED,
};
use mdm_core::identity::MAX_DECIDED;
use mdm_core::operator::rules::MAX_DEPUTY_DAYS;
use mdm_core::operator::{InvalidOperatorName, OperatorError};
use mdm_core::plan::WrongList;
use mdm_core::plan::mend::MendError;
use mdm_core::quarantine::LeaveError;
use mdm_core::seats::{NotLoaded, ReissueError, SeatError};
use mdm_core::sheet::MAX_ASSIGNED;
use mdm_core::substitute::{MAX_CHANGES, MAX_CHARACTERS, MAX_ENTRIES, SubstituteError};
use mdm_core::undo::UndoError;
use mdm_store::{CommitError, ReadError, UnlockRecordsError};
use shared::cose::SignError;

use super::page::{grouped, time_in_text};
use super::words::{FluentValue, Language};
use crate::documents::ContentError;
use crate::use_cases::letters::LostText;
use crate::use_cases::statement::office_zone;
use crate::use_cases::{Missing, Refusal, UseCaseError};

/// A text that is chosen and not yet said.
struct Said {
    key: &'static str,
    values: Vec<(&'static str, FluentValue<'static>)>,
}

impl From<&'static str> for Said {
    fn from(key: &'static str) -> Self {
        Self { key, values: Vec::new() }
    }
}

impl Said {
    fn with(mut self, name: &'static str, value: impl Into<FluentValue<'static>>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

/// The reason in words.
pub(super) fn text(language: Language, error: &UseCaseError) -> String {
    let said = match error {
        UseCaseError::NotFound(missing) => not_found(missing),
        UseCaseError::Refused(refusal) => refused(language, refusal),
        UseCaseError::Read(error) => read(error),
        UseCaseError::Commit(error) => commit(error),
        UseCaseError::UnlockRecords { done, cause } => return key_file(language, done, cause),
        UseCaseError::Contents(error) => contents(error),
        UseCaseError::Sign(error) => sign(error),
    };
    language.say(said.key, &said.values)
}

/// People who are named at most.
const NAMED: usize = 20;

fn names_of(language: Language, people: &[LostText]) -> String {
    let names: Vec<&str> = people.iter().take(NAMED).map(|person| person.name.as_str()).collect();
    let more = if people.len() > NAMED { " …" } else { "" };
    names.join(comma(language)) + more
}

fn not_found(missing: &Missing) -> Said {
    match missing {
        Missing::Account(_) => "refusals-account".into(),
        Missing::StaffNumberInSource { source_name, number } => Said::from("refusals-number-in-source")
            .with("source", source_name.to_string())
            .with("number", number.to_string()),
        Missing::StaffNumber(number) => Said::from("refusals-number").with("number", number.to_string()),
        Missing::Device(_) => "refusals-device".into(),
        Missing::Batch(_) => "refusals-batch".into(),
        Missing::RejectedRows(_) => "refusals-rejected-rows".into(),
        Missing::PlanPart { .. } => "refusals-plan-part".into(),
        Missing::InBatch(name) => Said::from("refusals-not-in-batch").with("name", name.clone()),
        Missing::Operator(name) => Said::from("refusals-operator").with("name", name.clone()),
        Missing::Document(_) => "refusals-document".into(),
        Missing::Department(name) => Said::from("refusals-department").with("name", name.clone()),
        Missing::Command(_) => "refusals-wipe-command".into(),
    }
}

fn refused(language: Language, refusal: &Refusal) -> Said {
    match refusal {
        Refusal::StaffNumber(InvalidStaffNumber) => "refusals-number-form".into(),
        Refusal::SeveralSources { number, sources } => Said::from("refusals-several-sources")
            .with("number", number.to_string())
            .with("sources", listed(language, sources)),
        Refusal::Command(error) => command(error),
        Refusal::Seat(error) => seat(*error),
        Refusal::Apply(error) => apply(language, error),
        Refusal::Undo(error) => undo(language, error),
        Refusal::NothingToUndo => "refusals-nothing-to-undo".into(),
        Refusal::Approval(error) => approval(error),
        Refusal::Mend(error) => mend(error),
        Refusal::LinesDeleted => "refusals-lines-deleted".into(),
        Refusal::Reissue(ReissueError::NoSeat) => "refusals-code-without-seat".into(),
        Refusal::Reissue(ReissueError::Held) => "refusals-code-of-held-seat".into(),
        Refusal::Absence(AbsenceError::Backwards) => "refusals-absence-backwards".into(),
        Refusal::Absence(AbsenceError::Overlaps(other)) => {
            Said::from("refusals-absence-overlaps").with("day", other.from.to_string())
        }
        Refusal::Absence(AbsenceError::TooMany) => "refusals-absence-too-many".into(),
        Refusal::Absence(AbsenceError::NotThere(day)) => {
            Said::from("refusals-absence-not-there").with("day", day.to_string())
        }
        Refusal::WrongList(WrongList::IsTemporary) => "refusals-list-is-temporary".into(),
        Refusal::WrongList(WrongList::IsOfStaff) => "refusals-list-is-of-staff".into(),
        Refusal::WrongList(WrongList::HasEnded) => "refusals-temporary-is-over".into(),
        Refusal::StepDays => "refusals-step-days".into(),
        Refusal::Reissue(ReissueError::AccountMayNotWork) => "refusals-code-left".into(),
        Refusal::CodeDoesNotOpen(_) => "refusals-code-does-not-open".into(),
        Refusal::CodeGoneAtOnce => "refusals-code-gone".into(),
        Refusal::OperatorName(error) => operator_name(*error),
        Refusal::Operator(error) => operator(error),
        Refusal::Columns(TooManyHeaders) => Said::from("refusals-columns").with("most", MAX_ASSIGNED),
        Refusal::Substitute(error) => substitute(*error),
        Refusal::AuthenticatorDoesNotOpen(name) => {
            Said::from("refusals-authenticator-does-not-open").with("name", name.to_string())
        }
        Refusal::Document(error) => document(error),
        Refusal::LevelNotForPhones => "refusals-level-not-for-phones".into(),
        Refusal::SeveralDepartments(name) => {
            Said::from("refusals-several-departments").with("name", name.clone())
        }
        Refusal::LetterFont(_) => "letters-font".into(),
        Refusal::LettersWouldLose(people) => Said::from("refusals-letters-lose")
            .with("count", people.len())
            .with("names", names_of(language, people)),
        Refusal::NoMail => "refusals-no-mail".into(),
        Refusal::MailBeforeForce => "refusals-mail-before-force".into(),
        Refusal::NoLetters => "refusals-no-letters".into(),
        Refusal::Letters(_) => "refusals-letters".into(),
        Refusal::OtherSource => "refusals-other-source".into(),
        Refusal::Busy => "refusals-busy".into(),
        Refusal::ShuttingDown => "refusals-shutting-down".into(),
        Refusal::Quarantine => "refusals-quarantine".into(),
        Refusal::Leave(LeaveError::NotQuarantined) => "refusals-not-quarantined".into(),
        Refusal::Leave(LeaveError::JournalTooOld { .. }) => "refusals-journal-too-old".into(),
        Refusal::Leave(LeaveError::NobodyHeard { .. }) => "refusals-nobody-heard".into(),
    }
}

fn listed(language: Language, sources: &[SourceName]) -> String {
    sources.iter().map(SourceName::as_str).collect::<Vec<_>>().join(comma(language))
}

fn comma(language: Language) -> &'static str {
    match language {
        Language::Japanese => "、",
        Language::English => ", ",
    }
}

fn command(error: &CommandError) -> Said {
    match error {
        CommandError::AlreadyWiped => "refusals-already-wiped".into(),
        CommandError::Enrolling => "refusals-enrolling".into(),
        CommandError::AlreadyBlocked => "refusals-already-blocked".into(),
        CommandError::NotBlocked => "refusals-not-blocked".into(),
        CommandError::AccountMayNotWork => "refusals-device-of-left".into(),
        CommandError::Reason => "refusals-reason".into(),
        CommandError::Sign(error) => sign(error),
    }
}

fn document(error: &DocumentError) -> Said {
    let most = |key: &'static str, most: usize| Said::from(key).with("most", grouped(most as u64));
    match error {
        DocumentError::Unpublished(_) => "refusals-document-unpublished".into(),
        DocumentError::TooMany => most("refusals-documents-too-many", MAX_PUBLISHED),
        DocumentError::NoticeIsNotText => "refusals-notice-not-text".into(),
        DocumentError::NoticeTooLong => most("refusals-notice-too-long", (MAX_NOTICE / 1024) as usize),
        DocumentError::Audience(AudienceError::Nobody) => "refusals-audience-nobody".into(),
        DocumentError::Audience(AudienceError::TooManyDepartments) => {
            most("refusals-audience-departments", MAX_DEPARTMENTS)
        }
        DocumentError::Audience(AudienceError::TooManyPersons) => {
            most("refusals-audience-persons", MAX_PERSONS)
        }
    }
}

fn contents(error: &ContentError) -> Said {
    let mib = |key: &'static str, bytes: u64| Said::from(key).with("most", grouped(bytes / (1024 * 1024)));
    match error {
        ContentError::TooLarge { largest } => mib("refusals-contents-too-large", *largest),
        ContentError::TooMuch { together } => mib("refusals-contents-too-much", *together),
        ContentError::DiskFull => "refusals-contents-disk-full".into(),
        ContentError::Missing => "refusals-contents-missing".into(),
        ContentError::Damaged => "refusals-contents-damaged".into(),
        ContentError::Io(_) => "refusals-contents-io".into(),
    }
}

fn seat(error: SeatError) -> Said {
    match error {
        SeatError::BelowAssigned { size, assigned, reserved } => Said::from("refusals-pool-too-small")
            .with("size", grouped(size.into()))
            .with("assigned", grouped(assigned.into()))
            .with("reserved", grouped(reserved.into())),
        SeatError::AccountMayNotWork => "refusals-seat-left".into(),
        SeatError::HasSeat => "refusals-has-seat".into(),
        SeatError::NoSeat => "refusals-no-seat".into(),
        SeatError::NoNotice => "refusals-no-notice".into(),
        SeatError::AlreadyWaiting => "refusals-already-waiting".into(),
        SeatError::NotLoaded(error) => not_loaded(error),
    }
}

fn not_loaded(NotLoaded(_): NotLoaded) -> Said {
    "refusals-account".into()
}

fn apply(language: Language, error: &ApplyError) -> Said {
    match error {
        ApplyError::StalePlan { .. } => "refusals-plan-stale".into(),
        ApplyError::AlreadyApplied(at) => {
            Said::from("refusals-plan-applied").with("at", time_in_text(*at, language, office_zone()))
        }
        ApplyError::LostZeros { rows, length: Some(length) } => Said::from("refusals-plan-zeros")
            .with("rows", grouped((*rows).into()))
            .with("length", length.to_string()),
        ApplyError::LostZeros { rows, length: None } => {
            Said::from("refusals-plan-zeros-mend").with("rows", grouped((*rows).into()))
        }
        ApplyError::IncompletePlan { .. } => "refusals-plan-part".into(),
        ApplyError::Undo(error) => undo(language, error),
        ApplyError::NotNow(error) => not_now(*error),
        ApplyError::NotWhatWasApproved => "refusals-plan-altered".into(),
        ApplyError::NotLoaded(error) => not_loaded(*error),
    }
}

fn mend(error: &MendError) -> Said {
    let row = |key: &'static str, row: u32, number: &str| {
        Said::from(key).with("row", grouped(row.into())).with("number", number.to_owned())
    };
    match error {
        MendError::NotNow(error) => not_now(*error),
        MendError::Stale => "refusals-plan-stale".into(),
        MendError::NotHandedBack => "refusals-mend-not-handed-back".into(),
        MendError::LostZeros => "refusals-mend-zeros".into(),
        MendError::NotRejectedRows => "refusals-mend-other-file".into(),
        MendError::Count { file, plan } => Said::from("refusals-mend-count")
            .with("file", grouped((*file).into()))
            .with("plan", grouped((*plan).into())),
        MendError::Gone { row: at, number } => row("refusals-mend-gone", *at, number),
        MendError::Twice { row: at, number } => row("refusals-mend-twice", *at, number),
        MendError::NotAsked { row } => {
            Said::from("refusals-mend-not-asked").with("row", grouped((*row).into()))
        }
        MendError::HeldBack { row } => {
            Said::from("refusals-mend-held-back").with("row", grouped((*row).into()))
        }
        MendError::TooManyDecided => {
            let most = u64::try_from(MAX_DECIDED).unwrap_or(u64::MAX);
            Said::from("refusals-mend-too-many").with("most", grouped(most))
        }
    }
}

fn undo(language: Language, error: &UndoError) -> Said {
    match error {
        UndoError::NotApplied => "refusals-undo-not-applied".into(),
        UndoError::IsAnUndo => "refusals-undo-of-undo".into(),
        UndoError::WindowOver(at) => {
            Said::from("refusals-undo-over").with("at", time_in_text(*at, language, office_zone()))
        }
        UndoError::Incomplete { .. } => "refusals-undo-part".into(),
        UndoError::NotLoaded(error) => not_loaded(*error),
    }
}

fn approval(error: &ApprovalError) -> Said {
    match error {
        ApprovalError::NotNow(error) => not_now(*error),
        ApprovalError::Stale => "refusals-plan-stale".into(),
        ApprovalError::LostZeros { rows, length: Some(length) } => Said::from("refusals-plan-zeros")
            .with("rows", grouped((*rows).into()))
            .with("length", length.to_string()),
        ApprovalError::LostZeros { rows, length: None } => {
            Said::from("refusals-plan-zeros-mend").with("rows", grouped((*rows).into()))
        }
        ApprovalError::UndoHasNoTime => "refusals-undo-no-time".into(),
        ApprovalError::LeaversNotTyped => "refusals-leavers-missing".into(),
        ApprovalError::LeaversDiffer => "refusals-leavers-differ".into(),
        ApprovalError::NeedsApproval => "refusals-needs-approval".into(),
        ApprovalError::OwnPlan => "refusals-own-plan".into(),
        ApprovalError::NoEmergency => "refusals-no-emergency".into(),
        ApprovalError::NotAnApprover => "refusals-not-an-approver".into(),
        ApprovalError::AnotherPlan => "refusals-another-plan".into(),
        ApprovalError::Reason => "refusals-reason".into(),
        ApprovalError::TimeIsPast => "refusals-time-past".into(),
        ApprovalError::TimeIsFar => "refusals-time-far".into(),
        ApprovalError::NothingToAcknowledge => "refusals-nothing-to-acknowledge".into(),
        ApprovalError::OwnEmergency => "refusals-own-emergency".into(),
    }
}

fn not_now(NotNow(word): NotNow) -> Said {
    match word {
        StateWord::Planned | StateWord::Approved | StateWord::Scheduled => "refusals-batch-approved",
        StateWord::Applied => "refusals-batch-applied",
        StateWord::Cancelled => "refusals-batch-cancelled",
        StateWord::Replaced => "refusals-batch-replaced",
    }
    .into()
}

fn operator_name(error: InvalidOperatorName) -> Said {
    match error {
        InvalidOperatorName::Empty => "refusals-operator-name-empty".into(),
        InvalidOperatorName::TooLong => "refusals-operator-name-long".into(),
        InvalidOperatorName::Character(character) => {
            Said::from("refusals-operator-name-character").with("character", character.to_string())
        }
    }
}

fn substitute(error: SubstituteError) -> Said {
    match error {
        SubstituteError::CodePoint(_) => "refusals-substitute-code-point".into(),
        SubstituteError::Text(_) => Said::from("refusals-substitute-text").with("most", MAX_CHARACTERS),
        SubstituteError::TooManyChanges => {
            Said::from("refusals-substitute-changes").with("most", MAX_CHANGES)
        }
        SubstituteError::TooMany => Said::from("refusals-substitutes").with("most", MAX_ENTRIES),
    }
}

fn operator(error: &OperatorError) -> Said {
    match error {
        OperatorError::Unknown(id) => Said::from("refusals-operator").with("name", id.to_string()),
        OperatorError::NameTaken(name) => {
            Said::from("refusals-operator-name-taken").with("name", name.to_string())
        }
        OperatorError::LastOwner => "refusals-last-owner".into(),
        OperatorError::Disabled(name) => {
            Said::from("refusals-operator-disabled").with("name", name.to_string())
        }
        OperatorError::DeputyTime => Said::from("refusals-deputy-time").with("days", MAX_DEPUTY_DAYS),
        OperatorError::NotAnOwner(name) => Said::from("refusals-not-an-owner").with("name", name.to_string()),
    }
}

fn read(error: &ReadError) -> Said {
    match error {
        ReadError::Damaged { .. } => "refusals-damaged".into(),
        ReadError::Io(_) => "refusals-unreadable".into(),
    }
}

fn commit(error: &CommitError) -> Said {
    match error {
        CommitError::Conflict(_) => "refusals-conflict".into(),
        CommitError::Malformed { .. } | CommitError::TooMany { .. } | CommitError::TooLarge { .. } => {
            "refusals-fault".into()
        }
        CommitError::Full(_) => "refusals-disk-full".into(),
        CommitError::Io(_) => "refusals-disk-refused".into(),
        CommitError::Unknown(_) => "refusals-unknown".into(),
        CommitError::Damaged(error) => read(error),
        CommitError::Closed => "refusals-closed".into(),
    }
}

/// `done`, where it says anything, is that a wipe is in force.
fn key_file(language: Language, done: &str, cause: &UnlockRecordsError) -> String {
    let cause = match cause {
        UnlockRecordsError::AlreadySignedIn => "refusals-key-in-use",
        UnlockRecordsError::Missing
        | UnlockRecordsError::NothingPending
        | UnlockRecordsError::OtherEnrolment => "refusals-key-missing",
        UnlockRecordsError::Io(_) => "refusals-key-file",
        UnlockRecordsError::Damaged { .. } => "refusals-key-file-damaged",
        UnlockRecordsError::Closed => "refusals-key-file-closed",
    };
    let cause = language.say(cause, &[]);
    if done.is_empty() {
        cause
    } else {
        language.say("refusals-wiped-not-sealed", &[("cause", cause.into())])
    }
}

fn sign(SignError: &SignError) -> Said {
    "refusals-not-signed".into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mdm_store::IoProblem;

    use super::*;

    fn said(error: impl Into<UseCaseError>) -> [String; 2] {
        let error = error.into();
        Language::ALL.map(|language| text(language, &error))
    }

    fn io() -> IoProblem {
        IoProblem(Arc::from("No space left on device (os error 28)"))
    }

    #[test]
    fn a_full_disk_says_that_nothing_was_changed_and_what_to_do() {
        let [japanese, english] = said(CommitError::Full(io()));
        for part in ["空きがありません。", "何も変更していません。", "空きを増やして"]
        {
            assert!(japanese.contains(part), "{japanese}");
        }
        for part in ["disk is full.", "Nothing was changed.", "Free space"] {
            assert!(english.contains(part), "{english}");
        }
    }

    #[test]
    fn a_wipe_whose_key_is_not_destroyed_yet_is_said_to_be_in_force() {
        let failed = |done| UseCaseError::UnlockRecords { done, cause: UnlockRecordsError::Io(io()) };
        let [japanese, english] = said(failed("the wipe is in force: "));
        assert!(
            japanese.contains("遠隔消去は確定し")
                && japanese.contains("鍵ファイルを読み書きできませんでした"),
            "{japanese}"
        );
        assert!(
            english.contains("The wipe is in force") && english.contains("key file could not be"),
            "{english}"
        );
        assert!(said(failed("")).iter().all(|text| !text.contains("遠隔消去") && !text.contains("wipe")));
    }

    #[test]
    fn values_stand_in_the_text() {
        let sources = vec![SourceName::new("知事部局").unwrap(), SourceName::new("教育委員会").unwrap()];
        let number = mdm_core::account::StaffNumber::new("0012").unwrap();
        let [japanese, english] = said(Refusal::SeveralSources { number, sources });
        assert!(japanese.contains("「0012」") && japanese.contains("知事部局、教育委員会"), "{japanese}");
        assert!(english.contains("0012") && english.contains("知事部局, 教育委員会"), "{english}");
        let [japanese, _] = said(SeatError::BelowAssigned { size: 1_000, assigned: 1_400, reserved: 20 });
        assert!(japanese.contains("1,400席") && japanese.contains("1,000席"), "{japanese}");
    }

    #[test]
    fn no_error_of_the_store_is_shown_as_the_system_words_it() {
        for error in [CommitError::Full(io()), CommitError::Io(io()), CommitError::Unknown(io())] {
            assert!(said(error).iter().all(|text| !text.contains("os error")));
        }
    }
}

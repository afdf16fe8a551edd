//! What the journal says, in words. Names in the journal are for programs and never change; these are for people.

use mdm_core::audit::Happening;
use mdm_core::operator::Role;

use crate::console::words::Language;

macro_rules! happenings {
    ($($group:literal: $($what:ident $key:literal),+;)+) => {
        /// All happenings in groups: the key of the group's name, and what belongs to it.
        pub(super) const GROUPS: &[(&str, &[Happening])] = &[$(($group, &[$(Happening::$what),+])),+];

        fn key(what: Happening) -> &'static str {
            match what {
                $($(Happening::$what => $key,)+)+
            }
        }
    };
}

happenings! {
    "audit-group-people":
        BatchUploaded "audit-what-batch-uploaded",
        BatchRefused "audit-what-batch-refused",
        UploadForgotten "audit-what-upload-forgotten",
        NumberDecided "audit-what-number-decided",
        ColumnsAssigned "audit-what-columns-assigned",
        ColumnsForgotten "audit-what-columns-forgotten",
        SubstituteSet "audit-what-substitute-set",
        SubstituteRemoved "audit-what-substitute-removed",
        BatchApproved "audit-what-batch-approved",
        BatchSelfApproved "audit-what-batch-self-approved",
        SelfApprovalAcknowledged "audit-what-self-approval-acknowledged",
        BatchScheduled "audit-what-batch-scheduled",
        BatchApplied "audit-what-batch-applied",
        UndoPlanned "audit-what-undo-planned",
        BatchHeld "audit-what-batch-held",
        BatchCancelled "audit-what-batch-cancelled",
        BatchReplaced "audit-what-batch-replaced",
        BatchLinesDeleted "audit-what-batch-lines-deleted",
        AccountJoined "audit-what-account-joined",
        AccountChanged "audit-what-account-changed",
        AccountReturned "audit-what-account-returned",
        AccountLeft "audit-what-account-left",
        AccountSignedIn "audit-what-account-signed-in",
        AccountClosed "audit-what-account-closed";
    "audit-group-licenses":
        PoolSet "audit-what-pool-set",
        SeatAssigned "audit-what-seat-assigned",
        SeatReclaimed "audit-what-seat-reclaimed",
        SeatNoticed "audit-what-seat-noticed",
        SeatHeld "audit-what-seat-held",
        SeatNoticeEnded "audit-what-seat-notice-ended",
        SeatRestored "audit-what-seat-restored",
        AbsenceNoted "audit-what-absence-noted",
        AbsenceRemoved "audit-what-absence-removed",
        WaitingAdded "audit-what-waiting-added",
        CodeIssued "audit-what-code-issued",
        CodesExported "audit-what-codes-exported",
        CodeHandedOut "audit-what-code-handed-out",
        CodeMailed "audit-what-code-mailed",
        CodeNotMailed "audit-what-code-not-mailed",
        CodeMailCancelled "audit-what-code-mail-cancelled",
        CodeTried "audit-what-code-tried",
        CodeDied "audit-what-code-died",
        CodeExpired "audit-what-code-expired";
    "audit-group-devices":
        DeviceRegistered "audit-what-device-registered",
        DeviceEnrolled "audit-what-device-enrolled",
        UnlockCharged "audit-what-unlock-charged",
        UnlockGranted "audit-what-unlock-granted",
        UnlockRefused "audit-what-unlock-refused",
        AttemptsExhausted "audit-what-attempts-exhausted",
        AttemptsReset "audit-what-attempts-reset",
        PinProven "audit-what-pin-proven",
        UnlockRecordDestroyed "audit-what-unlock-record-destroyed",
        DeviceBlocked "audit-what-device-blocked",
        DeviceUnblocked "audit-what-device-unblocked",
        DeviceWiped "audit-what-device-wiped",
        DeviceSealed "audit-what-device-sealed",
        DeviceErased "audit-what-device-erased",
        ReceiptAgain "audit-what-receipt-again",
        CopySuspected "audit-what-copy-suspected",
        CertificateRenewed "audit-what-certificate-renewed";
    "audit-group-documents":
        DocumentPublished "audit-what-document-published",
        DocumentReplaced "audit-what-document-replaced",
        DocumentUnpublished "audit-what-document-unpublished",
        DocumentOpened "audit-what-document-opened",
        NoteStored "audit-what-note-stored",
        NoteDeleted "audit-what-note-deleted";
    "audit-group-operators":
        SignedIn "audit-what-signed-in",
        SignInFailed "audit-what-sign-in-failed",
        SignedOut "audit-what-signed-out",
        SecondFactorConfirmed "audit-what-second-factor-confirmed",
        OperatorInvited "audit-what-operator-invited",
        OperatorReady "audit-what-operator-ready",
        OperatorChanged "audit-what-operator-changed",
        OperatorDisabled "audit-what-operator-disabled",
        OperatorEnabled "audit-what-operator-enabled",
        DeputyNamed "audit-what-deputy-named",
        DeputyEnded "audit-what-deputy-ended",
        TokenMade "audit-what-token-made",
        TokenRevoked "audit-what-token-revoked",
        ApiRefused "audit-what-api-refused";
    "audit-group-server":
        ServerInitialised "audit-what-server-initialised",
        ServerStarted "audit-what-server-started",
        JournalExported "audit-what-journal-exported",
        BackupMade "audit-what-backup-made",
        PinsRotated "audit-what-pins-rotated",
        PinsRecovered "audit-what-pins-recovered",
        QuarantineEntered "audit-what-quarantine-entered",
        QuarantineEnded "audit-what-quarantine-ended",
        JournalFollowed "audit-what-journal-followed";
}

/// What happened.
pub(in crate::console) fn what(language: Language, what: Happening) -> String {
    language.say(key(what), &[])
}

/// What a detail is called. One that has no word here says its own name: it is of a newer server.
pub(super) fn fact(language: Language, name: &str) -> String {
    let key = match name {
        "accounted-until" => "audit-fact-accounted-until",
        "act" => "audit-fact-act",
        "after" => "audit-fact-after",
        "again" => "audit-fact-again",
        "audience" => "audit-fact-audience",
        "attempts_not_listed" => "audit-fact-attempts-not-listed",
        "before" => "audit-fact-before",
        "bytes" => "audit-fact-bytes",
        "change" => "audit-fact-change",
        "codes" => "audit-fact-codes",
        "countersigned" => "audit-fact-countersigned",
        "epoch" => "audit-fact-epoch",
        "grace-days" => "audit-fact-grace-days",
        "notice-days" => "audit-fact-notice-days",
        "entries" => "audit-fact-entries",
        "error" => "audit-fact-error",
        "expires-at" => "audit-fact-expires-at",
        "file-sha256" => "audit-fact-file-sha256",
        "filtered" => "audit-fact-filtered",
        "form" => "audit-fact-form",
        "from" => "audit-fact-from",
        "how" => "audit-fact-how",
        "invitation-ended" => "audit-fact-invitation-ended",
        "join" => "audit-fact-join",
        "key-file" => "audit-fact-key-file",
        "key-file-past-its-day" => "audit-fact-key-file-past-its-day",
        "key-files-destroyed" => "audit-fact-key-files-destroyed",
        "key-level" => "audit-fact-key-level",
        "kind" => "audit-fact-kind",
        "known" => "audit-fact-known",
        "known-until" => "audit-fact-known-until",
        "leave" => "audit-fact-leave",
        "may-be-open-until" => "audit-fact-may-be-open-until",
        "level" => "audit-fact-level",
        "move" => "audit-fact-move",
        "named" => "audit-fact-named",
        "note" => "audit-fact-note",
        "opened-known" => "audit-fact-opened-known",
        "opened-says" => "audit-fact-opened-says",
        "operator" => "audit-fact-operator",
        "order" => "audit-fact-order",
        "passed-to" => "audit-fact-passed-to",
        "reason" => "audit-fact-reason",
        "reserved" => "audit-fact-reserved",
        "reserved-before" => "audit-fact-reserved-before",
        "receipt-sha256" => "audit-fact-receipt-sha256",
        "record" => "audit-fact-record",
        "refused" => "audit-fact-refused",
        "rejected" => "audit-fact-rejected",
        "replaces" => "audit-fact-replaces",
        "rescue" => "audit-fact-rescue",
        "return" => "audit-fact-return",
        "role" => "audit-fact-role",
        "role_before" => "audit-fact-role-before",
        "row" => "audit-fact-row",
        "rows" => "audit-fact-rows",
        "seats-assigned" => "audit-fact-seats-assigned",
        "seats-freed" => "audit-fact-seats-freed",
        "seats-kept" => "audit-fact-seats-kept",
        "seen" => "audit-fact-seen",
        "ended-sign-in" => "audit-fact-sign-in-ended",
        "size" => "audit-fact-size",
        "source" => "audit-fact-source",
        "headers" => "audit-fact-headers",
        "attributes" => "audit-fact-attributes",
        "code-point" => "audit-fact-code-point",
        "stands-for-it" => "audit-fact-stands-for-it",
        "tries" => "audit-fact-tries",
        "unchanged" => "audit-fact-unchanged",
        "until" => "audit-fact-until",
        "revision" => "audit-fact-revision",
        "version" => "audit-fact-version",
        "waiting" => "audit-fact-waiting",
        "waits" => "audit-fact-waits",
        "whose" => "audit-fact-whose",
        "why" => "audit-fact-why",
        "wiped" => "audit-fact-wiped",
        "wrong" => "audit-fact-wrong",
        other => return other.to_owned(),
    };
    language.say(key, &[])
}

/// What a value about a person is called.
pub(super) fn personal(language: Language, field: &str) -> String {
    let key = match field {
        "name" => "audit-personal-name",
        "title" => "audit-personal-title",
        "reason" => "audit-personal-reason",
        "file-name" => "audit-personal-file-name",
        "source" => "audit-personal-source",
        other => return other.to_owned(),
    };
    language.say(key, &[])
}

/// A detail's value. Words of the journal are said in the viewer's; numbers, times and digests as they are.
pub(super) fn value(language: Language, name: &str, value: &str) -> String {
    let key = match (name, value) {
        ("filtered" | "again" | "rescue" | "invitation-ended" | "ended-sign-in", "true") => "audit-value-yes",
        ("key-file-past-its-day", "true") => "audit-value-yes",
        ("why", "journal") => "audit-value-journal",
        ("why", "pin-changed") => "audit-value-pin-changed",
        ("why", "device-unknown") => "audit-value-device-unknown",
        ("how", "journal-and-word") => "audit-value-journal-and-word",
        ("filtered" | "again" | "rescue", "false") => "audit-value-no",
        ("why", "restored") => "audit-value-restored",
        ("why", "checkpoint") => "audit-value-checkpoint",
        ("why", "quarantine") => "audit-value-quarantine",
        ("how", "journal") => "audit-value-journal",
        ("how", "confirmed") => "audit-value-confirmed",
        ("form", "page") => "audit-value-page",
        ("form", "json-lines") => "audit-value-json-lines",
        ("form", "csv") => "audit-value-csv",
        ("kind", "move") => "audit-fact-move",
        ("kind", "change") => "audit-fact-change",
        ("kind", "notice") => "audit-value-notice",
        ("kind", "number-passed") => "audit-value-number-passed",
        ("whose", "same") => "audit-value-whose-same",
        ("whose", "another") => "audit-value-whose-another",
        ("audience", "organisation") => "audit-value-organisation",
        ("audience", "departments") => "audit-value-departments",
        ("audience", "persons") => "audit-value-persons",
        ("why", "left") => "audit-value-left",
        ("why", "never-signed-in") => "audit-value-never-signed-in",
        ("why", "dormant") => "audit-value-dormant",
        ("why", "term-ended") => "audit-value-term-ended",
        ("why", "term-extended") => "audit-value-term-extended",
        ("why", "wish-withdrawn") => "audit-value-wish-withdrawn",
        ("why", "signed-in") => "audit-value-signed-in",
        ("why", "code-issued") => "audit-value-code-issued",
        ("why", "released") => "audit-value-released",
        ("role" | "role_before", role) => match Role::ALL.into_iter().find(|known| known.name() == role) {
            Some(Role::Owner) => "common-role-owner",
            Some(Role::Operator) => "common-role-operator",
            Some(Role::Helpdesk) => "common-role-helpdesk",
            Some(Role::Auditor) => "common-role-auditor",
            None => return role.to_owned(),
        },
        _ => return value.to_owned(),
    };
    language.say(key, &[])
}

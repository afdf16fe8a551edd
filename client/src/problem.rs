//! What the screens say of an error: which of their problems it is, and what else they show with it.

use std::error::Error;
use std::io;

use client_agent::{
    AgentError, ChangePinError, ConnectError, EnrolError, ExchangeError, FileTransferError, OpenError,
    UnlockError,
};
use client_core::UnlockRefusal;
use client_ui::Problem;
use shared::wire::RefusalReason;
use vault::{HomeError, VaultError};

/// Why a home does not open.
pub(crate) fn of_open(error: &OpenError) -> Problem {
    match error {
        OpenError::Home(HomeError::InUse(_)) => Problem::BusyElsewhere,
        error => of_disk(error).unwrap_or(Problem::StorageDamaged),
    }
}

/// Why an enrolment did not succeed.
pub(crate) fn of_enrol(error: &EnrolError) -> Problem {
    match error {
        EnrolError::ServerNotProven | EnrolError::KeyNotPinned => Problem::ServerUnproven,
        EnrolError::PinLength { .. } => Problem::PinTooShort,
        EnrolError::AlreadyEnrolled | EnrolError::Wiping => Problem::NotAllowed,
        EnrolError::BegunForAnother => Problem::CodeUsed,
        EnrolError::Opaque(_) => Problem::Unknown,
        EnrolError::Agent(AgentError::Connect(ConnectError::Resolve { .. })) => Problem::AddressInvalid,
        EnrolError::Agent(error) => of_agent(error),
    }
}

/// Whether the address or the code has to be typed again; otherwise the same ones can be tried again.
pub(crate) fn is_of_code_or_address(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::AddressInvalid
            | Problem::CodeInvalid
            | Problem::CodeNotYetValid
            | Problem::CodeExpired
            | Problem::CodeUsed
            | Problem::DeviceLimit
            | Problem::ServerUnproven
            | Problem::NotAllowed
    )
}

/// Why the vault stays closed, and how many tries are left where the answer says.
pub(crate) fn of_unlock(error: &UnlockError) -> (Problem, Option<u16>) {
    match error {
        UnlockError::PinWrong { attempts_left: 0 } => (Problem::NoAttempts, Some(0)),
        UnlockError::PinWrong { attempts_left } => (Problem::WrongPin, Some(*attempts_left)),
        // The lease has ended with its last try: the server's attempts are left.
        UnlockError::PinWrongOffline { tries_left: 0 } => (Problem::Offline, None),
        UnlockError::PinWrongOffline { tries_left } => (Problem::WrongPin, Some(u16::from(*tries_left))),
        UnlockError::Offline => (Problem::Offline, None),
        UnlockError::EnrolAgain => (Problem::EnrolAgain, None),
        UnlockError::Slot(error) => (of_disk(error).unwrap_or(Problem::StorageDamaged), None),
        UnlockError::Opaque(_) => (Problem::Unknown, None),
        UnlockError::Agent(error) => match of_agent(error) {
            Problem::NoAttempts => (Problem::NoAttempts, Some(0)),
            problem => (problem, None),
        },
    }
}

/// Why the PIN is not changed, and how many tries of the old one are left where the answer says.
pub(crate) fn of_change_pin(error: &ChangePinError) -> (Problem, Option<u16>) {
    match error {
        ChangePinError::NotConnected => (Problem::Offline, None),
        ChangePinError::PinWrong { attempts_left: 0 } => (Problem::NoAttempts, Some(0)),
        ChangePinError::PinWrong { attempts_left } => (Problem::WrongPin, Some(*attempts_left)),
        ChangePinError::PinLength { .. } => (Problem::PinTooShort, None),
        ChangePinError::SamePin => (Problem::PinSame, None),
        ChangePinError::Unclear => (Problem::PinUnclear, None),
        ChangePinError::Slot(error) => (of_disk(error).unwrap_or(Problem::StorageDamaged), None),
        ChangePinError::Opaque(_) => (Problem::Unknown, None),
        ChangePinError::Agent(error) => match of_agent(error) {
            Problem::NoAttempts => (Problem::NoAttempts, Some(0)),
            problem => (problem, None),
        },
    }
}

/// Why a file of the vault was not stored or read.
pub(crate) fn of_transfer(error: &FileTransferError) -> Problem {
    match error {
        // The vault is open, so it is this file and not the rest.
        FileTransferError::Agent(AgentError::Vault(VaultError::Damaged(_))) => Problem::ItemDamaged,
        FileTransferError::Agent(error) => of_agent(error),
        error => of_disk(error).unwrap_or(Problem::Unknown),
    }
}

/// Any other error of the agent.
pub(crate) fn of_agent(error: &AgentError) -> Problem {
    match error {
        AgentError::Connect(error) => of_connect(error),
        AgentError::Exchange(ExchangeError::Lost(_) | ExchangeError::Timeout) => Problem::Offline,
        AgentError::Exchange(ExchangeError::Refused(reason)) => of_refusal(*reason),
        AgentError::Exchange(ExchangeError::TooSoon(_)) => of_refusal(RefusalReason::TooManyTries),
        AgentError::Refused(UnlockRefusal::NoLease) => Problem::Offline,
        AgentError::Refused(UnlockRefusal::TooSoon { .. }) => Problem::PinWaits,
        AgentError::Refused(_) | AgentError::Wiped | AgentError::Unenrolled => Problem::NotAllowed,
        AgentError::Vault(VaultError::Damaged(_) | VaultError::Store(_) | VaultError::Io(_))
        | AgentError::File(_)
        | AgentError::Key(_)
        | AgentError::Missing(_) => of_disk(error).unwrap_or(Problem::StorageDamaged),
        error => of_disk(error).unwrap_or(Problem::Unknown),
    }
}

fn of_connect(error: &ConnectError) -> Problem {
    match error {
        ConnectError::Silent(_) => Problem::UdpBlocked,
        ConnectError::WrongServer(_) => Problem::ServerUnproven,
        ConnectError::Resolve { .. } | ConnectError::Offline(_) | ConnectError::Failed { .. } => {
            Problem::Offline
        }
    }
}

fn of_refusal(reason: RefusalReason) -> Problem {
    use RefusalReason as R;
    match reason {
        R::CodeUnknown | R::ProofFailed => Problem::CodeInvalid,
        R::CodeExpired => Problem::CodeExpired,
        R::CodeUsed | R::CodeDead | R::CodeBound => Problem::CodeUsed,
        R::DeviceLimit | R::CodeOutstanding => Problem::DeviceLimit,
        R::AttemptsExhausted => Problem::NoAttempts,
        R::RecordGone => Problem::RecordGone,
        R::Quarantine => Problem::ServerRestored,
        R::PinWrong => Problem::WrongPin,
        R::CodeNotYetValid => Problem::CodeNotYetValid,
        R::Blocked | R::DeviceUnknown | R::NotEnrolled | R::Unavailable | R::TooManyTries | R::NoGrant => {
            Problem::NotAllowed
        }
        // The last two are answers to notes that go up, which no screen waits for.
        R::Malformed | R::Other(_) | R::NoteTooLarge | R::NotesFull => Problem::Unknown,
    }
}

/// What is wrong with the disk, where that is at the bottom of an error.
fn of_disk(error: &(dyn Error + 'static)) -> Option<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                return Some(Problem::StorageFull);
            }
            Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {
                return Some(Problem::StorageReadOnly);
            }
            _ => cause = error.source(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: RefusalReason) -> AgentError {
        ExchangeError::Refused(reason).into()
    }

    #[test]
    fn a_wrong_pin_says_how_many_attempts_are_left() {
        assert_eq!(of_unlock(&UnlockError::PinWrong { attempts_left: 9 }), (Problem::WrongPin, Some(9)));
        assert_eq!(of_unlock(&UnlockError::PinWrong { attempts_left: 0 }), (Problem::NoAttempts, Some(0)));
        let exhausted = UnlockError::Agent(refused(RefusalReason::AttemptsExhausted));
        assert_eq!(of_unlock(&exhausted), (Problem::NoAttempts, Some(0)));
    }

    #[test]
    fn a_pin_that_has_to_wait_is_no_wrong_one() {
        let too_soon = || AgentError::Refused(UnlockRefusal::TooSoon { seconds: 30 });
        assert_eq!(of_unlock(&UnlockError::Agent(too_soon())), (Problem::PinWaits, None));
        assert_eq!(of_change_pin(&ChangePinError::Agent(too_soon())), (Problem::PinWaits, None));
    }

    #[test]
    fn a_restored_server_is_said_to_be_one() {
        let quarantine = UnlockError::Agent(refused(RefusalReason::Quarantine));
        assert_eq!(of_unlock(&quarantine), (Problem::ServerRestored, None));
        let gone = UnlockError::Agent(refused(RefusalReason::RecordGone));
        assert_eq!(of_unlock(&gone), (Problem::RecordGone, None));
    }

    #[test]
    fn a_network_that_swallows_udp_is_told_from_being_offline() {
        let silent = AgentError::Connect(ConnectError::Silent("mdm:4433".to_owned()));
        assert_eq!(of_agent(&silent), Problem::UdpBlocked);
        let offline = AgentError::Connect(ConnectError::Offline("no route".to_owned()));
        assert_eq!(of_agent(&offline), Problem::Offline);
    }

    #[test]
    fn a_full_disk_is_found_under_whatever_reports_it() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let vault = FileTransferError::Agent(VaultError::Io(full()).into());
        assert_eq!(of_transfer(&vault), Problem::StorageFull);
        let file = vault::FileError { action: "write", path: "state".into(), source: full() };
        assert_eq!(of_agent(&AgentError::File(file)), Problem::StorageFull);
        let denied = FileTransferError::Agent(VaultError::Io(io::ErrorKind::PermissionDenied.into()).into());
        assert_eq!(of_transfer(&denied), Problem::StorageReadOnly);
        let other = FileTransferError::Agent(VaultError::Io(io::ErrorKind::TimedOut.into()).into());
        assert_eq!(of_transfer(&other), Problem::StorageDamaged);
    }

    #[test]
    fn damage_to_one_thing_is_told_from_damage_to_all() {
        let damaged = || AgentError::Vault(VaultError::Damaged(vault::Damage::Chunk(3)));
        assert_eq!(of_transfer(&FileTransferError::Agent(damaged())), Problem::ItemDamaged);
        assert_eq!(of_unlock(&UnlockError::Agent(damaged())), (Problem::StorageDamaged, None));
    }

    #[test]
    fn a_change_of_the_pin_says_what_is_left_and_which_holds() {
        let wrong = ChangePinError::PinWrong { attempts_left: 9 };
        assert_eq!(of_change_pin(&wrong), (Problem::WrongPin, Some(9)));
        let exhausted = ChangePinError::Agent(refused(RefusalReason::AttemptsExhausted));
        assert_eq!(of_change_pin(&exhausted), (Problem::NoAttempts, Some(0)));
        assert_eq!(of_change_pin(&ChangePinError::Unclear), (Problem::PinUnclear, None));
        assert_eq!(of_change_pin(&ChangePinError::NotConnected), (Problem::Offline, None));
    }

    #[test]
    fn what_is_wrong_with_a_code_leads_back_to_it_and_the_network_does_not() {
        use RefusalReason as R;
        for reason in [R::CodeUnknown, R::CodeExpired, R::CodeUsed, R::CodeBound, R::DeviceLimit] {
            let problem = of_enrol(&EnrolError::Agent(refused(reason)));
            assert!(is_of_code_or_address(problem), "{reason:?}");
        }
        for error in [
            EnrolError::PinLength { min: 8 },
            EnrolError::Agent(ConnectError::Silent("mdm:4433".to_owned()).into()),
            EnrolError::Agent(ExchangeError::Timeout.into()),
        ] {
            assert!(!is_of_code_or_address(of_enrol(&error)), "{error}");
        }
    }
}

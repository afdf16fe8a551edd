//! What people type, and what stands in addresses: activation codes, ids, names.

use std::str::FromStr;

use mdm_core::account::{SourceName, StaffNumber};
use mdm_core::operator::OperatorName;
use mdm_core::sheet::Encoding;
use mdm_server::journal_file::Anchors;
use shared::activation_code::ActivationCode;
use shared::enrolment_link::{EnrolmentLink, MAX_LINK, MAX_PINS};
use shared::ids::{AccountId, BatchId, CommandId, EnrolmentId, OperatorId};

use crate::encodings::read_as;

/// A typed or scanned code.
pub(crate) fn activation_code(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match ActivationCode::parse(text) {
        Ok(code) => {
            read_as("activation code");
            let printed = code.to_text();
            assert_eq!(printed.len(), 25, "four groups of five, four hyphens and the check character");
            let again = ActivationCode::parse(&printed).expect("what is printed reads");
            assert_eq!(again.lookup_id(), code.lookup_id());
        }
        Err(error) => {
            let (said, longest) = (error.to_string(), longest_word(text));
            assert!(longest.len() < 5 || !said.contains(longest), "an error repeats what was typed: {said}");
        }
    }
}

/// What the QR code of a letter says.
pub(crate) fn enrolment_link(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(link) = EnrolmentLink::parse(text) else { return };
    read_as("enrolment link");
    assert!(text.len() <= MAX_LINK && link.pins.len() <= MAX_PINS);
    let written = link.to_text();
    let again = EnrolmentLink::parse(&written).expect("what is printed reads");
    assert_eq!(again.code.lookup_id(), link.code.lookup_id());
    assert_eq!((again.server, again.pins), (link.server, link.pins));
}

/// The longest run of capital letters and digits: what a code is made of, and an error's text is not.
fn longest_word(text: &str) -> &str {
    let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    text.split(|c| !word(c)).max_by_key(|word| word.len()).unwrap_or_default()
}

/// An id in an address or on a command line.
pub(crate) fn id(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    reads_back::<AccountId>(text);
    reads_back::<EnrolmentId>(text);
    reads_back::<CommandId>(text);
    reads_back::<BatchId>(text);
    reads_back::<OperatorId>(text);
}

fn reads_back<T: FromStr + ToString + PartialEq>(text: &str) {
    let Ok(id) = text.parse::<T>() else { return };
    read_as(std::any::type_name::<T>());
    let written = id.to_string();
    assert_eq!(written.len(), 36);
    assert!(written.parse::<T>().is_ok_and(|again| again == id), "{written}");
}

/// Names and what else is one short text: staff number, source, operator, encoding, anchors of a journal.
pub(crate) fn name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(number) = StaffNumber::new(text) {
        read_as("staff number");
        assert!((1..=32).contains(&number.as_str().chars().count()));
        assert_eq!(StaffNumber::new(number.as_str()), Ok(number));
    }
    if let Ok(source) = SourceName::new(text) {
        read_as("source");
        assert!((1..=64).contains(&source.as_str().chars().count()));
        assert_eq!(SourceName::new(source.as_str()), Ok(source));
    }
    if let Ok(operator) = OperatorName::new(text) {
        read_as("operator");
        let folded = OperatorName::new(&operator.folded()).expect("folding leaves a name");
        assert_eq!(folded.folded(), operator.folded());
        assert_eq!(OperatorName::new(operator.as_str()), Ok(operator));
    }
    if let Ok(encoding) = text.parse::<Encoding>() {
        read_as("encoding");
        assert_eq!(encoding.name().parse(), Ok(encoding));
    }
    if Anchors::parse(Some(text), None).is_ok() {
        read_as("fingerprint");
    }
    if Anchors::parse(None, Some(text)).is_ok() {
        read_as("head");
    }
    for anchors in [Anchors::parse(Some(text), None), Anchors::parse(None, Some(text))] {
        assert!(anchors.is_err() || anchors != Ok(Anchors::default()), "an anchor that was read holds");
    }
}

//! What the QR code of a letter says: the activation code, where the server is and by which keys it is known.
//!
//! A URI (RFC 3986): `tamatebako:enrol?v=1&c=CODE&s=HOST:PORT&p=PIN&p=PIN`, the pins in base64url without padding (RFC 4648).
//! A reader ignores keys it does not know; what would change the meaning of the others raises `v`.
//! `docs/formats/enrolment-link.md`.

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::activation_code::{ActivationCode, ParseCodeError};

const BEGINNING: &str = "tamatebako:enrol?";
const VERSION: &str = "1";
/// Longest link, in bytes.
pub const MAX_LINK: usize = 1024;
/// Longest `host:port`, in bytes: a name of DNS, a colon, a port.
pub const MAX_SERVER: usize = 259;
/// Most pins.
pub const MAX_PINS: usize = 4;

/// What a letter tells a phone. It has the code: no `Debug`.
#[derive(Clone)]
pub struct EnrolmentLink {
    /// The activation code.
    pub code: ActivationCode,
    /// `host:port` of the server.
    pub server: String,
    /// SHA-256 of the server's keys; the server may have any of them.
    pub pins: Vec<[u8; 32]>,
}

/// Why a text is no link of a letter. The messages are safe to show: they do not repeat what was scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseLinkError {
    /// It is something else.
    #[error("this QR code is not of a letter of Tamatebako")]
    NotALetter,
    /// It is of a later kind.
    #[error("this letter is for a newer app: update the app, or type the code")]
    Version,
    /// A part is missing, occurs twice or is not what it should be.
    #[error("this QR code is damaged: type the code instead")]
    Damaged,
    /// The code in it is none.
    #[error(transparent)]
    Code(#[from] ParseCodeError),
}

impl EnrolmentLink {
    /// As the QR code says it.
    pub fn to_text(&self) -> Zeroizing<String> {
        let code = self.code.to_text();
        let mut text = Zeroizing::new(String::with_capacity(MAX_LINK));
        text.push_str(BEGINNING);
        for part in ["v=", VERSION, "&c=", &code, "&s=", &self.server] {
            text.push_str(part);
        }
        for pin in &self.pins {
            text.push_str("&p=");
            BASE64URL_NOPAD.encode_append(pin, &mut text);
        }
        text
    }

    /// Reads what was scanned.
    pub fn parse(text: &str) -> Result<Self, ParseLinkError> {
        let query = text.strip_prefix(BEGINNING).filter(|_| text.len() <= MAX_LINK);
        let query = query.ok_or(ParseLinkError::NotALetter)?;
        let (mut version, mut code, mut server, mut pins) = (None, None, None, Vec::new());
        for (key, value) in query.split('&').map(|part| part.split_once('=').unwrap_or((part, ""))) {
            match key {
                "v" => once(&mut version, value)?,
                "c" => once(&mut code, value)?,
                "s" => once(&mut server, value)?,
                "p" => pins.push(pin(value)?),
                _ => {}
            }
        }
        match version {
            Some(VERSION) => {}
            Some(_) => return Err(ParseLinkError::Version),
            None => return Err(ParseLinkError::Damaged),
        }
        let server = server.filter(|server| is_server(server)).ok_or(ParseLinkError::Damaged)?;
        if pins.len() > MAX_PINS {
            return Err(ParseLinkError::Damaged);
        }
        let code = ActivationCode::parse(code.ok_or(ParseLinkError::Damaged)?)?;
        Ok(Self { code, server: server.to_owned(), pins })
    }
}

fn once<'a>(place: &mut Option<&'a str>, value: &'a str) -> Result<(), ParseLinkError> {
    if place.replace(value).is_some() { Err(ParseLinkError::Damaged) } else { Ok(()) }
}

fn pin(value: &str) -> Result<[u8; 32], ParseLinkError> {
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).map_err(|_| ParseLinkError::Damaged)?;
    bytes.try_into().map_err(|_| ParseLinkError::Damaged)
}

/// A host and a port, with nothing that could end a part of the link.
fn is_server(text: &str) -> bool {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'#' | b'=' | b'%'));
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    plain && text.len() <= MAX_SERVER && port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    const TEXT: &str = "tamatebako:enrol?v=1&c=00000-00000-00000-00000-0&s=mdm.example:4433\
                        &p=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn refused(text: &str) -> ParseLinkError {
        EnrolmentLink::parse(text).err().expect("a refusal")
    }

    #[test]
    fn the_text_is_pinned() {
        let link = EnrolmentLink {
            code: ActivationCode::parse("00000-00000-00000-00000-0").unwrap(),
            server: "mdm.example:4433".to_owned(),
            pins: vec![[1; 32]],
        };
        assert_eq!(&*link.to_text(), TEXT);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seed: u64, pins in proptest::collection::vec(any::<[u8; 32]>(), 0..=MAX_PINS)) {
            let code = ActivationCode::make(&mut rand::rngs::StdRng::seed_from_u64(seed));
            let link = EnrolmentLink { code, server: "[2001:db8::1]:4433".to_owned(), pins };
            let read = EnrolmentLink::parse(&link.to_text()).unwrap();
            prop_assert_eq!(read.code.lookup_id(), link.code.lookup_id());
            prop_assert_eq!((read.server, read.pins), (link.server, link.pins));
        }

        #[test]
        fn anything_scanned_is_read_or_refused(text: String, rest in "[vcsp=&1:a-zA-Z0-9_-]{0,200}") {
            drop(EnrolmentLink::parse(&text));
            drop(EnrolmentLink::parse(&format!("{BEGINNING}{rest}")));
        }
    }

    #[test]
    fn a_key_of_later_is_ignored_and_a_later_version_is_not() {
        assert!(EnrolmentLink::parse(&format!("{TEXT}&new=1&flag")).is_ok());
        assert_eq!(refused(&TEXT.replace("v=1", "v=2")), ParseLinkError::Version);
    }

    #[test]
    fn what_is_not_whole_is_refused_and_named() {
        assert_eq!(refused("https://example.org/"), ParseLinkError::NotALetter);
        assert_eq!(refused(&format!("{TEXT}&x={}", "a".repeat(MAX_LINK))), ParseLinkError::NotALetter);
        for (whole, broken) in [
            ("v=1&", ""),
            ("&c=", "&d="),
            ("&s=mdm.example:4433", ""),
            ("&s=mdm.example:4433", "&s=mdm.example"),
            ("&s=mdm.example:4433", "&s=:4433"),
            ("&s=mdm.example:4433", "&s=mdm.example:99999"),
            ("&s=", "&s=other:1&s="),
            ("&p=A", "&p="),
        ] {
            assert_eq!(
                refused(&TEXT.replacen(whole, broken, 1)),
                ParseLinkError::Damaged,
                "{whole} as {broken}"
            );
        }
        let many = format!("{TEXT}{}", format!("&p={}", "A".repeat(43)).repeat(MAX_PINS));
        assert_eq!(refused(&many), ParseLinkError::Damaged);
        assert_eq!(refused(&TEXT.replace("c=00000", "c=10000")), ParseLinkError::Code(ParseCodeError::Check));
    }
}

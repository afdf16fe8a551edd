//! How mail with an activation code looks, and how it reaches the mail server: SMTP by lettre. Which mail is sent and when is
//! [`crate::use_cases::mail`]'s.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use mdm_core::mail::{Failure, Obstacle, Tried};
use shared::ids::MailId;
use zeroize::Zeroizing;

use crate::config::{self, Config, MailTls};
use crate::console::words::Language;
use crate::letters;
use crate::use_cases::codes::OpenedCode;

#[cfg(test)]
mod tests;

/// How long one step of a conversation with the mail server may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Answers to a sign-in: it is the configuration that is wrong, not the mail (RFC 4954 section 6).
const ABOUT_SIGN_IN: [u16; 4] = [530, 534, 535, 538];

/// Why mail cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A file that the configuration names cannot be read.
    #[error("cannot read {path}, which [mail] names in the configuration: {cause}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Others can read the password.
    #[error("others than its owner can read {0}, the mail server's password: run `chmod 400` on it")]
    Open(PathBuf),
    /// Not a certificate, or TLS cannot be set up.
    #[error("cannot set up TLS to the mail server, see mail.host and mail.ca_file in the configuration: {0}")]
    Tls(lettre::transport::smtp::Error),
    /// Whom mail is from.
    #[error("mail.from is not a mail address: write it like helpdesk@example.lg.jp")]
    From,
}

/// The way to the mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    language: Language,
    per_minute: u32,
}

impl Mailer {
    /// Reads the password and the certificate. Does not connect: a mail server that is down keeps nobody from starting.
    pub fn open(mail: &config::Mail) -> Result<Self, MailError> {
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
            .port(mail.port)
            .timeout(Some(PATIENCE))
            .tls(tls(mail)?);
        if let (Some(user), Some(path)) = (&mail.user, &mail.password_file) {
            let password = password(path)?;
            transport = transport.credentials(Credentials::new(user.clone(), password.trim_end().to_owned()));
        }
        Ok(Self {
            transport: transport.build(),
            from: mail.from.parse().map_err(|_| MailError::From)?,
            language: mail.language.into(),
            per_minute: mail.per_minute.max(1),
        })
    }

    /// Between two mails.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_secs(60) / self.per_minute
    }

    /// Sends a code to an address. Neither is in the log, nor is what the mail server says: it repeats the address.
    pub(crate) async fn send(
        &self,
        config: &Config,
        id: MailId,
        address: &str,
        code: &OpenedCode,
        now: Timestamp,
    ) -> Tried {
        let message = match self.message(config, id, address, code, now) {
            Ok(message) => message,
            Err(why) => return Tried::Failed(why),
        };
        let Err(error) = self.transport.send(message).await else { return Tried::Sent };
        let answer = error.status().map(u16::from);
        tracing::debug!(mail = %id, %error, "a mail was not taken");
        if error.is_permanent() && !answer.is_some_and(|answer| ABOUT_SIGN_IN.contains(&answer)) {
            tracing::info!(mail = %id, answer, "the mail server refused a mail");
            return Tried::Failed(Failure::Refused);
        }
        let obstacle = obstacle(&error);
        let why = obstacle.name();
        tracing::warn!(mail = %id, answer, why, "the mail server did not take a mail: it is tried again");
        Tried::Later(obstacle)
    }

    /// The whole mail. Of what people wrote only a parsed address is in its headers.
    fn message(
        &self,
        config: &Config,
        id: MailId,
        address: &str,
        code: &OpenedCode,
        now: Timestamp,
    ) -> Result<Message, Failure> {
        let to: Address = address.parse().map_err(|_| Failure::BadAddress)?;
        let organisation = config.organisation.as_str();
        let subject = self.language.say("letters-mail-subject", &[("organisation", organisation.into())]);
        let by_a_program = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"), // RFC 3834
            "auto-generated".to_owned(),
        );
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject.replace(char::is_control, " "))
            .date(SystemTime::from(now))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(by_a_program)
            .singlepart(SinglePart::plain(self.body(config, code, now)))
            .map_err(|_| Failure::BadAddress)
    }

    fn body(&self, config: &Config, code: &OpenedCode, now: Timestamp) -> String {
        let language = self.language;
        let say = |key: &str| language.say(key, &[]);
        let words = letters::words(language, config, now);
        let current = code.account.current();
        let [first, second, _] = words.steps;
        let mut parts = vec![
            config.organisation.clone(),
            letters::addressee(language, &current.name),
            say("letters-mail-lead"),
            format!(
                "{}: {}\n{}: {}\n{}",
                words.server,
                words.address,
                words.code,
                code.text.as_str(),
                letters::valid_until(language, code.record.expires_at)
            ),
            format!("{}\n1. {first}\n2. {second}\n3. {}", words.steps_title, say("letters-mail-step-pin")),
            say("letters-mail-secret"),
            format!("{}\n{}", words.promise_title, words.promise.join("\n")),
        ];
        parts.extend(words.helpdesk);
        parts.join("\n\n") + "\n"
    }
}

/// Why a mail must wait, of an error after which it makes sense to try again.
fn obstacle(error: &lettre::transport::smtp::Error) -> Obstacle {
    if let Some(answer) = error.status().map(u16::from) {
        return if ABOUT_SIGN_IN.contains(&answer) { Obstacle::SignIn } else { Obstacle::Later };
    }
    // lettre says of a refused certificate that the connection failed, and of missing STARTTLS only in words.
    if error.is_tls() || is_of_tls(error) {
        return Obstacle::NoTls;
    }
    // What else the client itself refuses is a way to sign in.
    if error.is_client() { Obstacle::SignIn } else { Obstacle::NoConnection }
}

fn is_of_tls(error: &lettre::transport::smtp::Error) -> bool {
    let mut sources = std::iter::successors(error.source(), |&error| error.source());
    sources.any(|source| {
        let of_io = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        of_io.is_some_and(|inner| inner.is::<rustls::Error>()) || source.to_string().contains("STARTTLS")
    })
}

fn tls(mail: &config::Mail) -> Result<Tls, MailError> {
    if mail.tls == MailTls::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(mail.host.clone());
    parameters = match &mail.ca_file {
        Some(path) => {
            let pem = std::fs::read(path).map_err(|cause| MailError::Read { path: path.clone(), cause })?;
            let certificate = Certificate::from_pem(&pem).map_err(MailError::Tls)?;
            parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate)
        }
        None => parameters.certificate_store(CertificateStore::WebpkiRoots),
    };
    let parameters = parameters.build().map_err(MailError::Tls)?;
    Ok(if mail.tls == MailTls::Wrapped { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

fn password(path: &Path) -> Result<Zeroizing<String>, MailError> {
    let failed = |cause| MailError::Read { path: path.to_owned(), cause };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(MailError::Open(path.to_owned()));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

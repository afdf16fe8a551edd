//! Why a command was not carried out, in one line.

use mdm_server::api::types::{ErrorBody, ErrorInfo};

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line, or a file that it names, is not right.
    #[error("{0}")]
    Usage(String),
    /// Something on this machine, or on the way to the server.
    #[error("{0}")]
    Here(String),
    /// The server's answer.
    #[error("{message}")]
    Server {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// A journal that does not verify.
    #[error("{0}")]
    NotVerified(String),
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Here(_) | Self::Server { .. } | Self::NotVerified(_) => 1,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Usage(_) => "usage",
            Self::Here(_) => "failed",
            Self::Server { code, .. } => code,
            Self::NotVerified(_) => "not-verified",
        }
    }

    /// The error as it is printed: always one line, whatever a server put into it.
    pub(crate) fn line(&self, json: bool) -> String {
        let message = self.to_string();
        if json {
            let error = ErrorInfo { code: self.code().to_owned(), message };
            serde_json::to_string(&ErrorBody { error }).expect("two strings become JSON")
        } else {
            format!("mdmctl: {}", crate::output::one_line(&message))
        }
    }
}

/// An error of a file, with its name.
pub(crate) fn file(path: &std::path::Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::Here(format!("cannot {what} {}: {error}", path.display()))
}

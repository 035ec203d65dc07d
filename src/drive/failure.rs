//! Why an operation failed, as a class that can be counted. Must not keep texts that may hold user data.

use sqlx::Error;

/// A failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// SQLSTATE, or `connection` when the server was lost.
    pub class: String,
    /// Whether the connection can still be used.
    pub connection_lost: bool,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error.as_database_error().and_then(|e| e.code()) {
            // Class 57P: the server ends the session (shutdown, crash, terminated).
            Some(code) => Self { connection_lost: code.starts_with("57P"), class: code.into_owned() },
            None => Self { class: "connection".to_owned(), connection_lost: true },
        }
    }
}

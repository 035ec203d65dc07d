//! Why an operation failed, as a class that can be counted and a text. Must keep no user data.

/// A failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// SQLSTATE, or one of the words below.
    pub class: String,
    /// The server's message, with what may be user data left out.
    pub text: String,
    /// Whether the connection can no longer be used.
    pub connection_lost: bool,
}

/// The class of a connection that was lost or could not be made.
pub const CONNECTION: &str = "connection";

/// The class of a script whose expression has no value, or whose `\gset` met no single row.
pub const SCRIPT: &str = "script";

/// The class of an operation for which no connection of the pool was free in time.
pub const POOL: &str = "pool";

/// The class of a statement that would have let the next one write, in a session that is to read only.
pub const MAY_WRITE: &str = "may write";

impl Failure {
    /// A statement that turned the session's promise to read only off; the connection is not used again.
    #[must_use]
    pub fn may_write() -> Self {
        let text = "default_transaction_read_only was turned off".to_owned();
        Self { class: MAY_WRITE.to_owned(), text, connection_lost: true }
    }

    /// A connection that is gone.
    #[must_use]
    pub fn connection(text: &str) -> Self {
        Self { class: CONNECTION.to_owned(), text: text.to_owned(), connection_lost: true }
    }

    /// An operation that nobody waits for any more.
    #[must_use]
    pub fn unanswered() -> Self {
        Self::connection("there was no answer by the end, nor in the time that is given after it")
    }

    /// No connection of the pool was free in time.
    #[must_use]
    pub fn pool() -> Self {
        let text = "no connection of the pool was free in time".to_owned();
        Self { class: POOL.to_owned(), text, connection_lost: false }
    }

    /// A script that cannot go on.
    #[must_use]
    pub fn script(text: &str) -> Self {
        Self { class: SCRIPT.to_owned(), text: text.to_owned(), connection_lost: false }
    }

    /// What the server refused.
    #[must_use]
    pub fn of_server(code: &str, message: &str) -> Self {
        // Class 57P ends the session (shutdown, crash, terminated); 08 is a connection that broke, which PgBouncer
        // says too.
        let connection_lost = code.starts_with("57P") || code.starts_with("08");
        // Class P0 is what functions of the application raise: their words may hold anything.
        let text = if code.starts_with("P0") {
            "raised by a function of the database".to_owned()
        } else {
            without_values(message)
        };
        Self { text, class: code.to_owned(), connection_lost }
    }

    /// Whether the same operation may well succeed when tried again: `serialization_failure` and
    /// `deadlock_detected` (PostgreSQL documentation, "13.5 Serialization Failure Handling").
    #[must_use]
    pub fn may_be_retried(&self) -> bool {
        self.class == "40001" || self.class == "40P01"
    }
}

/// A message without what servers put values into: quotes after a colon or after `value`, to the last quote.
fn without_values(message: &str) -> String {
    for before in [": \"", "value \""] {
        if let Some(at) = message.find(before) {
            let start = at + before.len() - 1;
            let end = message.rfind('"').map_or(message.len(), |last| last + 1).max(start);
            return format!("{}…{}", &message[..start], &message[end..]);
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_of_texts() {
        assert_eq!(
            without_values("invalid input syntax for type integer: \"anna\""),
            "invalid input syntax for type integer: …"
        );
        assert_eq!(
            without_values("invalid input syntax for type integer: \"an\"na smith\""),
            "invalid input syntax for type integer: …"
        );
        assert_eq!(
            without_values("value \"36305\" is out of range for type integer"),
            "value … is out of range for type integer"
        );
        assert_eq!(
            Failure::of_server("P0001", "customer anna has no card").text,
            "raised by a function of the database"
        );
        let kept = "duplicate key value violates unique constraint \"users_email_key\"";
        assert_eq!(without_values(kept), kept);
    }
}

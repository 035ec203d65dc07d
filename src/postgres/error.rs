//! What can go wrong with a server, worded so that a person knows what to do. Must never hold a password or a URL.

use sqlx::postgres::PgDatabaseError;

use crate::diagnostic::Advice;
use crate::units::{printable, printable_lines};

/// A failed exchange with a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be made.
    #[error("cannot connect to {target}: {reason}")]
    Connect {
        /// Host, port, database and user; never a password.
        target: String,
        /// What was found.
        reason: String,
        /// What to do.
        help: String,
    },
    /// A connection was not made in time, or a new session does not answer.
    #[error("cannot connect to {target}: no answer within {seconds} s")]
    NoAnswer {
        /// Host, port, database and user; never a password.
        target: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A server that answered has stopped to.
    #[error("{target} has not answered for {seconds} s")]
    Silent {
        /// Host, port, database and user; never a password.
        target: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The server is older than the facts this program stands on.
    #[error("{target} runs PostgreSQL {found}; 14 or later is needed")]
    TooOld {
        /// Which server.
        target: String,
        /// Its version.
        found: String,
    },
    /// A connection URL that cannot be read. The URL itself is not repeated: it may hold a password.
    #[error("the database URL cannot be read: {0}")]
    Url(String),
    /// A role that may not make databases.
    #[error("the role `{role}` on {target} may not create databases, which a proof needs for its clones")]
    NoCreateDb {
        /// Which server.
        target: String,
        /// Which role.
        role: String,
    },
    /// A database that is named like this program's own, and that it did not make.
    #[error("the database `{name}` carries no mark of weighbridge, so it is not dropped and not used")]
    NotOurs {
        /// Its name.
        name: String,
    },
    /// The role to act as does not exist.
    #[error("the role `{role}` does not exist on the server of {place}")]
    NoRole {
        /// The role.
        role: String,
        /// Database, host and user.
        place: String,
    },
    /// The user may not act as the role.
    #[error("the user of {place} may not act as the role `{role}`")]
    RoleForbidden {
        /// The role.
        role: String,
        /// Database, host and user.
        place: String,
    },
    /// Sessions act as another role than they were given.
    #[error(
        "sessions act as `{now}` and not as the role `{role}`, as behind a pooler that leaves out what it does not know"
    )]
    OtherRole {
        /// The role that was given.
        role: String,
        /// The one they have.
        now: String,
    },
    /// Policies that apply to a role that can neither see every row nor lift them.
    #[error(
        "row-level security applies to the role `{role}` on {tables}, which it does not own: rows would be hidden from \
             it or refused"
    )]
    RowSecurity {
        /// The role.
        role: String,
        /// The tables.
        tables: String,
    },
    /// There is no room for clones.
    #[error("there is no room for clones: they need {needed}, and {free} are free in {place}; nothing was cloned")]
    NoRoom {
        /// Bytes, and what for.
        needed: String,
        /// Bytes.
        free: String,
        /// The folder whose file system is short of them.
        place: String,
    },
    /// The server ran out of disk space (SQLSTATE 53100) or memory (53200).
    #[error("failed to {doing}: the server has no space left ({message})")]
    NoSpace {
        /// What was being done.
        doing: String,
        /// The server's message.
        message: String,
        /// What to do.
        help: String,
    },
    /// An exchange without the driver failed.
    #[error("failed to {doing}: {message}")]
    Exchange {
        /// What was being done, to follow "failed to".
        doing: String,
        /// The server's message, or how the connection broke.
        message: String,
        /// What to do, where that is known.
        help: Option<&'static str>,
    },
    /// A statement failed.
    #[error("failed to {doing}: {}", describe(source))]
    Statement {
        /// What was being done, to follow "failed to".
        doing: String,
        /// The message of the driver.
        source: sqlx::Error,
    },
}

impl Advice for Error {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Connect { help, .. } => help.to_string(),
            Self::NoAnswer { .. } => "check host and port, that no firewall drops the packets, and that the server or \
                                      its pooler has a session to spare"
                .to_owned(),
            Self::Silent { .. } => "see whether the server and the way to it hang; `weighbridge server clean` removes \
                                    what is left on the embedded one, with --url on another"
                .to_owned(),
            Self::TooOld { .. } => "use a newer server, or leave the URL out to use the embedded one".to_owned(),
            Self::Url(..) => "the form is postgresql://user@host:5432/database, or service=NAME; leave it out to use \
                              the embedded server"
                .to_owned(),
            Self::NoCreateDb { role, .. } => format!("a superuser can allow it: ALTER ROLE {role} CREATEDB"),
            Self::NotOurs { .. } => "rename it, or drop it yourself".to_owned(),
            Self::NoRole { role, .. } => format!(
                "roles belong to a server, not to a database: create it there (CREATE ROLE \"{role}\"), on the \
                 embedded server with psql \"$(weighbridge server url)\" -c 'CREATE ROLE \"{role}\"'"
            ),
            Self::RoleForbidden { role, .. } => format!("an administrator can say GRANT \"{role}\" TO the user"),
            Self::OtherRole { .. } => "name a URL that reaches the server itself".to_owned(),
            Self::RowSecurity { role, .. } => format!(
                "connect as the owner, as a superuser, or as a role with BYPASSRLS (a superuser can say: ALTER ROLE \
                 {role} BYPASSRLS)"
            ),
            Self::NoRoom { .. } => {
                "free space there, use a smaller --scale, or put the embedded server elsewhere with --home; \
                 `weighbridge server clean --templates` drops datasets of earlier proofs"
                    .to_owned()
            }
            Self::NoSpace { help, .. } => help.to_string(),
            Self::Exchange { help, .. } => (*help)?.to_owned(),
            Self::Statement { .. } => return None,
        })
    }
}

impl Error {
    /// Wraps a driver error with what was being done, keeping the kinds a person must act on apart.
    #[must_use]
    pub fn doing(doing: impl Into<String>, source: sqlx::Error) -> Self {
        let doing = doing.into();
        match database_error(&source).map(|e| (e.code().to_owned(), e.message().to_owned())) {
            Some((code, message)) if code == "53100" || code == "53200" => Self::NoSpace {
                doing,
                message,
                help: "free space where the server keeps its data, use a smaller --scale, or put the embedded server \
                       elsewhere with --home"
                    .to_owned(),
            },
            _ => Self::Statement { doing, source },
        }
    }

    /// Wraps what went wrong on a connection without the driver.
    #[must_use]
    pub fn wire(doing: impl Into<String>, error: &super::wire::WireError) -> Self {
        let mut help = None;
        if matches!(error, super::wire::WireError::Server { code, .. } if code == "42P05" || code == "26000") {
            help = Some(
                "behind a pooler in transaction mode sessions are shared: send statements with --protocol extended or \
                 simple",
            );
        }
        Self::Exchange { doing: doing.into(), message: error.to_string(), help }
    }

    /// Whether there was no answer at all.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Silent { .. })
    }

    /// The server's own error, if it gave one.
    #[must_use]
    pub fn database(&self) -> Option<&PgDatabaseError> {
        match self {
            Self::Statement { source, .. } => database_error(source),
            _ => None,
        }
    }
}

/// The server's own error inside a driver error.
#[must_use]
pub fn database_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>())
}

/// The server's message with its detail and hint, or the driver's text.
#[must_use]
pub fn describe(error: &sqlx::Error) -> String {
    let Some(server) = database_error(error) else {
        return match error {
            sqlx::Error::Io(source) => format!("the connection to the server was lost ({source})"),
            other => other.to_string(),
        };
    };
    let mut text = format!("{} (SQLSTATE {})", printable(server.message()), server.code());
    for (label, part) in [("detail", server.detail()), ("hint", server.hint())] {
        if let Some(part) = part {
            // Lines of the server's stay below ours.
            let part = printable_lines(part).replace('\n', "\n    ");
            text.push_str(&format!("\n  = {label}: {part}"));
        }
    }
    text
}

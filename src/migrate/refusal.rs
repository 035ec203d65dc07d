//! Why a migration was not applied: the server's words at their place, what stays, and what to do. Must change nothing.

use std::collections::BTreeSet;

use sqlx::postgres::PgErrorPosition;

use super::apply::{ApplyError, Manner};
use super::part::{Part, Sending};
use crate::diagnostic::Diagnostic;
use crate::postgres::Error;
use crate::postgres::error::{database_error, describe};
use crate::sql::{self, Command, CreateIndex, Script};

/// SQLSTATE `active_sql_transaction`.
const IN_TRANSACTION: &str = "25001";

/// A part that no server can be sent: a program, or a text with placeholders that have no value.
pub(super) fn refuse_unready(part: &Part) -> Result<(), ApplyError> {
    let problem = |problem: Diagnostic| Err(ApplyError::Refused(Box::new(part.file.clone().problems(vec![problem]))));
    if part.sending == Sending::Code {
        let tool = part.layout.name();
        let help = "leave such steps out with --skip-code, or migrate with the tool itself: --schema-from and --up-cmd";
        return problem(
            Diagnostic::whole(format!("this step of {tool} is a program, which is not run here")).help(help),
        );
    }
    let missing = part.missing_placeholders();
    match missing.first() {
        None => Ok(()),
        Some(name) => {
            let at = part.file.text.find(&format!("${{{name}}}"));
            let span = at.map_or(0..0, |at| at..at + name.len() + 3);
            let list = missing.join(", ");
            let help = format!("write {name} = \"…\" under [migrations.placeholders] in weighbridge.toml");
            problem(Diagnostic::at(span, format!("nobody gives a value to the placeholders {list}")).help(help))
        }
    }
}

/// A statement that the server refused.
pub(super) struct Refusal<'r> {
    pub(super) part: &'r Part,
    /// Where it begins in the file.
    pub(super) start: usize,
    pub(super) text: &'r str,
    pub(super) number: usize,
    pub(super) count: usize,
    pub(super) manner: &'r Manner<'r>,
    /// Invalid indexes that it left.
    pub(super) left: BTreeSet<String>,
}

impl Refusal<'_> {
    /// With the server's message, its place, and what stays.
    pub(super) fn error(&self, error: &sqlx::Error) -> ApplyError {
        let doing = || format!("apply statement {} of {}", self.number, self.part.file.path.display());
        let Some(server) = database_error(error) else {
            return ApplyError::Server(Error::Exchange { doing: doing(), message: describe(error), help: None });
        };
        if matches!(server.code(), "53100" | "53200") {
            let help = "free space where the server keeps its data, or use a smaller --scale".to_owned();
            return ApplyError::Server(Error::NoSpace { doing: doing(), message: server.message().to_owned(), help });
        }
        let span = match server.position() {
            Some(PgErrorPosition::Original(character)) => {
                let byte = self.text.char_indices().nth(character.saturating_sub(1)).map_or(0, |(byte, _)| byte);
                let length = self.text[byte..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(1).max(1);
                self.start + byte..self.start + byte + length
            }
            _ => self.first_line(server.code()),
        };
        let which = match self.part.sending {
            Sending::Whole => "a statement of the file, which is sent as one string".to_owned(),
            _ => format!("statement {} of {}", self.number, self.count),
        };
        // What stays stands beside the reason, before the lines of the server's detail and hint.
        let reason = describe(error);
        let (first, more) = reason.split_at(reason.find('\n').unwrap_or(reason.len()));
        let message = format!("the server refuses {which}: {first}{}{more}", self.what_stays());
        let mut problem = Diagnostic::at(span, message);
        problem.help = self.remedy(server.code());
        ApplyError::Refused(Box::new(self.part.file.clone().problems(vec![problem])))
    }

    /// The first line of the statement; of a file that is one string, that of the statement which forbids a
    /// transaction.
    fn first_line(&self, code: &str) -> std::ops::Range<usize> {
        let forbids = || Script::parse(self.text).statements.into_iter().find(sql::Statement::forbids_transaction);
        let inside = if code == IN_TRANSACTION { forbids() } else { None };
        let at = inside.map_or(0, |statement| statement.span.start);
        self.start + at..self.start + at + self.text[at..].lines().next().map_or(0, str::len)
    }

    /// What of the migration stays in the database.
    fn what_stays(&self) -> &'static str {
        match (self.part.sending, self.number, self.manner.lasting) {
            (Sending::Transaction, ..) => "; the transaction was rolled back",
            (Sending::Each, 1, _) | (Sending::Whole | Sending::Code | Sending::Command, ..) => "",
            (Sending::Each, _, true) => "; the statements before it stay applied",
            (Sending::Each, _, false) => "; where you deploy it, the statements before it would stay applied",
        }
    }

    fn remedy(&self, code: &str) -> Option<String> {
        if !self.left.is_empty() {
            return Some(self.invalid_left());
        }
        if code != IN_TRANSACTION {
            return None;
        }
        self.part.layout.outside(self.part)
    }

    /// What a failed concurrent build leaves, who takes it for the index, and what removes it.
    fn invalid_left(&self) -> String {
        let names: Vec<&str> = self.left.iter().map(String::as_str).collect();
        let (names, noun) = (names.join(", "), if self.left.len() == 1 { "index" } else { "indexes" });
        let place = if self.manner.lasting { "it leaves" } else { "where you deploy it, it leaves" };
        let builds = sql::parse_one(self.text).and_then(|statement| as_index(statement.command));
        let skips = match (builds, self.skipping()) {
            // What REINDEX leaves has a name of its own.
            (None, _) => String::new(),
            (_, skips) if skips.is_empty() => "; a later IF NOT EXISTS takes it for the index and skips it".to_owned(),
            (_, skips) => format!("; IF NOT EXISTS of {} takes it for the index and skips it", skips.join(", ")),
        };
        let drops: Vec<String> = self.left.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};")).collect();
        format!(
            "{place} the invalid {noun} {names}, which every write pays for and no query uses{skips}\nbefore it is \
                tried again: {}",
            drops.join(" ")
        )
    }

    /// Later migrations that would skip an index which this one leaves, and the file itself when it is tried again.
    fn skipping(&self) -> Vec<String> {
        let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_owned();
        let left: BTreeSet<String> = self.left.iter().map(|name| bare(name)).collect();
        let skips = |text: &str| {
            let named = |index: &CreateIndex| index.name.as_ref().is_some_and(|name| left.contains(name));
            Script::parse(text).commands().filter_map(as_index).any(|index| index.if_not_exists && named(&index))
        };
        let again = skips(&self.part.file.text).then(|| "this file, when it is tried again,".to_owned());
        let later = self.manner.later.into_iter().flatten().filter(|migration| skips(&migration.up.file.text));
        again.into_iter().chain(later.map(|migration| migration.label.clone())).collect()
    }
}

fn as_index(command: Command) -> Option<Box<CreateIndex>> {
    match command {
        Command::CreateIndex(index) => Some(index),
        _ => None,
    }
}

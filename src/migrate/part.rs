//! One direction of a migration: its text, and the messages in which its tool sends it. Must hold the file's own
//! bytes and lines.

use std::ops::Range;

use super::layout::Layout;
use crate::diagnostic::SourceFile;
use crate::sql::{self, Script, Statement};

/// What applies or reverts a migration.
#[derive(Debug, Clone)]
pub struct Part {
    /// The file, with its own lines and columns. What belongs to another part is blank, and a byte order mark is
    /// left out.
    pub file: SourceFile,
    /// Whose file it is.
    pub layout: Layout,
    /// In how many transactions it is sent.
    pub sending: Sending,
    /// What is sent, in order.
    pub pieces: Vec<Piece>,
    /// Placeholders of its text and their values; none where nobody gives one.
    pub placeholders: Vec<(String, Option<String>)>,
}

/// One message to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes in the file.
    pub span: Range<usize>,
    /// The rows of a `COPY … FROM stdin`.
    pub rows: Option<String>,
}

/// In how many transactions a part is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// One transaction for the whole part.
    Transaction,
    /// Every piece by itself.
    Each,
    /// As one string, which the server takes for one transaction unless its statements say otherwise.
    Whole,
    /// A program of the tool: the file is no SQL.
    Code,
    /// A command of a shell, which is the file's path.
    Command,
}

impl Sending {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Transaction => "one transaction",
            Self::Each => "each statement by itself",
            Self::Whole => "one string",
            Self::Code => "code",
            Self::Command => "a command",
        }
    }
}

impl Part {
    /// A file that one layout sends by its own rules, such as a schema file.
    #[must_use]
    pub fn new(file: SourceFile, layout: Layout) -> Self {
        match layout {
            Layout::Plain => Self::as_psql(file),
            _ => {
                let whole = 0..file.text.len();
                let transaction = layout == Layout::Sqlx && !file.text.starts_with(super::layout::NO_TRANSACTION);
                Self::as_one(file, layout, whole, transaction)
            }
        }
    }

    /// A stretch of a file that its tool sends as one string.
    pub(super) fn as_one(file: SourceFile, layout: Layout, keep: Range<usize>, transaction: bool) -> Self {
        let file = SourceFile { text: masked(&file.text, &keep), ..file };
        let script = Script::parse(&file.text);
        let pieces = || script.statements.iter().map(|statement| Piece::of(statement.span.clone())).collect::<Vec<_>>();
        let steers = script.statements.iter().any(Statement::controls_transaction);
        let forbids = script.statements.iter().any(Statement::forbids_transaction);
        let whole = || vec![Piece::of(file.text.len() - file.text.trim_start().len()..file.text.trim_end().len())];
        let (sending, pieces) = match (transaction, script.statements.len()) {
            (true, _) if steers => (Sending::Transaction, whole()),
            (true, _) => (Sending::Transaction, pieces()),
            (false, 0 | 1) => (Sending::Each, pieces()),
            (false, _) if steers || forbids => (Sending::Whole, whole()),
            // Several statements of one string share a transaction.
            (false, _) => (Sending::Transaction, pieces()),
        };
        Self { file, layout, sending, pieces, placeholders: Vec::new() }
    }

    /// A stretch of a file that its tool splits into statements.
    pub(super) fn split(file: SourceFile, layout: Layout, keep: &Range<usize>, transaction: bool) -> Self {
        let file = SourceFile { text: masked(&file.text, keep), ..file };
        let pieces = sql::statements(&file.text).into_iter().map(Piece::of).collect();
        Self::of_pieces(file, layout, pieces, transaction)
    }

    /// Pieces that the layout has cut by itself.
    pub(super) fn of_pieces(file: SourceFile, layout: Layout, pieces: Vec<Piece>, transaction: bool) -> Self {
        let sending = if transaction { Sending::Transaction } else { Sending::Each };
        Self { file, layout, sending, pieces, placeholders: Vec::new() }
    }

    /// As psql sends a file: statement by statement, without its own commands, and rows behind a COPY.
    #[must_use]
    pub fn as_psql(file: SourceFile) -> Self {
        let script = Script::parse_psql(&file.text);
        let mut text = file.text.clone();
        let commands = script.psql.iter().map(|command| command.span.clone());
        // The line of `\.` belongs to the rows before it.
        let rows = script.statements.iter().filter_map(|statement| statement.rows.clone()).map(|rows| {
            let end = file.text[rows.end..].find('\n').map_or(file.text.len(), |end| rows.end + end);
            rows.start..end
        });
        for span in commands.chain(rows) {
            text.replace_range(span.clone(), &blank(&file.text[span]));
        }
        let rows = |rows: Range<usize>| file.text[rows].to_owned();
        let statements = script.statements.into_iter();
        let pieces = statements.map(|s| Piece { span: s.span, rows: s.rows.map(rows) }).collect();
        Self::of_pieces(SourceFile { text, ..file }, Layout::Plain, pieces, false)
    }

    /// A step that is a program of its tool.
    pub(super) fn code(file: SourceFile, layout: Layout) -> Self {
        Self { file, layout, sending: Sending::Code, pieces: Vec::new(), placeholders: Vec::new() }
    }

    /// Whether it is applied as a whole or not at all.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.sending == Sending::Transaction
    }

    /// Whether it asks for nothing: it is empty, or holds comments alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !matches!(self.sending, Sending::Code | Sending::Command) && sql::statements(&self.file.text).is_empty()
    }

    /// The first placeholder without a value.
    #[must_use]
    pub fn missing_placeholders(&self) -> Vec<&str> {
        self.placeholders.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether two tools send the same, so far as the server can tell.
    #[must_use]
    pub(super) fn is_sent_like(&self, other: &Self) -> bool {
        let script = Script::parse(&self.file.text);
        let matters = script.statements.iter().any(|s| s.forbids_transaction() || s.controls_transaction());
        let texts = |part: &Self| -> Vec<String> {
            sql::statements(&part.file.text).into_iter().map(|span| part.file.text[span].to_owned()).collect()
        };
        texts(self) == texts(other) && (!matters || self.sending == other.sending && self.pieces == other.pieces)
    }
}

impl Piece {
    pub(super) fn of(span: Range<usize>) -> Self {
        Self { span, rows: None }
    }
}

/// The text with everything outside of a stretch blank: bytes, lines and columns stay.
pub(super) fn masked(text: &str, keep: &Range<usize>) -> String {
    format!("{}{}{}", blank(&text[..keep.start]), &text[keep.clone()], blank(&text[keep.end..]))
}

/// As many spaces as a text has bytes, with its ends of lines.
fn blank(text: &str) -> String {
    text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { byte as char } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "m.sql".into(), text: text.to_owned() }
    }

    #[test]
    fn a_masked_text_keeps_its_places() {
        let text = "-- é\r\nSELECT 1;\n-- down\nDROP TABLE t;\n";
        let keep = text.find("DROP").unwrap()..text.len();
        let masked = masked(text, &keep);
        assert_eq!((masked.len(), masked.lines().count()), (text.len(), text.lines().count()));
        assert_eq!(&masked[keep.clone()], &text[keep]);
        assert!(!masked.contains("SELECT"));
    }

    #[test]
    fn one_string_is_one_transaction_unless_its_statements_say_otherwise() {
        let of = |text: &str, transaction| {
            let part = Part::as_one(file(text), Layout::Prisma, 0..text.len(), transaction);
            (part.sending, part.pieces.len())
        };
        let alone = "CREATE INDEX CONCURRENTLY i ON t (a);\n";
        assert_eq!(of(alone, true), (Sending::Transaction, 1));
        assert_eq!(of(alone, false), (Sending::Each, 1));
        assert_eq!(of(&format!("SELECT 1;\n{alone}"), false), (Sending::Whole, 1));
        assert_eq!(of("ALTER TABLE t ADD a int; ALTER TABLE t ADD b int", false), (Sending::Transaction, 2));
        assert_eq!(of("BEGIN; ALTER TABLE t ADD a int; COMMIT;", false), (Sending::Whole, 1));
        assert_eq!(of("SELECT 1; COMMIT; SELECT 2;", true), (Sending::Transaction, 1));
    }

    #[test]
    fn commands_of_psql_are_no_part_of_a_schema() {
        let part =
            Part::as_psql(file("\\restrict k\nCREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n\\unrestrict k\n"));
        let pieces: Vec<&str> = part.pieces.iter().map(|piece| &part.file.text[piece.span.clone()]).collect();
        assert_eq!(pieces, ["CREATE TABLE t (a int)", "COPY t FROM stdin"]);
        assert_eq!(part.pieces[1].rows.as_deref(), Some("1\n"));
        assert!(!part.file.text.contains("restrict"));
    }
}

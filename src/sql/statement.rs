//! Scripts and statements as this program knows them. Must never take a statement for harmless that it cannot read.

use std::ops::Range;

use squawk_syntax::ast::{AsDefinition, AstNode, Stmt};
use squawk_syntax::{Parse, SourceFile, SyntaxNode};

use super::command::Command;
use super::effect;
use super::expression::Source;
use super::read;
use super::relation::{Relation, relations};
use super::split::{Piece, Reader, pieces, statements};
use super::token::{Kind, Lexer};

/// The statements of a text, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The statements.
    pub statements: Vec<Statement>,
    /// Backslash commands of psql; none where the text is read as the server reads it.
    pub psql: Vec<PsqlCommand>,
}

/// A statement of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its bytes in the script, without the semicolon.
    pub span: Range<usize>,
    /// What it asks for; [`Command::Other`] where there are [`Self::errors`].
    pub command: Command,
    /// The tables and views it names; none where there are [`Self::errors`].
    pub relations: Vec<Relation>,
    /// Why the parser cannot read it.
    pub errors: Vec<SyntaxError>,
    /// The rows of a `COPY … FROM stdin` behind it, their bytes in the script.
    pub rows: Option<Range<usize>>,
}

/// A backslash command of psql.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsqlCommand {
    /// Its name without the backslash, such as `connect`.
    pub name: String,
    /// Its bytes in the script, with arguments.
    pub span: Range<usize>,
}

/// Why the parser cannot read a statement. It may be wrong: the server decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Its bytes in the script.
    pub span: Range<usize>,
    /// What is wrong, in the parser's words.
    pub message: String,
}

impl Script {
    /// Reads a text as it is sent to the server.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::read(text, Reader::Server)
    }

    /// Reads a text as psql does: with its own commands, and rows behind `COPY … FROM stdin`.
    #[must_use]
    pub fn parse_psql(text: &str) -> Self {
        Self::read(text, Reader::Psql)
    }

    /// What the statements ask for, in order.
    pub fn commands(self) -> impl Iterator<Item = Command> {
        self.statements.into_iter().map(|statement| statement.command)
    }

    fn read(text: &str, reader: Reader) -> Self {
        let mut script = Self { statements: Vec::new(), psql: Vec::new() };
        for piece in pieces(text, reader) {
            match piece {
                Piece::Statement(span) => script.statements.push(Statement::read(text, span)),
                Piece::Command(span) => {
                    let rest = &text[span.start + 1..span.end];
                    let is_name = |c: char| c.is_alphanumeric() || c == '_';
                    let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                    // `\!` and `\?` are named by their sign.
                    let length = if length == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { length };
                    script.psql.push(PsqlCommand { name: rest[..length].to_owned(), span });
                }
                Piece::Rows { statement, span } => script.statements[statement].rows = Some(span),
            }
        }
        script
    }
}

/// The first statement of a text, for text that is known to be one.
#[must_use]
pub fn parse_one(text: &str) -> Option<Statement> {
    Some(Statement::read(text, statements(text).into_iter().next()?))
}

/// Tokens in a row that the parser may have to put into each other, beyond which a statement gets a stack of its own.
const MAX_NESTING_ON_THIS_STACK: usize = 500;

/// Beyond this a statement is not parsed: the parser's time grows with the square.
const MAX_NESTING: usize = 10_000;

/// Enough for [`MAX_NESTING`]: a level takes some 700 bytes without optimization.
const STACK_BYTES: usize = 64 << 20;

/// Runs something that parses a text, on a stack that is deep enough for it; nothing where none is.
fn on_deep_stack<T: Send>(text: &str, run: impl FnOnce() -> T + Send) -> Option<T> {
    match nesting(text) {
        ..=MAX_NESTING_ON_THIS_STACK => Some(run()),
        levels if levels <= MAX_NESTING => std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
            thread.ok().and_then(|thread| thread.join().ok())
        }),
        _ => None,
    }
}

/// What a function makes of the node of a text that is one statement, and of where it begins; nothing where it cannot
/// be read.
pub(super) fn with_node<T: Send>(text: &str, of: impl FnOnce(&SyntaxNode, usize) -> T + Send) -> Option<T> {
    let [span] = &statements(text)[..] else { return None };
    let statement = &text[span.clone()];
    let parsed = on_deep_stack(statement, || {
        let parse = SourceFile::parse(statement);
        let node = only_statement(&parse)?;
        errors(&parse, span).is_empty().then(|| of(&node, span.start))
    });
    parsed.flatten()
}

/// The node of the one statement of a text.
fn only_statement(parse: &Parse<SourceFile>) -> Option<SyntaxNode> {
    let root = parse.syntax_node();
    let mut nodes = root.children();
    nodes.next().filter(|node| nodes.next().is_none() && Stmt::can_cast(node.kind()))
}

impl Statement {
    fn read(script: &str, span: Range<usize>) -> Self {
        let text = &script[span.clone()];
        on_deep_stack(text, || Self::parsed(text, span.clone())).unwrap_or_else(|| Self {
            span: span.clone(),
            command: Command::Other,
            relations: Vec::new(),
            errors: vec![SyntaxError { span, message: "nested too deeply to be read".to_owned() }],
            rows: None,
        })
    }

    fn parsed(text: &str, span: Range<usize>) -> Self {
        let parse = SourceFile::parse(text);
        let node = only_statement(&parse);
        let mut errors = errors(&parse, &span);
        let source = Source { offset: span.start };
        let command = node.as_ref().filter(|_| errors.is_empty()).and_then(|node| read::command(node, &source));
        if command.is_none() && errors.is_empty() {
            errors.push(SyntaxError { span: span.clone(), message: "not one known command".to_owned() });
        }
        let relations = match (&command, &node) {
            (Some(_), Some(node)) => relations(node),
            _ => Vec::new(),
        };
        Self { span, command: command.unwrap_or(Command::Other), relations, errors, rows: None }
    }

    /// Whether it may change anything but its own session, as far as its text shows: a function of the user's that a
    /// query calls may write too, which only the server knows.
    #[must_use]
    pub fn may_write(&self) -> bool {
        effect::may_write(&self.command)
    }

    /// Whether it only sets parameters for the statements that follow: `SET …`, or `SELECT set_config(…)` of no
    /// table.
    #[must_use]
    pub fn only_sets(&self) -> bool {
        match &self.command {
            Command::Set(_) | Command::SetTransaction(_) | Command::SetRole | Command::SetConstraints => true,
            Command::Select(query) => {
                self.relations.is_empty() && !query.sets.is_empty() && query.calls.len() == query.sets.len()
            }
            _ => false,
        }
    }

    /// Whether the server refuses it inside a transaction block, as far as its text shows: REINDEX and CLUSTER of a
    /// partitioned table are refused too.
    #[must_use]
    pub fn forbids_transaction(&self) -> bool {
        effect::forbids_transaction(&self.command)
    }

    /// Whether it begins, ends or marks a transaction.
    #[must_use]
    pub fn controls_transaction(&self) -> bool {
        matches!(self.command, Command::Transaction(_))
    }
}

/// Why a statement cannot be read. What is wrong inside the quoted body of a function is the function's: the server may
/// be set not to look at it.
fn errors(parse: &Parse<SourceFile>, span: &Range<usize>) -> Vec<SyntaxError> {
    let errors = parse.errors();
    if errors.is_empty() {
        return Vec::new();
    }
    let tree = parse.syntax_node();
    let bodies: Vec<_> =
        tree.descendants().filter_map(AsDefinition::cast).map(|body| body.syntax().text_range()).collect();
    let outside = errors.into_iter().filter(|error| !bodies.iter().any(|body| body.contains_range(error.range())));
    let place = |at: usize| span.start + at;
    let known = outside.map(|error| SyntaxError {
        span: place(error.range().start().into())..place(error.range().end().into()),
        message: error.message().to_owned(),
    });
    known.collect()
}

/// The most tokens in a row that the parser may put into each other: those of all brackets that are open, since the
/// last comma or semicolon in each.
fn nesting(text: &str) -> usize {
    let (mut open, mut total, mut most) = (vec![0_usize], 0, 0);
    for token in Lexer::new(text) {
        if token.kind == Kind::Space {
            continue;
        }
        match &text[token.span] {
            "," | ";" => total -= open.last_mut().map_or(0, std::mem::take),
            "(" | "[" => {
                total += 1;
                open.push(1);
            }
            ")" | "]" if open.len() > 1 => total -= open.pop().unwrap_or_default(),
            _ => {
                total += 1;
                open.last_mut().into_iter().for_each(|tokens| *tokens += 1);
            }
        }
        most = most.max(total);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sql: &str) -> Statement {
        let mut script = Script::parse(sql);
        assert_eq!(script.statements.len(), 1, "{sql}");
        script.statements.remove(0)
    }

    #[test]
    fn a_statement_that_cannot_be_read_may_do_anything() {
        let sql = "SELECT 1;\n WRONG 2; SELECT 3";
        let script = Script::parse(sql);
        let commands: Vec<bool> = script.statements.iter().map(|it| it.command == Command::Other).collect();
        assert_eq!(commands, [false, true, false]);
        assert_eq!(&sql[script.statements[1].errors[0].span.start..][..5], "WRONG");
        for sql in [
            "SELECT 1 SELECT 2",
            "SELECT (1",
            "SELECT 1)",
            "SELECT 'a",
            "SELECT :name",
            "SHOW",
            "\\connect x",
            "SELECT 1 \\gset",
            "BEGIN foo",
            "EXPLAIN",
            "CREATE INDEX ON t",
            "ALTER TABLE t DROP",
            "VALUES (1",
            "x",
            "$$ a $$",
            "COMMIT COMMIT",
        ] {
            let statement = one(sql);
            assert!(statement.may_write() && !statement.errors.is_empty(), "{sql}: {statement:?}");
            assert_eq!((statement.command, statement.relations), (Command::Other, Vec::new()), "{sql}");
        }
        // What is wrong in a body is found when the server looks at it.
        let function = one("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'not even SQL'");
        assert!(matches!(function.command, Command::CreateRoutine { .. }) && function.errors.is_empty());
    }

    #[test]
    fn nothing_is_nested_too_deeply_to_answer() {
        let nested = |open: &str, close: &str, times: usize| {
            one(&format!("SELECT {}1{}", open.repeat(times), close.repeat(times)))
        };
        for (open, close) in [
            ("(", ")"),
            ("f(", ")"),
            ("f(1, ", ")"),
            ("NOT ", ""),
            ("- ", ""),
            ("ARRAY[", "]"),
            ("CASE WHEN true THEN ", " END"),
            ("(SELECT ", ")"),
            ("", " + 1"),
            ("", "::int"),
            ("", " BETWEEN 1 AND 2"),
            ("", " UNION SELECT 1"),
            ("", " || 'a'"),
        ] {
            for times in [50, 1_500, 11_000] {
                let statement = nested(open, close, times);
                let read = matches!(statement.command, Command::Select(_));
                assert!(read != statement.may_write(), "{open}{close} {times}");
                assert_eq!(read, times < 11_000, "{open}{close} {times}: {:?}", statement.errors.first());
            }
        }
        // Rows of VALUES are beside each other.
        let rows = format!("INSERT INTO t VALUES {}(1, 'a')", "(1, now()), ".repeat(5_000));
        assert!(matches!(one(&rows).command, Command::Insert(_)));
    }

    #[test]
    fn a_dump_of_psql_is_read_with_its_commands_and_rows() {
        let dump =
            "\\restrict abc\r\nSET lock_timeout = 0;\r\nCOPY public.t (a) FROM stdin;\r\n1;\r\n\\.\r\n\r\n\\! ls\r\n";
        let script = Script::parse_psql(dump);
        let names: Vec<&str> = script.psql.iter().map(|command| command.name.as_str()).collect();
        assert_eq!(names, ["restrict", "!"]);
        assert_eq!(&dump[script.psql[0].span.clone()], "\\restrict abc");
        let rows = script.statements[1].rows.clone().unwrap();
        assert_eq!((&dump[rows], script.statements.len()), ("1;\r\n", 2));
        assert!(script.statements.iter().all(|statement| statement.errors.is_empty()));
        let as_sent = Script::parse(dump);
        assert!(as_sent.psql.is_empty() && as_sent.statements[0].command == Command::Other);
    }

    #[test]
    fn places_are_those_of_the_script() {
        let sql = "SELECT 1;\n  ALTER TABLE t ADD CHECK (a > 0);";
        let Command::AlterTable(table) = &Script::parse(sql).statements[1].command else { panic!() };
        let super::super::TableAction::AddConstraint(constraint) = &table.actions[0] else { panic!() };
        let super::super::Rule::Check(check) = &constraint.rule else { panic!() };
        assert_eq!((&sql[check.span.clone()], check.text.as_str()), ("a > 0", "a > 0"));
    }

    /// A line for each statement and command of a file, for each of the two ways of reading it.
    fn listed(text: &str) -> String {
        let mut listed = String::new();
        for (reader, script) in [("as sent", Script::parse(text)), ("by psql", Script::parse_psql(text))] {
            let line = |at: usize| text[..at].matches('\n').count() + 1;
            listed += &format!("{reader}:\n");
            for it in &script.statements {
                let command = format!("{:?}", it.command);
                let command = command.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                let marks = [
                    (it.may_write(), "may write"),
                    (it.forbids_transaction(), "no transaction"),
                    (it.controls_transaction(), "transaction"),
                ];
                let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
                let relations: Vec<String> =
                    it.relations.iter().map(|it| format!("{:?} {}", it.access, it.name)).collect();
                let lines = (line(it.span.start), line(it.span.end));
                listed += &format!("{}-{} {command} [{}] {}", lines.0, lines.1, marks.join(", "), relations.join(", "));
                if let Some(error) = it.errors.first() {
                    listed += &format!(" line {}: {}", line(error.span.start), error.message);
                }
                if let Some(rows) = &it.rows {
                    listed += &format!(" {:?}", &text[rows.clone()]);
                }
                listed = listed.trim_end().to_owned() + "\n";
            }
            for it in &script.psql {
                listed += &format!("{} \\{}\n", line(it.span.start), it.name);
            }
        }
        listed
    }

    #[test]
    fn files_that_are_hard_to_read_are_read_right() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sql");
        for name in ["hard", "windows", "broken", "dump"] {
            let text = std::fs::read_to_string(folder.join(name).with_extension("sql")).unwrap();
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(&folder);
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.bind(|| insta::assert_snapshot!(name, listed(&text)));
        }
    }
}

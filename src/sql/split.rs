//! Where a statement ends, decided by tokens alone: it must be right whatever the parser makes of the text.
//!
//! Rules: `psqlscan.l` of psql, which agrees with the server's grammar wherever a text can be parsed.

use std::collections::VecDeque;
use std::ops::Range;

use super::token::{Kind, Lexer, Token, words};

/// A stretch of a script that is no white space and no comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A statement without its semicolon.
    Statement(Range<usize>),
    /// A backslash command of psql, without the end of its line.
    Command(Range<usize>),
    /// The rows of a `COPY … FROM stdin`, without the line of `\.`.
    Rows {
        /// Which of the statements, from 0, they belong to.
        statement: usize,
        /// Their bytes.
        span: Range<usize>,
    },
}

/// Who reads a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The server, to which a client sends it as it is: a backslash is an error of the statement.
    Server,
    /// psql, which has commands of its own and sends the rows of a COPY from the script.
    Psql,
}

/// The statements of a script, without their semicolons; stretches of only comments are left out.
///
/// Semicolons in parentheses (`CREATE RULE … DO (…; …)`) and in the body of a `BEGIN ATOMIC … END` function end
/// nothing.
#[must_use]
pub fn statements(sql: &str) -> Vec<Range<usize>> {
    let pieces = pieces(sql, Reader::Server).into_iter();
    pieces.filter_map(|piece| if let Piece::Statement(span) = piece { Some(span) } else { None }).collect()
}

pub(super) fn pieces(sql: &str, reader: Reader) -> Vec<Piece> {
    let mut splitter = Splitter {
        sql,
        lexer: Lexer::new(sql),
        pieces: Vec::new(),
        statements: 0,
        open: Open::default(),
        copies: VecDeque::new(),
    };
    splitter.run(reader);
    splitter.pieces
}

/// The statement that is being read.
#[derive(Default)]
struct Open {
    /// Its first and last bytes so far, once it has any.
    span: Option<Range<usize>>,
    parentheses: usize,
    head: Head,
    /// BEGIN ATOMIC and CASE whose END has not come.
    blocks: usize,
    copy: Copy,
    /// The last token that is no space, folded.
    previous: String,
}

/// How much of `CREATE [OR REPLACE] FUNCTION | PROCEDURE` has been read.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Head {
    #[default]
    Start,
    Create,
    Or,
    Replace,
    Routine,
    Other,
}

/// How much of `COPY … FROM STDIN` has been read.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Copy {
    #[default]
    No,
    Begun,
    FromStdin,
}

struct Splitter<'s> {
    sql: &'s str,
    lexer: Lexer<'s>,
    pieces: Vec<Piece>,
    /// How many of the pieces are statements.
    statements: usize,
    open: Open,
    /// The statements whose rows begin with the next line.
    copies: VecDeque<usize>,
}

impl Splitter<'_> {
    fn run(&mut self, reader: Reader) {
        while let Some(token) = self.lexer.next() {
            let text = &self.sql[token.span.clone()];
            if !self.copies.is_empty()
                && let Some(line_end) = text.find('\n').filter(|_| token.kind == Kind::Space)
            {
                self.rows(token.span.start + line_end + 1);
                continue;
            }
            match token.kind {
                Kind::Space => {}
                Kind::Semicolon if self.open.parentheses == 0 && self.open.blocks == 0 => self.close(reader),
                Kind::Symbol if reader == Reader::Psql && text == "\\" => self.command(token.span.start),
                _ => self.add(&token, text),
            }
        }
        self.close(reader);
    }

    fn add(&mut self, token: &Token, text: &str) {
        let open = &mut self.open;
        let start = open.span.as_ref().map_or(token.span.start, |span| span.start);
        let first = open.span.is_none();
        open.span = Some(start..token.span.end);
        match (token.kind, text) {
            (Kind::Symbol, "(") => open.parentheses += 1,
            (Kind::Symbol, ")") => open.parentheses = open.parentheses.saturating_sub(1),
            _ => {}
        }
        let word = if token.kind == Kind::Word { text.to_ascii_lowercase() } else { String::new() };
        open.head = match (open.head, word.as_str()) {
            (Head::Start, "create") => Head::Create,
            (Head::Create, "or") => Head::Or,
            (Head::Or, "replace") => Head::Replace,
            (Head::Create | Head::Replace, "function" | "procedure") => Head::Routine,
            (Head::Routine, _) => Head::Routine,
            _ => Head::Other,
        };
        // Behind AS and a dot a keyword is a name.
        let is_name = matches!(open.previous.as_str(), "as" | ".");
        if open.head == Head::Routine && open.parentheses == 0 && !is_name {
            match word.as_str() {
                "atomic" if open.previous == "begin" => open.blocks += 1,
                "case" if open.blocks > 0 => open.blocks += 1,
                "end" => open.blocks = open.blocks.saturating_sub(1),
                _ => {}
            }
        }
        open.copy = match (open.copy, word.as_str()) {
            (Copy::No, "copy") if first => Copy::Begun,
            (Copy::Begun, "stdin" | "stdout") if open.previous == "from" && open.parentheses == 0 => Copy::FromStdin,
            (copy, _) => copy,
        };
        open.previous = if word.is_empty() { text.to_owned() } else { word };
    }

    /// Ends the statement, if there is one.
    fn close(&mut self, reader: Reader) {
        let open = std::mem::take(&mut self.open);
        if let Some(span) = open.span {
            self.pieces.push(Piece::Statement(span));
            if open.copy == Copy::FromStdin && reader == Reader::Psql {
                self.copies.push_back(self.statements);
            }
            self.statements += 1;
        }
    }

    /// A backslash command. Those that send what stands before them end the statement; any other leaves it open, so
    /// that it holds text that is no SQL.
    fn command(&mut self, at: usize) {
        let rest = &self.sql[at + 1..];
        let name = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let name = &rest[..name];
        let sends = name.starts_with('g') || ["crosstabview", "watch"].contains(&name) || rest.starts_with(';');
        if sends {
            self.close(Reader::Psql);
        }
        if rest.starts_with(';') {
            self.lexer.skip_to(at + 2);
            return;
        }
        let line_end = at + self.sql[at..].find(['\n', '\r']).unwrap_or(self.sql.len() - at);
        let command = self.sql[at..line_end].trim_end();
        // The rows of a `\copy … from stdin` are a part of it.
        let takes_rows = name == "copy" && words(command).windows(2).any(|pair| pair == ["from", "stdin"]);
        let end = match self.sql[line_end..].find('\n') {
            Some(newline) if takes_rows => self.rows_end(line_end + newline + 1).1,
            _ => line_end,
        };
        self.pieces.push(Piece::Command(at..if takes_rows { end } else { at + command.len() }));
        if ["r", "reset"].contains(&name) {
            self.open = Open::default();
        }
        self.lexer.skip_to(end);
    }

    /// The rows that begin at the start of a line, up to a line of `\.`, for each COPY of the line before.
    fn rows(&mut self, mut at: usize) {
        while let Some(statement) = self.copies.pop_front() {
            let (last, end) = self.rows_end(at);
            self.pieces.push(Piece::Rows { statement, span: at..last });
            at = end;
        }
        self.lexer.skip_to(at);
    }

    /// Where rows that begin at the start of a line end, and where the line of `\.` behind them does.
    fn rows_end(&self, at: usize) -> (usize, usize) {
        let mut line = at;
        loop {
            let length = self.sql[line..].find('\n').map(|length| length + 1);
            let text = &self.sql[line..length.map_or(self.sql.len(), |length| line + length)];
            if text.trim_end_matches(['\n', '\r']) == "\\." || text.is_empty() {
                return (line, line + text.len());
            }
            line += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let found: Vec<&str> = statements(sql).into_iter().map(|span| &sql[span]).collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn statements_end_at_semicolons_outside_everything() {
        check("a; b ;; -- c;\n d", &["a", "b", "d"]);
        check("do $x$ begin; end $x$; select ';'", &["do $x$ begin; end $x$", "select ';'"]);
        check("/* ; /* ; */ ; */ x", &["x"]);
        check("select e'\\';', b'0';x", &["select e'\\';', b'0'", "x"]);
        check("a;\r\n b -- ;\r\n ; c\r\n", &["a", "b", "c"]);
        check("\u{feff}a; b", &["a", "b"]);
        check("a; \\connect b; c", &["a", "\\connect b", "c"]);
        check(" -- nothing\n", &[]);
    }

    #[test]
    fn a_semicolon_in_parentheses_ends_nothing() {
        let rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; INSERT INTO b VALUES (1))";
        check(&format!("{rule}; SELECT 1"), &[rule, "SELECT 1"]);
        check("a ); b; c", &["a )", "b", "c"]);
        check("a ( b; c", &["a ( b; c"]);
    }

    #[test]
    fn a_body_of_statements_stays_in_one_piece() {
        let body = "BEGIN ATOMIC SELECT CASE WHEN true THEN (CASE 1 WHEN 1 THEN 2 END) END; SELECT 2; END";
        for head in ["CREATE FUNCTION f() RETURNS int", "create or replace procedure \"begin\"()"] {
            check(&format!("{head} {body}; SELECT 1"), &[&format!("{head} {body}"), "SELECT 1"]);
        }
        let named = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT t.end, 1 AS case FROM t; SELECT 1 AS end; END";
        check(&format!("{named}; a"), &[named, "a"]);
        // Neither a transaction nor a column is a body.
        check(
            "BEGIN; END; SELECT begin atomic FROM t; SELECT 1",
            &["BEGIN", "END", "SELECT begin atomic FROM t", "SELECT 1"],
        );
        check("CREATE TABLE begin (a int); a", &["CREATE TABLE begin (a int)", "a"]);
    }

    fn check_psql(sql: &str, expected: &[&str]) {
        let found: Vec<String> = pieces(sql, Reader::Psql)
            .into_iter()
            .map(|piece| match piece {
                Piece::Statement(span) => sql[span].to_owned(),
                Piece::Command(span) => format!("command {}", &sql[span]),
                Piece::Rows { span, .. } => format!("rows {:?}", &sql[span]),
            })
            .collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn psql_has_commands_of_its_own() {
        check_psql(
            "\\restrict a'b\nSELECT 1;\n\\unrestrict a'b\n",
            &["command \\restrict a'b", "SELECT 1", "command \\unrestrict a'b"],
        );
        check_psql(
            "SELECT 1 \\gset x_\r\nSELECT 2\\;SELECT 3;",
            &["SELECT 1", "command \\gset x_", "SELECT 2", "SELECT 3"],
        );
        check_psql("SELECT\n\\echo it's;\n1; a", &["command \\echo it's;", "SELECT\n\\echo it's;\n1", "a"]);
        check_psql("SELECT 1\n\\r\nSELECT 2", &["command \\r", "SELECT 2"]);
        check_psql("SELECT '\\echo', \"\\a\" -- \\b\n;", &["SELECT '\\echo', \"\\a\""]);
    }

    #[test]
    fn rows_of_a_copy_are_no_statements() {
        let dump = "COPY public.t (a, b) FROM stdin;\n1;\t'\n\\N\t$$\n\\.\n\n\nSELECT 1;\n";
        check_psql(dump, &["COPY public.t (a, b) FROM stdin", "rows \"1;\\t'\\n\\\\N\\t$$\\n\"", "SELECT 1"]);
        check_psql("copy t from stdin; -- x\r\n1\r\n\\.\r\na", &["copy t from stdin", "rows \"1\\r\\n\"", "a"]);
        check_psql(
            "COPY t FROM STDIN WITH (FORMAT csv);\n\\.\na",
            &["COPY t FROM STDIN WITH (FORMAT csv)", "rows \"\"", "a"],
        );
        check_psql("COPY t FROM stdin;\n1", &["COPY t FROM stdin", "rows \"1\""]);
        check_psql("COPY t FROM stdin", &["COPY t FROM stdin"]);
        check_psql(
            "COPY a FROM stdin; COPY b FROM stdin; x;\n1\n\\.\n2\n\\.\ny",
            &["COPY a FROM stdin", "COPY b FROM stdin", "x", "rows \"1\\n\"", "rows \"2\\n\"", "y"],
        );
        check_psql("COPY (SELECT 1 FROM stdin) TO 'a';\nb", &["COPY (SELECT 1 FROM stdin) TO 'a'", "b"]);
        check_psql(
            "select 0\\; copy a from stdin\\; copy b from stdin\\; x; -- y\n1\n\\.\n2\n\\.\nz",
            &["select 0", "copy a from stdin", "copy b from stdin", "x", "rows \"1\\n\"", "rows \"2\\n\"", "z"],
        );
        check_psql("\\copy t from stdin\n'1\n\\.\na", &["command \\copy t from stdin\n'1\n\\.\n", "a"]);
        check_psql("\\copy t from 'f'\na", &["command \\copy t from 'f'", "a"]);
        // The server is sent the COPY and nothing else.
        check("COPY t FROM stdin; a", &["COPY t FROM stdin", "a"]);
    }
}

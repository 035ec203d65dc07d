//! Where SQL text has strings, comments and names, and where a statement ends.
//!
//! A lexer only: it must not judge SQL (the server does that) and must never change a byte of it.
//! Rules: PostgreSQL documentation, "4.1 Lexical Structure".

use std::ops::Range;

/// What a stretch of SQL text is, as far as splitting and named parameters need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// White space and comments.
    Space,
    /// A string constant, a quoted identifier or a dollar-quoted body.
    Quoted,
    /// A keyword or an unquoted identifier.
    Word,
    /// `:name`, a named parameter.
    Parameter,
    /// `;` outside everything.
    Semicolon,
    /// `(` or `)`, which matter for `BEGIN ATOMIC` bodies no more than other symbols do.
    Symbol,
}

/// A stretch of SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub span: Range<usize>,
}

/// Cuts SQL text into tokens that together cover every byte of it.
#[must_use]
pub fn tokens(sql: &str) -> Vec<Token> {
    let mut lexer = Lexer { sql, bytes: sql.as_bytes(), at: 0 };
    let mut tokens = Vec::new();
    while lexer.at < sql.len() {
        let start = lexer.at;
        let kind = lexer.next();
        tokens.push(Token { kind, span: start..lexer.at });
    }
    tokens
}

/// The statements of a script, without their semicolons; stretches of only comments are left out.
///
/// The body of a `BEGIN ATOMIC … END` function (PostgreSQL 14) stays in one piece.
#[must_use]
pub fn statements(sql: &str) -> Vec<Range<usize>> {
    let mut statements = Vec::new();
    let mut start: Option<usize> = None;
    let mut end = 0;
    let mut depth = 0_usize;
    let mut previous = "";
    for token in tokens(sql) {
        let text = &sql[token.span.clone()];
        match token.kind {
            Kind::Space => continue,
            Kind::Semicolon if depth == 0 => {
                if let Some(start) = start.take() {
                    statements.push(start..end);
                }
                previous = "";
                continue;
            }
            Kind::Word if text.eq_ignore_ascii_case("atomic") && previous.eq_ignore_ascii_case("begin") => depth += 1,
            Kind::Word if 0 < depth && text.eq_ignore_ascii_case("case") => depth += 1,
            Kind::Word if 0 < depth && text.eq_ignore_ascii_case("end") => depth -= 1,
            _ => {}
        }
        start.get_or_insert(token.span.start);
        end = token.span.end;
        previous = text;
    }
    statements.extend(start.map(|start| start..end));
    statements
}

/// Whether a statement may write, by its words: anything but a query, or a query around one that writes.
#[must_use]
pub fn may_write(sql: &str) -> bool {
    const READ: [&str; 11] =
        ["select", "with", "values", "table", "show", "begin", "start", "commit", "end", "rollback", "abort"];
    // `write` as in BEGIN READ WRITE; `into` as in SELECT INTO.
    const WRITE: [&str; 7] = ["insert", "update", "delete", "merge", "truncate", "into", "write"];
    let words = words(sql);
    let Some(first) = words.first() else { return false };
    // FOR UPDATE locks rows, which writes to them.
    !READ.contains(&first.as_str()) || words.iter().any(|word| WRITE.contains(&word.as_str()))
}

/// The keywords and unquoted identifiers of SQL text, folded.
#[must_use]
pub fn words(sql: &str) -> Vec<String> {
    let words = tokens(sql).into_iter().filter(|token| token.kind == Kind::Word);
    words.map(|token| sql[token.span].to_ascii_lowercase()).collect()
}

struct Lexer<'s> {
    sql: &'s str,
    bytes: &'s [u8],
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Kind {
        let byte = self.bytes[self.at];
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                self.skip_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
                Kind::Space
            }
            b'-' if self.rest().starts_with("--") => {
                self.skip_while(|b| b != b'\n');
                Kind::Space
            }
            b'/' if self.rest().starts_with("/*") => {
                self.block_comment();
                Kind::Space
            }
            b'\'' => self.quoted(b'\'', false),
            b'"' => self.quoted(b'"', false),
            b'$' => self.dollar(),
            b';' => self.symbol(Kind::Semicolon),
            b':' if self.rest().starts_with("::") => {
                self.at += 2;
                Kind::Symbol
            }
            b':' if self.bytes.get(self.at + 1).is_some_and(|b| is_word_start(*b)) && !self.inside_slice() => {
                self.at += 1;
                self.skip_while(is_word);
                Kind::Parameter
            }
            byte if is_word_start(byte) => self.word(),
            byte if byte.is_ascii_digit() => {
                self.skip_while(|b| is_word(b) || b == b'.');
                Kind::Symbol
            }
            _ => self.symbol(Kind::Symbol),
        }
    }

    /// `a[lower:upper]`, `a[:upper]`: a colon directly after a word, a digit or a subscript's bracket is
    /// an array slice; after the bracket of `ARRAY[` it is not.
    fn inside_slice(&self) -> bool {
        let before = &self.sql[..self.at];
        match before.strip_suffix('[') {
            Some(subscripted) => {
                let word = subscripted.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
                !word.is_some_and(|word| word.is_empty() || word.eq_ignore_ascii_case("array"))
            }
            None => before.bytes().last().is_some_and(is_word),
        }
    }

    fn word(&mut self) -> Kind {
        let start = self.at;
        self.skip_while(|b| is_word(b) || b == b'$');
        let prefix = &self.sql[start..self.at];
        let quote = self.bytes.get(self.at).copied();
        // E'…' knows backslash escapes; B'', X'', N'' and U&'' do not.
        match quote {
            Some(b'\'') if prefix.eq_ignore_ascii_case("e") => self.quoted(b'\'', true),
            Some(b'\'') if ["b", "x", "n"].iter().any(|p| prefix.eq_ignore_ascii_case(p)) => self.quoted(b'\'', false),
            _ => Kind::Word,
        }
    }

    fn quoted(&mut self, quote: u8, backslash: bool) -> Kind {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if backslash && byte == b'\\' {
                self.at = (self.at + 1).min(self.bytes.len());
            } else if byte == quote {
                if self.bytes.get(self.at) != Some(&quote) {
                    break;
                }
                self.at += 1;
            }
        }
        Kind::Quoted
    }

    fn dollar(&mut self) -> Kind {
        let tag_end = self.bytes[self.at + 1..].iter().position(|b| !is_word(*b)).map(|n| self.at + 1 + n);
        match tag_end {
            Some(end) if self.bytes[end] == b'$' && !self.bytes[self.at + 1].is_ascii_digit() => {
                let tag = &self.sql[self.at..=end];
                let body = end + 1;
                self.at = self.sql[body..].find(tag).map_or(self.sql.len(), |n| body + n + tag.len());
                Kind::Quoted
            }
            _ => {
                self.at += 1;
                self.skip_while(|b| b.is_ascii_digit());
                Kind::Symbol
            }
        }
    }

    /// Block comments nest in PostgreSQL.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.bytes.len() {
            if self.rest().as_bytes().starts_with(b"/*") {
                depth += 1;
                self.at += 2;
            } else if self.bytes[self.at..].starts_with(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
                while !self.sql.is_char_boundary(self.at) {
                    self.at += 1;
                }
            }
        }
    }

    fn symbol(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        while !self.sql.is_char_boundary(self.at) {
            self.at += 1;
        }
        kind
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|b| keep(*b)) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &str {
        &self.sql[self.at..]
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || 0x80 <= byte
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        statements(sql).into_iter().map(|span| &sql[span]).collect()
    }

    fn parameters(sql: &str) -> Vec<&str> {
        tokens(sql).into_iter().filter(|t| t.kind == Kind::Parameter).map(|t| &sql[t.span]).collect()
    }

    #[test]
    fn tokens_cover_every_byte() {
        let sql = "SELECT 'é', \"ü\" /* ñ /* x */ */ -- ß\n, $1, $$ ; $$, e'\\'' FROM t;";
        let mut at = 0;
        for token in tokens(sql) {
            assert_eq!(token.span.start, at);
            at = token.span.end;
        }
        assert_eq!(at, sql.len());
    }

    #[test]
    fn statements_end_at_semicolons_outside_everything() {
        assert_eq!(split("a; b ;; -- c;\n d"), ["a", "b", "d"]);
        assert_eq!(split("do $x$ begin; end $x$; select ';'"), ["do $x$ begin; end $x$", "select ';'"]);
        assert_eq!(split("/* ; /* ; */ ; */ x"), ["x"]);
        let body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END";
        assert_eq!(split(&format!("{body}; SELECT 1")), [body, "SELECT 1"]);
        assert_eq!(split("select e'\\';', b'0';x"), ["select e'\\';', b'0'", "x"]);
        assert_eq!(split(" -- nothing\n"), Vec::<&str>::new());
    }

    #[test]
    fn what_may_write_is_told_by_its_words() {
        for sql in ["SELECT 'insert'", "WITH a AS (SELECT 1) TABLE a", "BEGIN", " -- delete\nVALUES (1)"] {
            assert!(!may_write(sql), "{sql}");
        }
        for sql in [
            "UPDATE t SET a = 1",
            "WITH a AS (DELETE FROM t RETURNING *) SELECT 1",
            "SELECT 1 FOR UPDATE",
            "CALL p()",
            "BEGIN READ WRITE",
            "SELECT 1 INTO t",
        ] {
            assert!(may_write(sql), "{sql}");
        }
    }

    #[test]
    fn parameters_are_names_after_a_lone_colon() {
        assert_eq!(parameters("a = :user AND b = :status::text"), [":user", ":status"]);
        assert_eq!(parameters("x::int, ':no', \":no\", /* :no */ $$ :no $$ -- :no"), Vec::<&str>::new());
        assert_eq!(parameters("a[1:n], a[lo:hi], a[:n]"), Vec::<&str>::new());
        assert_eq!(parameters("= ANY(ARRAY[:a, :b]), array [[:c]]"), [":a", ":b", ":c"]);
    }
}

//! Where SQL text has strings, comments, names and named parameters. Must not judge SQL and must never change a
//! byte of it.
//!
//! The tokens are those of `squawk-lexer`, which follows PostgreSQL's `scan.l`; this file adds what it leaves out:
//! parts of an `E'…'` string on lines of their own, and `:name`, which is no SQL.

use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind};

/// What a stretch of SQL text is, as far as splitting and named parameters need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// White space, comments and a byte order mark at the start.
    Space,
    /// A string constant, a quoted identifier or a dollar-quoted body.
    Quoted,
    /// A keyword or an unquoted identifier.
    Word,
    /// `:name`, a named parameter.
    Parameter,
    /// `;` outside everything.
    Semicolon,
    /// A number, a bracket or a character of an operator; `::` is one.
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
    Lexer::new(sql).collect()
}

/// The keywords and unquoted identifiers of SQL text, folded.
#[must_use]
pub fn words(sql: &str) -> Vec<String> {
    let words = Lexer::new(sql).filter(|token| token.kind == Kind::Word);
    words.map(|token| sql[token.span].to_ascii_lowercase()).collect()
}

/// Gives one token after the other, and can go on behind text that is no SQL.
pub(super) struct Lexer<'s> {
    sql: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(sql: &'s str) -> Self {
        Self { sql, at: 0 }
    }

    /// Goes on at this byte.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    fn kind(&mut self) -> Kind {
        let rest = &self.sql[self.at..];
        let byte = rest.as_bytes()[0];
        if byte == b':' && rest.starts_with("::") {
            self.at += 2;
            return Kind::Symbol;
        }
        if byte == b':' && rest[1..].bytes().next().is_some_and(is_word_start) && !self.inside_slice() {
            self.at += 1 + rest[1..].bytes().take_while(|byte| is_word(*byte)).count();
            return Kind::Parameter;
        }
        // Only the first bytes of a file are a byte order mark; elsewhere it is a letter to the server.
        if self.at > 0 && rest.starts_with(squawk_lexer::BOM) {
            self.at += rest.bytes().take_while(|byte| is_word(*byte)).count();
            return Kind::Word;
        }
        let Some(token) = squawk_lexer::tokenize(rest).next() else {
            self.at = self.sql.len();
            return Kind::Symbol;
        };
        self.at += token.len as usize;
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => Kind::Space,
            TokenKind::Ident => Kind::Word,
            TokenKind::Semi => Kind::Semicolon,
            TokenKind::QuotedIdent { .. } => Kind::Quoted,
            TokenKind::Literal { kind: LiteralKind::Int { .. } | LiteralKind::Numeric { .. } } => Kind::Symbol,
            TokenKind::Literal { kind } => {
                if let LiteralKind::EscStr { terminated: true } = kind {
                    self.escaped_parts();
                }
                Kind::Quoted
            }
            _ => Kind::Symbol,
        }
    }

    /// Further parts of an `E'…'` string: constants that only white space with a line break separates are one, and
    /// backslashes escape in all of them. `scan.l`: `quotecontinue`.
    fn escaped_parts(&mut self) {
        while let Some(start) = self.next_part() {
            let bytes = self.sql.as_bytes();
            let mut at = start + 1;
            loop {
                match bytes.get(at) {
                    None => break,
                    Some(b'\\') => at += 2,
                    Some(b'\'') if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                    Some(b'\'') => {
                        at += 1;
                        break;
                    }
                    Some(_) => at += 1,
                }
            }
            self.at = at.min(bytes.len());
            while !self.sql.is_char_boundary(self.at) {
                self.at += 1;
            }
        }
    }

    /// Where the quote of the next part is.
    fn next_part(&self) -> Option<usize> {
        let bytes = self.sql.as_bytes();
        let (mut at, mut broken) = (self.at, false);
        loop {
            match bytes.get(at)? {
                b'\n' | b'\r' => {
                    broken = true;
                    at += 1;
                }
                b' ' | b'\t' | 0x0b | 0x0c => at += 1,
                b'-' if bytes.get(at + 1) == Some(&b'-') => {
                    at += bytes[at..].iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
                }
                b'\'' if broken => return Some(at),
                _ => return None,
            }
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
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if self.at >= self.sql.len() {
            return None;
        }
        let start = self.at;
        let kind = self.kind();
        Some(Token { kind, span: start..self.at })
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_kind(sql: &str, kind: Kind) -> Vec<&str> {
        tokens(sql).into_iter().filter(|t| t.kind == kind).map(|t| &sql[t.span]).collect()
    }

    #[test]
    fn tokens_cover_every_byte() {
        let sql = "\u{feff}SELECT 'é', \"ü\" /* ñ /* x */ */ -- ß\n, $1, $$ ; $$, e'\\'' \
                   FROM t, \u{feff}x, e'a'\n'\\";
        let mut at = 0;
        for token in tokens(sql) {
            assert_eq!(token.span.start, at);
            at = token.span.end;
        }
        assert_eq!(at, sql.len());
        assert_eq!(words(sql), ["select", "from", "t", "\u{feff}x"]);
    }

    #[test]
    fn strings_end_where_the_server_ends_them() {
        for (sql, quoted) in [
            ("select e'\\';', b'0', x'1f', n'a;', u&'\\0061' uescape '!'", 6),
            ("'a'';b' 'c\\'", 2),
            ("$$ ; $$ $a$ ; $$ $b$ $a $a$ $_1$;$_1$", 3),
            ("E'a'\n  'b\\';' -- x\n'c\\''", 1),
            ("E'a' -- ;\r'\\''", 1),
            ("E'a' 'b\\'", 2),
            ("E'a' /* ; */\n'b\\'", 2),
            ("'a'\n'b\\'", 2),
            ("U&\"d\\0061;\" \"a\"\";\"", 2),
        ] {
            assert_eq!(of_kind(sql, Kind::Quoted).len(), quoted, "{sql}");
            assert_eq!(of_kind(sql, Kind::Semicolon), Vec::<&str>::new(), "{sql}");
        }
        // An identifier may hold a dollar sign, and a line comment ends at a carriage return too.
        assert_eq!(of_kind("a$b$; $1$2; -- x\r;", Kind::Semicolon).len(), 3);
    }

    #[test]
    fn parameters_are_names_after_a_lone_colon() {
        let parameters = |sql| of_kind(sql, Kind::Parameter);
        assert_eq!(parameters("a = :user AND b = :status::text"), [":user", ":status"]);
        assert_eq!(parameters("x::int, ':no', \":no\", /* :no */ $$ :no $$ -- :no"), Vec::<&str>::new());
        assert_eq!(parameters("a[1:n], a[lo:hi], a[:n]"), Vec::<&str>::new());
        assert_eq!(parameters("= ANY(ARRAY[:a, :b]), array [[:c]]"), [":a", ":b", ":c"]);
    }
}

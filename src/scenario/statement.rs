//! SQL with named parameters, as the server wants it: `:user` becomes `$1`. Must keep the way back to the file.

use std::ops::Range;

use crate::sql::{Kind, tokens};

/// A statement with numbered parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// With `$1`, `$2` … in the place of names.
    pub sql: String,
    /// Names in the order of their numbers.
    pub names: Vec<String>,
    /// Bytes of each use in the original text, with the position in `names`.
    pub uses: Vec<(usize, Range<usize>)>,
    /// (start in `sql`, start in the original) of every copied stretch, ascending.
    origins: Vec<(usize, usize)>,
}

impl Statement {
    /// Numbers the parameters of a text; the same name gets the same number.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut statement =
            Self { sql: String::with_capacity(text.len()), names: Vec::new(), uses: Vec::new(), origins: Vec::new() };
        for token in tokens(text) {
            statement.origins.push((statement.sql.len(), token.span.start));
            let piece = &text[token.span.clone()];
            if token.kind != Kind::Parameter {
                statement.sql.push_str(piece);
                continue;
            }
            let name = &piece[1..];
            let position = statement.names.iter().position(|known| known == name).unwrap_or_else(|| {
                statement.names.push(name.to_owned());
                statement.names.len() - 1
            });
            statement.uses.push((position, token.span));
            statement.sql.push_str(&format!("${}", position + 1));
        }
        statement
    }

    /// Where a byte of `sql` stood in the original text.
    #[must_use]
    pub fn origin(&self, at: usize) -> usize {
        let index = self.origins.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        self.origins.get(index).map_or(at, |(start, original)| original + (at - start))
    }

    /// Byte offset in the original text of the character the server counts to (from 1).
    #[must_use]
    pub fn server_position(&self, character: usize) -> usize {
        let byte = self.sql.char_indices().nth(character.saturating_sub(1)).map_or(self.sql.len(), |(byte, _)| byte);
        self.origin(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_places_find_back() {
        let text = "SELECT ':no', x::text FROM t WHERE a = :user AND b = :status OR c = :user";
        let statement = Statement::new(text);
        assert_eq!(statement.sql, "SELECT ':no', x::text FROM t WHERE a = $1 AND b = $2 OR c = $1");
        assert_eq!(statement.names, ["user", "status"]);
        let at = statement.sql.find("b =").unwrap();
        assert_eq!(&text[statement.origin(at)..][..3], "b =");
        assert_eq!(&text[statement.server_position(at + 1)..][..3], "b =");
        assert_eq!(statement.uses.len(), 3);
    }
}

//! Conditions as the server writes them (`pg_get_expr`): text to a tree. Must know no column and solve nothing.
//!
//! What it does not understand becomes [`Tree::Unknown`], never an error: the server itself judges the rows in the end.

use crate::sql::{Kind, tokens};

/// A node of a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A column, or VALUE of a domain.
    Column(String),
    /// A text, also for times, enums and everything else in quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// TRUE or FALSE.
    Bool(bool),
    /// A length of time: months, and microseconds.
    Interval(i64, i64),
    /// NULL
    Null,
    /// A function with arguments.
    Call(String, Vec<Tree>),
    /// `ARRAY[…]`
    Array(Vec<Tree>),
    /// A comparison or another operator, as written.
    Binary(String, Box<Tree>, Box<Tree>),
    /// All of them.
    And(Vec<Tree>),
    /// One of them.
    Or(Vec<Tree>),
    /// Not it.
    Not(Box<Tree>),
    /// `IS NULL`
    IsNull(Box<Tree>),
    /// `x op ANY (list)`
    Any(String, Box<Tree>, Vec<Tree>),
    /// `x op ALL (list)`
    All(String, Box<Tree>, Vec<Tree>),
    /// Something else, as written.
    Unknown(String),
}

/// Parses a condition.
#[must_use]
pub fn parse(sql: &str) -> Tree {
    let mut parser = Parser { words: words(sql), at: 0 };
    match parser.or() {
        Some(tree) if parser.at == parser.words.len() => tree,
        _ => Tree::Unknown(sql.to_owned()),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Word {
    Name(String),
    Quoted(String),
    Text(String),
    Number(f64),
    Symbol(String),
}

fn words(sql: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut end = usize::MAX;
    for token in tokens(sql) {
        let text = &sql[token.span.clone()];
        let adjacent = end == token.span.start;
        end = token.span.end;
        match token.kind {
            Kind::Space => {}
            Kind::Word => found.push(Word::Name(text.to_owned())),
            Kind::Quoted if text.starts_with('"') => {
                found.push(Word::Quoted(text[1..text.len() - 1].replace("\"\"", "\"")));
            }
            Kind::Quoted => found.push(Word::Text(unquote(text))),
            _ if text.starts_with(|c: char| c.is_ascii_digit()) => {
                found.push(text.parse().map_or_else(|_| Word::Symbol(text.to_owned()), Word::Number));
            }
            _ => {
                // Operators of several characters come one by one.
                if let (true, Some(Word::Symbol(last))) = (adjacent, found.last_mut())
                    && is_operator(last)
                    && is_operator(text)
                {
                    last.push_str(text);
                } else {
                    found.push(Word::Symbol(text.to_owned()));
                }
            }
        }
    }
    found
}

fn is_operator(text: &str) -> bool {
    text != "::" && text.chars().all(|c| "<>=!~*+-/%|&^#@?".contains(c))
}

fn unquote(text: &str) -> String {
    let escaped = text.starts_with(['E', 'e']);
    let inner = text.trim_start_matches(['E', 'e']);
    let inner = inner.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(inner).replace("''", "'");
    if escaped { inner.replace("\\\\", "\\") } else { inner }
}

struct Parser {
    words: Vec<Word>,
    at: usize,
}

impl Parser {
    fn or(&mut self) -> Option<Tree> {
        let mut list = vec![self.and()?];
        while self.take_name("or") {
            list.push(self.and()?);
        }
        Some(if list.len() == 1 { list.remove(0) } else { Tree::Or(list) })
    }

    fn and(&mut self) -> Option<Tree> {
        let mut list = vec![self.not()?];
        while self.take_name("and") {
            list.push(self.not()?);
        }
        Some(if list.len() == 1 { list.remove(0) } else { Tree::And(list) })
    }

    fn not(&mut self) -> Option<Tree> {
        if self.take_name("not") {
            return Some(Tree::Not(Box::new(self.not()?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Tree> {
        let mut left = self.operand()?;
        loop {
            if self.take_name("is") {
                let negated = self.take_name("not");
                if self.take_name("distinct") {
                    self.take_name("from").then_some(())?;
                    let other = self.operand()?;
                    left = distinct(&left, &other, !negated);
                    continue;
                }
                let mut tested = if self.take_name("null") {
                    Tree::IsNull(Box::new(left))
                } else if self.take_name("true") {
                    known(&left, left.clone())
                } else if self.take_name("false") {
                    known(&left, Tree::Not(Box::new(left.clone())))
                } else {
                    return None;
                };
                if negated {
                    tested = Tree::Not(Box::new(tested));
                }
                left = tested;
                continue;
            }
            let Some(Word::Symbol(operator)) = self.peek().cloned() else { return Some(left) };
            if !is_operator(&operator) {
                return Some(left);
            }
            self.at += 1;
            let quantified = if self.take_name("any") { Some(true) } else { self.take_name("all").then_some(false) };
            left = match quantified {
                Some(any) => {
                    let list = match self.operand()? {
                        Tree::Array(items) => items,
                        Tree::Text(text) => list_of(&text)?,
                        _ => return None,
                    };
                    if any {
                        Tree::Any(operator, Box::new(left), list)
                    } else {
                        Tree::All(operator, Box::new(left), list)
                    }
                }
                None => Tree::Binary(operator, Box::new(left), Box::new(self.operand()?)),
            };
        }
    }

    fn operand(&mut self) -> Option<Tree> {
        let mut tree = self.primary()?;
        while self.take_symbol("::") {
            let name = match self.peek() {
                Some(Word::Name(name)) => name.to_lowercase(),
                _ => String::new(),
            };
            self.skip_type()?;
            // A cast to a number makes one of a text; any other changes no value we care about: '007' stays as it is.
            if let Tree::Text(text) = &tree
                && let Some(number) = number_of(text, &name)
            {
                tree = Tree::Number(number);
            }
            if let Tree::Text(text) = &tree
                && let Some(length) = interval(text).filter(|_| name == "interval")
            {
                tree = length;
            }
        }
        Some(tree)
    }

    fn primary(&mut self) -> Option<Tree> {
        let word = self.peek()?.clone();
        self.at += 1;
        match word {
            Word::Number(number) => Some(Tree::Number(number)),
            Word::Text(text) => Some(Tree::Text(text)),
            Word::Quoted(name) => self.path(name),
            Word::Symbol(symbol) if symbol == "(" => {
                let inner = self.or()?;
                self.take_symbol(")").then_some(inner)
            }
            Word::Symbol(symbol) if symbol == "-" => match self.operand()? {
                Tree::Number(number) => Some(Tree::Number(-number)),
                other => Some(Tree::Binary("-".to_owned(), Box::new(Tree::Number(0.0)), Box::new(other))),
            },
            Word::Symbol(_) => None,
            Word::Name(name) => self.name(&name.to_lowercase()),
        }
    }

    fn name(&mut self, name: &str) -> Option<Tree> {
        match name {
            "null" => return Some(Tree::Null),
            "true" => return Some(Tree::Bool(true)),
            "false" => return Some(Tree::Bool(false)),
            "current_date" | "current_timestamp" | "localtimestamp" => {
                return Some(Tree::Call("now".to_owned(), Vec::new()));
            }
            "array" if self.take_symbol("[") => return Some(Tree::Array(self.list("]")?)),
            "case" => return None,
            _ => {}
        }
        self.path(name.to_owned())
    }

    /// A column, or a call, after the first part of its name.
    fn path(&mut self, first: String) -> Option<Tree> {
        let mut name = first;
        while self.take_symbol(".") {
            name = match self.peek()?.clone() {
                Word::Name(part) => part.to_lowercase(),
                Word::Quoted(part) => part,
                _ => return None,
            };
            self.at += 1;
        }
        if self.take_symbol("(") {
            return Some(Tree::Call(name, self.list(")")?));
        }
        Some(Tree::Column(name))
    }

    fn list(&mut self, close: &str) -> Option<Vec<Tree>> {
        let mut items = Vec::new();
        if self.take_symbol(close) {
            return Some(items);
        }
        loop {
            items.push(self.or()?);
            if self.take_symbol(close) {
                return Some(items);
            }
            if !self.take_symbol(",") {
                return None;
            }
        }
    }

    /// `character varying(20)[]`, `timestamp with time zone`, `public."Mood"`.
    fn skip_type(&mut self) -> Option<()> {
        loop {
            match self.peek()? {
                Word::Name(_) | Word::Quoted(_) => self.at += 1,
                _ => return None,
            }
            if self.take_symbol(".") {
                continue;
            }
            let more = ["varying", "precision", "with", "without", "time", "zone"];
            match self.peek() {
                Some(Word::Name(name)) if more.contains(&name.as_str()) => {}
                _ => break,
            }
        }
        if self.take_symbol("(") {
            self.list(")")?;
            // `timestamp(3) with time zone`
            while ["with", "without", "time", "zone"].iter().any(|word| self.take_name(word)) {}
        }
        while self.take_symbol("[") {
            self.take_symbol("]").then_some(())?;
        }
        Some(())
    }

    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Some(Word::Name(word)) if word.eq_ignore_ascii_case(name));
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Word::Symbol(word)) if word == symbol);
        self.at += usize::from(found);
        found
    }
}

/// `IS DISTINCT FROM`: of a constant, NULL counts as something else.
fn distinct(left: &Tree, right: &Tree, want: bool) -> Tree {
    let other = |operator: &str| Tree::Binary(operator.to_owned(), Box::new(left.clone()), Box::new(right.clone()));
    let absent = Tree::IsNull(Box::new(left.clone()));
    match (right, want) {
        (Tree::Null, true) => Tree::Not(Box::new(absent)),
        (Tree::Null, false) => absent,
        (_, true) => Tree::Or(vec![absent, other("<>")]),
        (_, false) => Tree::And(vec![Tree::Not(Box::new(absent)), other("=")]),
    }
}

/// An interval as the server writes it: `1 year 2 mons -3 days 04:05:06.5`.
pub(in crate::seed) fn interval(text: &str) -> Option<Tree> {
    const SECOND: f64 = 1e6;
    let (mut months, mut micros) = (0.0, 0.0);
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            let sign = if word.starts_with('-') { -1.0 } else { 1.0 };
            let parts = word.trim_start_matches(['-', '+']).split(':').map(|part| part.parse::<f64>().ok());
            let parts: Vec<f64> = parts.collect::<Option<_>>()?;
            let [hours, minutes, seconds] = parts.as_slice() else { return None };
            micros += sign * (hours * 3600.0 + minutes * 60.0 + seconds) * SECOND;
            continue;
        }
        let number: f64 = word.parse().ok()?;
        match words.next()?.trim_end_matches('s') {
            "year" => months += 12.0 * number,
            "mon" | "month" => months += number,
            "day" => micros += number * 86_400.0 * SECOND,
            "hour" => micros += number * 3600.0 * SECOND,
            "min" | "minute" => micros += number * 60.0 * SECOND,
            "sec" | "second" => micros += number * SECOND,
            _ => return None,
        }
    }
    Some(Tree::Interval(months as i64, micros as i64))
}

/// A text as the number that a cast makes of it.
fn number_of(text: &str, kind: &str) -> Option<f64> {
    let found = match kind {
        "money" => text.replace(['$', ','], "").parse::<f64>().ok(),
        _ if NUMERIC.contains(&kind) => text.parse::<f64>().ok(),
        _ => None,
    };
    found.filter(|n| n.is_finite())
}

/// A test of a flag that is not NULL; of more than a column, the test alone.
fn known(flag: &Tree, test: Tree) -> Tree {
    match flag {
        Tree::Column(_) => Tree::And(vec![Tree::Not(Box::new(Tree::IsNull(Box::new(flag.clone())))), test]),
        _ => test,
    }
}

/// `{a,b}`: an array as one text.
pub(super) fn list_of(text: &str) -> Option<Vec<Tree>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    if inner.contains(['{', '\\']) {
        return None;
    }
    let plain = |item: &str| item.trim_matches('"').to_owned();
    let number = |item: &str| item.parse::<f64>().ok().filter(|n| n.is_finite() && n.to_string() == item);
    Some(inner.split(',').map(|item| number(item).map_or_else(|| Tree::Text(plain(item)), Tree::Number)).collect())
}

const NUMERIC: [&str; 8] = ["smallint", "integer", "bigint", "numeric", "decimal", "real", "double", "float"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_writes_is_read() {
        let in_list = "((status)::text = ANY ((ARRAY['a'::character varying, 'it''s'::character varying])::text[]))";
        let Tree::Any(operator, column, list) = parse(in_list) else { panic!("{:?}", parse(in_list)) };
        assert_eq!((operator.as_str(), *column), ("=", Tree::Column("status".to_owned())));
        assert_eq!(list, [Tree::Text("a".to_owned()), Tree::Text("it's".to_owned())]);

        let Tree::And(both) =
            parse("((price >= (0)::numeric) AND (\"Until\" > '2024-01-01 00:00:00+00'::timestamp with time zone))")
        else {
            panic!()
        };
        assert_eq!(both.len(), 2);
        let Tree::Binary(operator, left, right) = &both[1] else { panic!("{both:?}") };
        assert_eq!((operator.as_str(), &**left), (">", &Tree::Column("Until".to_owned())));
        assert_eq!(**right, Tree::Text("2024-01-01 00:00:00+00".to_owned()));

        assert!(matches!(parse("(num_nonnulls(a, b) = 1)"), Tree::Binary(..)));
        assert!(matches!(parse("((code)::text ~ '^[A-Z]{2}$'::text)"), Tree::Binary(op, ..) if op == "~"));
        assert!(matches!(parse("((a IS NULL) = (b IS NOT NULL))"), Tree::Binary(..)));
        assert!(matches!(parse("CASE WHEN a THEN b ELSE c END"), Tree::Unknown(_)));
    }
}

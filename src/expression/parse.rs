//! The grammar: text to a tree with places. Must not know what any function means.
//!
//! ```text
//! choice   = sum [percent] ( "|" sum [percent] )*          null 97% | after(created_at, 90d)
//! sum      = product (("+" | "-") product)*
//! product  = unary (("*" | "/") unary)*
//! unary    = "-" unary | primary
//! primary  = number | percent | duration | 'text' | path | name "(" [argument ("," argument)*] ")" | "(" choice ")"
//! argument = label ["->"] choice | choice                  succeeded 85    else -> 0    zipf 1.1
//! path     = name ("." name)*                              user_id.created_at    "Odd Name"
//! ```

use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// A node of the tree with its bytes in the expression's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Where it stands.
    pub span: Range<usize>,
}

/// What an expression can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A plain number.
    Number(f64),
    /// `12%`, as 0.12.
    Percent(f64),
    /// `90d`, `2h`, `1.5s`: microseconds.
    Duration(i64),
    /// `'text'`.
    Text(String),
    /// `name` or `name.name`: a column, a parent's column, a curve.
    Path(Vec<String>),
    /// `name(arguments)`.
    Call(String, Vec<Argument>),
    /// An arithmetic operator: `+ - * /`.
    Binary(char, Box<Expr>, Box<Expr>),
    /// Alternatives, each with its share if one was given.
    Choice(Vec<(Option<f64>, Expr)>),
}

/// An argument of a call, perhaps with a label before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The label as written: a name, a text or a number.
    pub label: Option<String>,
    /// The label stood in quotes: it is a text, whatever it looks like.
    pub quoted: bool,
    /// The value.
    pub value: Expr,
}

/// Parses a whole text as one expression.
///
/// # Errors
/// The first place that does not fit the grammar.
pub fn parse(text: &str) -> Result<Expr, Diagnostic> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expr = parser.choice()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.unexpected("the end"));
    }
    Ok(expr)
}

/// Nesting beyond this is refused rather than allowed to exhaust the stack.
const DEEPEST: usize = 64;

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn choice(&mut self) -> Result<Expr, Diagnostic> {
        self.space();
        self.depth += 1;
        if DEEPEST < self.depth {
            return Err(Diagnostic::at(self.at..self.at + 1, "the expression is nested too deeply"));
        }
        let start = self.at;
        let mut branches = vec![self.branch()?];
        while self.take("|") {
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        if branches.len() == 1 && branches[0].0.is_none() {
            return Ok(branches.remove(0).1);
        }
        Ok(Expr { node: Node::Choice(branches), span: start..self.at })
    }

    fn branch(&mut self) -> Result<(Option<f64>, Expr), Diagnostic> {
        let expr = self.sum()?;
        let before = self.at;
        self.space();
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            let share = self.number()?;
            if let Node::Percent(share) = share.node {
                return Ok((Some(share), expr));
            }
            return Err(Diagnostic::at(share.span, "expected a share such as 12%"));
        }
        self.at = before;
        Ok((None, expr))
    }

    fn sum(&mut self) -> Result<Expr, Diagnostic> {
        self.operators(&['+', '-'], Self::product)
    }

    fn product(&mut self) -> Result<Expr, Diagnostic> {
        self.operators(&['*', '/'], Self::unary)
    }

    fn operators(
        &mut self,
        operators: &[char],
        operand: fn(&mut Self) -> Result<Expr, Diagnostic>,
    ) -> Result<Expr, Diagnostic> {
        let mut left = operand(self)?;
        loop {
            self.space();
            match self.peek() {
                Some(c) if operators.contains(&c) && !self.text[self.at..].starts_with("->") => {
                    self.at += 1;
                    let right = operand(self)?;
                    let span = left.span.start..right.span.end;
                    left = Expr { node: Node::Binary(c, Box::new(left), Box::new(right)), span };
                }
                _ => return Ok(left),
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, Diagnostic> {
        self.space();
        let start = self.at;
        if self.take("-") {
            let operand = self.unary()?;
            let zero = Expr { node: Node::Number(0.0), span: start..start };
            let span = start..operand.span.end;
            return Ok(Expr { node: Node::Binary('-', Box::new(zero), Box::new(operand)), span });
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, Diagnostic> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.choice()?;
                self.close()?;
                Ok(Expr { span: start..self.at, ..inner })
            }
            Some('\'') => self.quoted(),
            Some('"') => {
                let name = self.enclosed("\"", "name")?;
                Ok(Expr { node: Node::Path(vec![name]), span: start..self.at })
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if is_name_start(c) => {
                let mut path = vec![self.name()];
                while self.text[self.at..].starts_with('.') && self.text[self.at + 1..].starts_with(is_name_start) {
                    self.at += 1;
                    path.push(self.name());
                }
                if path.len() == 1 && self.text[self.at..].starts_with('(') {
                    self.at += 1;
                    let arguments = self.arguments()?;
                    return Ok(Expr { node: Node::Call(path.remove(0), arguments), span: start..self.at });
                }
                Ok(Expr { node: Node::Path(path), span: start..self.at })
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, Diagnostic> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.argument()?);
            if !self.take(",") {
                self.close()?;
                return Ok(arguments);
            }
        }
    }

    /// A label is a lone name, text or number with a value right after it.
    fn argument(&mut self) -> Result<Argument, Diagnostic> {
        self.space();
        let start = self.at;
        let label = match self.peek() {
            Some('\'') => {
                self.quoted().ok().and_then(|e| if let Node::Text(text) = e.node { Some(text) } else { None })
            }
            Some(c) if c.is_ascii_digit() => self.number().ok().map(|e| self.text[e.span].to_owned()),
            Some(c) if is_name_start(c) => Some(self.name()),
            _ => None,
        };
        let quoted = self.text[start..].starts_with('\'');
        self.space();
        let has_arrow = label.is_some() && self.take("->");
        let has_value = || self.peek().is_some_and(|c| c.is_ascii_digit() || c == '\'' || is_name_start(c));
        if has_arrow || label.is_some() && has_value() {
            let value = self.choice()?;
            // `null 10% | x` is a choice: a share is no alternative itself.
            let is_share = matches!(&value.node, Node::Choice(all) if matches!(all[0].1.node, Node::Percent(_)));
            if has_arrow || !is_share {
                return Ok(Argument { label, quoted, value });
            }
        }
        self.at = start;
        Ok(Argument { label: None, quoted: false, value: self.choice()? })
    }

    fn number(&mut self) -> Result<Expr, Diagnostic> {
        let start = self.at;
        let digits = self.text[start..].find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
        self.at = digits.map_or(self.text.len(), |n| start + n);
        let plain = self.text[start..self.at].replace('_', "");
        let value: f64 =
            plain.parse().map_err(|_| Diagnostic::at(start..self.at, format!("`{plain}` is not a number")))?;
        let unit_start = self.at;
        if self.take_here("%") {
            return Ok(Expr { node: Node::Percent(value / 100.0), span: start..self.at });
        }
        if self.peek().is_none_or(|c| !is_name_start(c)) {
            return Ok(Expr { node: Node::Number(value), span: start..self.at });
        }
        let unit = self.name();
        let micros = match unit.as_str() {
            "us" => 1.0,
            "ms" => 1e3,
            "s" => 1e6,
            "m" | "min" => 60e6,
            "h" => 3_600e6,
            "d" => 86_400e6,
            "w" => 7.0 * 86_400e6,
            "y" => 365.0 * 86_400e6,
            _ => {
                return Err(Diagnostic::at(unit_start..self.at, format!("unknown unit `{unit}`"))
                    .help("durations end in us, ms, s, m, h, d, w or y; shares in %"));
            }
        };
        Ok(Expr { node: Node::Duration((value * micros) as i64), span: start..self.at })
    }

    fn quoted(&mut self) -> Result<Expr, Diagnostic> {
        let start = self.at;
        let text = self.enclosed("'", "text")?;
        Ok(Expr { node: Node::Text(text), span: start..self.at })
    }

    /// What stands between two quotes; a doubled one stands for itself.
    fn enclosed(&mut self, quote: &str, what: &str) -> Result<String, Diagnostic> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(length) = self.text[self.at..].find(quote) else {
                return Err(Diagnostic::at(start..self.text.len(), format!("the {what} has no closing quote")));
            };
            text.push_str(&self.text[self.at..self.at + length]);
            self.at += length + 1;
            if !self.take_here(quote) {
                return Ok(text);
            }
            text.push_str(quote);
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        let length = self.text[start..].find(|c: char| !is_name_part(c)).unwrap_or(self.text.len() - start);
        self.at += length;
        self.text[start..self.at].to_owned()
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        if self.take(")") { Ok(()) } else { Err(self.unexpected("`,` or `)`")) }
    }

    fn take(&mut self, symbol: &str) -> bool {
        self.space();
        self.take_here(symbol)
    }

    fn take_here(&mut self, symbol: &str) -> bool {
        let found = self.text[self.at..].starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }

    fn unexpected(&self, expected: &str) -> Diagnostic {
        let end = self.at + self.peek().map_or(0, char::len_utf8);
        let found = self.peek().map_or("the end of the expression".to_owned(), |c| format!("`{c}`"));
        Diagnostic::at(self.at..end, format!("expected {expected}, found {found}"))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in a compact form, so that a test is its input and its expectation.
    fn show(expr: &Expr) -> String {
        match &expr.node {
            Node::Number(n) => n.to_string(),
            Node::Percent(p) => format!("{}%", p * 100.0),
            Node::Duration(us) => format!("{us}us"),
            Node::Text(text) => format!("'{text}'"),
            Node::Path(path) => path.join("."),
            Node::Call(name, arguments) => {
                let list: Vec<String> = arguments
                    .iter()
                    .map(|a| a.label.as_ref().map_or(String::new(), |l| format!("{l}: ")) + &show(&a.value))
                    .collect();
                format!("{name}({})", list.join(", "))
            }
            Node::Binary(op, a, b) => format!("({} {op} {})", show(a), show(b)),
            Node::Choice(list) => list
                .iter()
                .map(|(share, e)| show(e) + &share.map_or(String::new(), |s| format!(" @{s}")))
                .collect::<Vec<_>>()
                .join(" | "),
        }
    }

    fn check(text: &str, expected: &str) {
        let found = parse(text).map_or_else(|p| format!("{:?}: {}", p.span.unwrap(), p.message), |e| show(&e));
        assert_eq!(found, expected, "for {text}");
    }

    #[test]
    fn the_grammar() {
        check("1 + 2 * 3", "(1 + (2 * 3))");
        check("cases(null 10% | a + b, null)", "cases(null @0.1 | (a + b), null)");
        check("zipf(s 1.1, none 15%)", "zipf(s: 1.1, none: 15%)");
        check("by(x, a -> 5% | 2)", "by(x, a: 5% | 2)");
        check("20_000 * sqrt(scale)", "(20000 * sqrt(scale))");
        check("pick(users.id, zipf 1.1)", "pick(users.id, zipf: 1.1)");
        check("weights(succeeded 85, 'in review' 10, 5 5)", "weights(succeeded: 85, in review: 10, 5: 5)");
        check("null 97% | after(created_at, exp(90d))", "null @0.97 | after(created_at, exp(7776000000000us))");
        check("by(status, done -> 100, else -> beta(2, 5) * 99)", "by(status, done: 100, else: (beta(2, 5) * 99))");
        check("'it''s' + lower(name)", "('it's' + lower(name))");
        check("-2h", "(0 - 7200000000us)");
        check("(1 | 2 12%)", "1 | 2 @0.12");
    }

    #[test]
    fn mistakes_have_a_place() {
        check("uniform(1, ", "11..11: expected a value, found the end of the expression");
        check("1 + ", "4..4: expected a value, found the end of the expression");
        check("5 parsecs", "2..3: expected the end, found `p`");
        check("5parsecs", "1..8: unknown unit `parsecs`");
        check("'open", "0..5: the text has no closing quote");
        check("f(1", "3..3: expected `,` or `)`, found the end of the expression");
        check("1.2.3", "0..5: `1.2.3` is not a number");
    }
}

//! The expressions of pgbench scripts: text to a formula. Must compute nothing.
//!
//! Precedence: PostgreSQL documentation, "pgbench", "Built-In Operators".

use super::{FUNCTIONS, Formula, Function};
use crate::expression::Value;

/// A place in the text and what is wrong there.
pub(in crate::scenario) type Wrong = (usize, String);

/// Words of an expression with their places.
fn words(text: &str) -> Vec<(usize, String)> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() || (first == '.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) {
            let mut end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            if rest[end..].starts_with(['e', 'E']) {
                let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
                let digits = rest[end + 1 + sign..].find(|c: char| !c.is_ascii_digit());
                end += 1 + sign + digits.unwrap_or(rest.len() - end - 1 - sign);
            }
            end
        } else if first == ':' || is_name(first) {
            let skip = first.len_utf8();
            skip + rest[skip..].find(|c| !is_name(c)).unwrap_or(rest.len() - skip)
        } else if ["<=", ">=", "<>", "!=", "<<", ">>"].iter().any(|two| rest.starts_with(two)) {
            2
        } else {
            first.len_utf8()
        };
        words.push((at, rest[..length].to_owned()));
        at += length;
    }
    words
}

struct Parser<'n> {
    words: Vec<(usize, String)>,
    at: usize,
    depth: usize,
    names: Names<'n>,
}

/// What expressions of one script share.
pub(in crate::scenario) struct Names<'n> {
    /// Variables by slot; an unknown one gets the next.
    pub(in crate::scenario) slots: &'n mut Vec<String>,
    /// Calls so far: each has a stream of its own.
    pub(in crate::scenario) sites: &'n mut u64,
}

/// Reads a whole text as one expression.
pub(in crate::scenario) fn parse(text: &str, names: Names<'_>) -> Result<Formula, Wrong> {
    let mut parser = Parser { words: words(text), at: 0, depth: 0, names };
    let formula = parser.or()?;
    match parser.words.get(parser.at) {
        None => Ok(formula),
        Some(word) => Err((word.0, format!("`{}` is not expected here", word.1))),
    }
}

/// Nesting beyond this is refused rather than allowed to exhaust the stack.
const DEEPEST: usize = 64;

/// Binary operators from the loosest to the tightest, as pgbench's grammar has them.
const LEVELS: [&[(&str, Function)]; 4] = [
    &[
        ("<", Function::Less),
        ("<=", Function::AtMost),
        ("=", Function::Equal),
        ("<>", Function::Differs),
        ("!=", Function::Differs),
        (">", Function::Above),
        (">=", Function::AtLeast),
    ],
    &[
        ("|", Function::BitOr),
        ("#", Function::BitXor),
        ("&", Function::BitAnd),
        ("<<", Function::ShiftLeft),
        (">>", Function::ShiftRight),
    ],
    &[("+", Function::Add), ("-", Function::Subtract)],
    &[("*", Function::Multiply), ("/", Function::Divide), ("%", Function::Modulo)],
];

impl Parser<'_> {
    fn or(&mut self) -> Result<Formula, Wrong> {
        self.depth += 1;
        if DEEPEST < self.depth {
            return Err((0, "the expression is nested too deeply".to_owned()));
        }
        let mut left = self.and()?;
        while self.take("or") {
            let right = self.and()?;
            left = self.call(Function::Or, vec![left, right]);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Formula, Wrong> {
        let mut left = self.not()?;
        while self.take("and") {
            let right = self.not()?;
            left = self.call(Function::And, vec![left, right]);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Formula, Wrong> {
        let mut count = 0;
        while self.take("not") {
            count += 1;
        }
        let mut formula = self.is()?;
        for _ in 0..count {
            formula = self.call(Function::Not, vec![formula]);
        }
        Ok(formula)
    }

    fn is(&mut self) -> Result<Formula, Wrong> {
        let mut left = self.level(0)?;
        loop {
            let (function, negated) = if self.take("isnull") {
                (Function::IsNull, false)
            } else if self.take("notnull") {
                (Function::IsNull, true)
            } else if self.take("is") {
                let negated = self.take("not");
                let tests = [("null", Function::IsNull), ("true", Function::IsTrue), ("false", Function::IsFalse)];
                let Some((_, function)) = tests.into_iter().find(|(word, _)| self.take(word)) else {
                    return Err(self.unexpected("NULL, TRUE or FALSE"));
                };
                (function, negated)
            } else {
                return Ok(left);
            };
            left = self.call(function, vec![left]);
            if negated {
                left = self.call(Function::Not, vec![left]);
            }
        }
    }

    fn level(&mut self, level: usize) -> Result<Formula, Wrong> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((_, function)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            let right = self.level(level + 1)?;
            left = self.call(*function, vec![left, right]);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Formula, Wrong> {
        let mut signs = Vec::new();
        loop {
            if self.take("-") {
                signs.push(Function::Negate);
            } else if self.take("~") {
                signs.push(Function::BitNot);
            } else if !self.take("+") {
                break;
            }
        }
        let mut formula = self.primary()?;
        for sign in signs.into_iter().rev() {
            formula = self.call(sign, vec![formula]);
        }
        Ok(formula)
    }

    fn primary(&mut self) -> Result<Formula, Wrong> {
        let Some((place, word)) = self.words.get(self.at).cloned() else { return Err(self.unexpected("a value")) };
        self.at += 1;
        if word == "(" {
            let inner = self.or()?;
            return self.expect(")").map(|()| inner);
        }
        if let Some(name) = word.strip_prefix(':') {
            return Ok(Formula::Slot(self.slot(name)));
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            let whole = word.parse().ok().map(Value::Int);
            let number = whole.or_else(|| word.parse().ok().map(Value::Float));
            return number.map(Formula::Const).ok_or((place, format!("`{word}` is no number")));
        }
        match word.to_lowercase().as_str() {
            "null" => Ok(Formula::Const(Value::Null)),
            "true" => Ok(Formula::Const(Value::Bool(true))),
            "false" => Ok(Formula::Const(Value::Bool(false))),
            "case" => self.case(),
            name => {
                let Some((_, function, fewest, most)) = FUNCTIONS.into_iter().find(|(known, ..)| *known == name) else {
                    return Err((place, format!("`{word}` is no function; a variable is written :{word}")));
                };
                self.expect("(")?;
                let mut arguments = Vec::new();
                while !self.take(")") {
                    if !arguments.is_empty() {
                        self.expect(",")?;
                    }
                    arguments.push(self.or()?);
                }
                if !(fewest..=most).contains(&arguments.len()) {
                    return Err((place, format!("`{name}` does not take {} arguments", arguments.len())));
                }
                Ok(self.call(function, arguments))
            }
        }
    }

    /// `CASE WHEN condition THEN value … [ELSE value] END`
    fn case(&mut self) -> Result<Formula, Wrong> {
        let mut branches = Vec::new();
        while self.take("when") {
            let condition = self.or()?;
            self.expect("then")?;
            branches.push((condition, self.or()?));
        }
        let otherwise = if self.take("else") { self.or()? } else { Formula::Const(Value::Null) };
        self.expect("end")?;
        Ok(Formula::Case(branches, Box::new(otherwise)))
    }

    fn call(&mut self, function: Function, arguments: Vec<Formula>) -> Formula {
        *self.names.sites += 1;
        Formula::Call(function, arguments, *self.names.sites)
    }

    fn slot(&mut self, name: &str) -> usize {
        let slots = &mut *self.names.slots;
        slots.iter().position(|known| known == name).unwrap_or_else(|| {
            slots.push(name.to_owned());
            slots.len() - 1
        })
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|(_, next)| next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), Wrong> {
        if self.take(word) { Ok(()) } else { Err(self.unexpected(&format!("`{word}`"))) }
    }

    fn unexpected(&self, expected: &str) -> Wrong {
        match self.words.get(self.at) {
            Some((place, word)) => (*place, format!("expected {expected}, found `{word}`")),
            None => (usize::MAX, format!("expected {expected}, found the end")),
        }
    }
}

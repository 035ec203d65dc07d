//! pgbench scripts: `\set`, `\if`, `\gset` and SQL, turned into an action. Must open no file and know no server.
//!
//! Grammar: PostgreSQL documentation, "pgbench", "Custom Scripts". What is not supported is named, never
//! passed over.

use super::action::Action;
pub use super::formula::Formula;
use super::formula::Function;
use super::formula::parse::{Names, parse};
use super::program::{Keep, Op, Role, Step, Wait};
use super::statement::Statement;
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{Placed, PlacedText};
use crate::expression::Value;
use crate::sql::{Kind, statements, tokens};

/// Variables pgbench sets before a script begins: of the client and of the run.
pub const GIVEN: [&str; 4] = ["client_id", "default_seed", "random_seed", "scale"];

/// Commands of pgbench that are refused, and what to do instead.
const REFUSED: [(&str, &str); 5] = [
    ("setshell", "draw the value with \\set and a random function"),
    ("shell", "run the command before the load"),
    ("startpipeline", "the driver sends one statement at a time; remove the pipeline's commands"),
    ("endpipeline", "the driver sends one statement at a time; remove the pipeline's commands"),
    ("syncpipeline", "the driver sends one statement at a time; remove the pipeline's commands"),
];

/// Reads a script as an action of this name and weight. `defines` are variables set from outside (`-D`).
///
/// # Errors
/// Every mistake and every unsupported command, with its place.
pub fn parse_script(
    text: &str,
    name: &str,
    weight: f64,
    defines: &[(String, Value<'static>)],
) -> Result<Action, Vec<Diagnostic>> {
    let mut reader = Reader {
        text,
        slots: Vec::new(),
        assigned: Vec::new(),
        steps: Vec::new(),
        program: Vec::new(),
        open: Vec::new(),
        sites: 0,
        problems: Vec::new(),
    };
    for (slot, name) in GIVEN.iter().map(ToString::to_string).chain(defines.iter().map(|d| d.0.clone())).enumerate() {
        reader.slots.push(name);
        reader.assigned.push(slot);
    }
    for (index, (_, value)) in defines.iter().enumerate() {
        let formula = Formula::Const(value.clone());
        reader.program.push(Op::Set { slot: GIVEN.len() + index, formula });
    }
    reader.read();
    let Reader { slots, steps, program, problems, .. } = reader;
    if !problems.is_empty() {
        return Err(problems);
    }
    if steps.is_empty() {
        return Err(vec![Diagnostic::whole("the script holds no SQL statement")]);
    }
    let name = Placed { value: name.to_owned(), span: 0..0 };
    let parameters = Vec::new();
    Ok(Action { name, weight, margin: None, parameters, slots, steps, program, think: None })
}

/// An `\if` whose end has not come: where it jumps when its condition fails, and jumps to its end.
struct Branch {
    unless: Option<usize>,
    ends: Vec<usize>,
    at: usize,
}

struct Reader<'t> {
    text: &'t str,
    slots: Vec<String>,
    /// Slots something gives a value to.
    assigned: Vec<usize>,
    steps: Vec<Step>,
    program: Vec<Op>,
    open: Vec<Branch>,
    sites: u64,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let text = self.text;
        let mut start = 0;
        while start < text.len() {
            let found = tokens(&text[start..]).into_iter().find(|token| {
                token.kind == Kind::Semicolon
                    || (token.kind == Kind::Symbol && text[start + token.span.start..].starts_with('\\'))
            });
            let end = found.as_ref().map_or(text.len(), |token| start + token.span.start);
            match found {
                Some(token) if token.kind == Kind::Symbol => start = self.command(start, end),
                Some(token) => {
                    self.statement(start, end, Keep::Nothing);
                    start += token.span.end;
                }
                None => {
                    self.statement(start, end, Keep::Nothing);
                    start = end;
                }
            }
        }
        if let Some(branch) = self.open.first() {
            self.problems.push(Diagnostic::at(branch.at..branch.at + 3, "this \\if has no \\endif"));
        }
        let unset = |slot: &usize| !self.assigned.contains(slot);
        let unknown: Vec<usize> = self.steps.iter().flat_map(|s| s.arguments.clone()).filter(unset).collect();
        for slot in unknown {
            let name = &self.slots[slot];
            let uses = self.text.match_indices(&format!(":{name}")).next();
            let at = uses.map_or(0..0, |(at, found)| at..at + found.len());
            // Columns of \gset are known only to the server; a script with one may set any of its prefix.
            let prefixes = self.steps.iter().filter_map(|step| match &step.keep {
                Keep::One(prefix) | Keep::Last(prefix) => Some(prefix),
                _ => None,
            });
            if !prefixes.into_iter().any(|prefix| name.starts_with(prefix.as_str())) {
                let known = self.assigned.iter().map(|slot| self.slots[*slot].as_str());
                let problem = Diagnostic::at(at, format!("nothing sets the variable `:{name}`"));
                self.problems.push(match nearest(name, known) {
                    Some(meant) => problem.help(format!("did you mean `:{meant}`?")),
                    None => problem.help("set it with \\set, \\gset or -D name=value"),
                });
            }
        }
    }

    fn slot(&mut self, name: &str) -> usize {
        self.slots.iter().position(|known| known == name).unwrap_or_else(|| {
            self.slots.push(name.to_owned());
            self.slots.len() - 1
        })
    }

    /// The SQL between two places, if it is any.
    fn statement(&mut self, start: usize, end: usize, keep: Keep) {
        let Some(span) = statements(&self.text[start..end]).into_iter().next() else {
            if keep != Keep::Nothing {
                self.problems.push(Diagnostic::at(start..end, "\\gset and \\aset stand after a statement"));
            }
            return;
        };
        let span = start + span.start..start + span.end;
        let text = self.text[span.clone()].to_owned();
        let statement = Statement::new(&text);
        let arguments = statement.names.clone().iter().map(|name| self.slot(name)).collect();
        let source = PlacedText { text, content_start: Some(span.start), span };
        self.program.push(Op::Send(self.steps.len()));
        self.steps.push(Step {
            statement,
            source,
            arguments,
            protocol: None,
            keep,
            role: Role::Primary,
            since: Vec::new(),
        });
    }

    /// A backslash command at `at`, after SQL that began at `start`; returns where its line ends.
    fn command(&mut self, start: usize, at: usize) -> usize {
        let text = self.text;
        let mut end = at;
        loop {
            end += text[end..].find('\n').unwrap_or(text.len() - end);
            // A backslash at the end of a line continues it.
            if text.len() <= end || !text[..end].trim_end_matches('\r').ends_with('\\') {
                break;
            }
            end += 1;
        }
        let line = text[at + 1..end].replace("\\\r\n", "   ").replace("\\\n", "  ");
        let word = line.split_whitespace().next().unwrap_or_default().to_owned();
        let rest_at = at + 1 + line.find(&word).unwrap_or_default() + word.len();
        let rest = &line[rest_at - at - 1..];
        let prefix = rest.trim().to_owned();
        match word.as_str() {
            "gset" => self.statement(start, at, Keep::One(prefix)),
            "aset" => self.statement(start, at, Keep::Last(prefix)),
            _ => {
                self.statement(start, at, Keep::Nothing);
                self.other_command(&word, rest, at, rest_at);
            }
        }
        end
    }

    fn other_command(&mut self, word: &str, rest: &str, at: usize, rest_at: usize) {
        let place = at..at + 1 + word.len();
        match word {
            "set" => self.set(rest, rest_at),
            "sleep" => self.sleep(rest, rest_at),
            "if" => {
                if let Some(formula) = self.formula(rest, rest_at) {
                    self.program.push(Op::SkipUnless { formula, otherwise: 0 });
                    let unless = Some(self.program.len() - 1);
                    self.open.push(Branch { unless, ends: Vec::new(), at });
                }
            }
            "elif" | "else" => {
                let formula = if word == "elif" { self.formula(rest, rest_at) } else { None };
                let Some(mut branch) = self.open.pop() else {
                    self.problems.push(Diagnostic::at(place, format!("\\{word} without \\if")));
                    return;
                };
                branch.ends.push(self.program.len());
                self.program.push(Op::Jump(0));
                self.land(branch.unless.take());
                if let Some(formula) = formula {
                    branch.unless = Some(self.program.len());
                    self.program.push(Op::SkipUnless { formula, otherwise: 0 });
                }
                self.open.push(branch);
            }
            "endif" => match self.open.pop() {
                Some(branch) => {
                    self.land(branch.unless);
                    for end in branch.ends {
                        self.land(Some(end));
                    }
                }
                None => self.problems.push(Diagnostic::at(place, "\\endif without \\if")),
            },
            _ => {
                let refused = REFUSED.iter().find(|(name, _)| *name == word);
                let problem = Diagnostic::at(place, format!("\\{word} is not supported"));
                self.problems.push(match refused {
                    Some((_, instead)) => problem.help(*instead),
                    None => problem.help("supported: \\set \\gset \\aset \\sleep \\if \\elif \\else \\endif"),
                });
            }
        }
    }

    /// Makes a jump go to here.
    fn land(&mut self, jump: Option<usize>) {
        let here = self.program.len();
        let jump = jump.and_then(|jump| self.program.get_mut(jump));
        if let Some(Op::Jump(to) | Op::SkipUnless { otherwise: to, .. }) = jump {
            *to = here;
        }
    }

    fn set(&mut self, rest: &str, at: usize) {
        let name = rest.split_whitespace().next().unwrap_or_default();
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            self.problems.push(Diagnostic::at(at..at + rest.len(), "\\set needs a name and an expression"));
            return;
        }
        let skip = rest.find(name).unwrap_or_default() + name.len();
        if let Some(formula) = self.formula(&rest[skip..], at + skip) {
            let slot = self.slot(name);
            self.assigned.push(slot);
            self.program.push(Op::Set { slot, formula });
        }
    }

    /// `\sleep number [us | ms | s]`; seconds without a unit.
    fn sleep(&mut self, rest: &str, at: usize) {
        let mut words = rest.split_whitespace();
        let number = words.next().unwrap_or_default();
        let micros = match words.next() {
            Some("us") => 1,
            Some("ms") => 1_000,
            Some("s") | None => 1_000_000,
            Some(unit) => {
                let message = format!("`{unit}` is no unit of \\sleep; known: us, ms, s");
                self.problems.push(Diagnostic::at(at..at + rest.len(), message));
                return;
            }
        };
        let skip = rest.find(number).unwrap_or_default();
        if let Some(formula) = self.formula(number, at + skip) {
            let factor = Formula::Const(Value::Int(micros));
            let wait = Formula::Call(Function::Multiply, vec![formula, factor], 0);
            self.program.push(Op::Pause(Wait::Computed(wait)));
        }
    }

    fn formula(&mut self, text: &str, at: usize) -> Option<Formula> {
        let result = parse(text, Names { slots: &mut self.slots, sites: &mut self.sites });
        match result {
            Ok(formula) => Some(formula),
            Err((place, message)) => {
                let from = at + place.min(text.trim_end().len().saturating_sub(1));
                self.problems.push(Diagnostic::at(from..(from + 1).max(at + text.trim_end().len()), message));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Key;

    /// The value of an expression over no variables.
    fn value(text: &str) -> Value<'static> {
        let action = parse_script(&format!("\\set x {text}\nSELECT :x;"), "s", 1.0, &[]).unwrap();
        let Op::Set { formula, .. } = &action.program[0] else { panic!("{:?}", action.program) };
        formula.value(&[], Key::new(1), 0).unwrap()
    }

    #[test]
    fn expressions_have_pgbenchs_values() {
        assert_eq!(value("1 + 2 * 3 - 4 / 2"), Value::Int(5));
        assert_eq!(value("7 % 3 + (2 << 3) | 1"), Value::Int(17));
        assert_eq!(value("5 / 2.0"), Value::Float(2.5));
        assert_eq!(value("case when 2 > 1 and not false then 10 else 20 end"), Value::Int(10));
        assert_eq!(value("greatest(1, 9, 3, 7)"), Value::Int(9));
        assert_eq!(value("least(4, 2.5)"), Value::Float(2.5));
        assert_eq!(value("null is null"), Value::Bool(true));
        assert_eq!(value("-abs(-3)"), Value::Int(-3));
        assert_eq!(value("int(3.7) = 4"), Value::Bool(true));
        // From the regression tests of pgbench (001_pgbench_with_server.pl), with seed 5432.
        assert_eq!(value("hash_fnv1a(10, 5432)"), Value::Int(-7_793_829_335_365_542_153));
        assert_eq!(value("hash_murmur2(10, 5432)"), Value::Int(-5_817_877_081_768_721_676));
    }

    #[test]
    fn random_numbers_stay_within_their_bounds_and_have_their_shape() {
        let draws = |text: &str| -> Vec<i64> {
            let action = parse_script(&format!("\\set x {text}\nSELECT :x;"), "s", 1.0, &[]).unwrap();
            let Op::Set { formula, .. } = &action.program[0] else { panic!("{:?}", action.program) };
            (0..4_000).map(|n| formula.value(&[], Key::new(1), n).unwrap().whole().unwrap()).collect()
        };
        for text in [
            "random(1, 10)",
            "random_exponential(1, 10, 3)",
            "random_gaussian(1, 10, 2.5)",
            "random_zipfian(1, 10, 1.5)",
        ] {
            let found = draws(text);
            assert_eq!((found.iter().min(), found.iter().max()), (Some(&1), Some(&10)), "{text}");
        }
        let mean = |text: &str| draws(text).iter().sum::<i64>() as f64 / 4_000.0;
        assert!((mean("random(1, 10)") - 5.5).abs() < 0.2);
        assert!((mean("random_gaussian(1, 100, 3)") - 50.5).abs() < 1.0);
        assert!(mean("random_exponential(1, 10, 3)") < 4.0);
        let mut order: Vec<i64> = (0..50).map(|n| value(&format!("permute({n}, 50, 7)")).whole().unwrap()).collect();
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn branches_and_statements_become_a_program() {
        let text = "\\set x 2\n\\if :x = 1\nSELECT 1;\n\\elif :x = 2\nSELECT 2;\n\\else\nSELECT 3;\n\\endif\n\
                    SELECT 4 AS y \\gset p_\nSELECT :p_y, ':no';\n";
        let action = parse_script(text, "s", 2.0, &[]).unwrap();
        assert_eq!(action.steps.len(), 5);
        assert_eq!(action.steps[3].keep, Keep::One("p_".to_owned()));
        let mut slots = vec![Value::Null; action.slots.len()];
        let (mut at, mut sent) = (0, Vec::new());
        while let Some(op) = action.program.get(at) {
            at += 1;
            match op {
                Op::Set { slot, formula } => slots[*slot] = formula.value(&slots, Key::new(1), 0).unwrap(),
                Op::Send(step) => sent.push(*step),
                Op::SkipUnless { formula, otherwise } if !formula.holds(&slots, Key::new(1), 0).unwrap() => {
                    at = *otherwise;
                }
                Op::Jump(to) => at = *to,
                _ => {}
            }
        }
        assert_eq!(sent, [1, 3, 4]);
    }

    #[test]
    fn what_is_not_supported_is_named_with_its_place() {
        let wrong = |text: &str| -> Vec<String> {
            let found = parse_script(text, "s", 1.0, &[]).unwrap_err();
            found.iter().map(|p| format!("{}: {}", &text[p.span.clone().unwrap_or(0..0)], p.message)).collect()
        };
        assert_eq!(
            wrong("\\startpipeline\nSELECT 1;\n\\shell x\n"),
            ["\\startpipeline: \\startpipeline is not supported", "\\shell: \\shell is not supported"]
        );
        assert_eq!(wrong("SELECT :aid;"), [":aid: nothing sets the variable `:aid`"]);
        assert_eq!(wrong("\\if 1\nSELECT 1;"), ["\\if: this \\if has no \\endif"]);
        assert_eq!(wrong("\\set x 1 +\nSELECT 1;"), ["+: expected a value, found the end"]);
        assert_eq!(
            wrong("\\set x rand(1)\nSELECT 1;"),
            ["rand(1): `rand` is no function; a variable is written :rand"]
        );
    }
}

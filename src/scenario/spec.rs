//! A scenario as its file says it: TOML in, checked structure out. Must open no file and know no server.

use super::action::{Action, read_action};
use super::gate::Gate;
use super::load::{Conditions, Load, read_gates, read_load, read_stages};
use super::program::Step;
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{self, PlacedText, Table};

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// How it arrives.
    pub load: Load,
    /// What a run looks at beside.
    pub conditions: Conditions,
    /// What it does.
    pub actions: Vec<Action>,
    /// Actions of other files that it does too.
    pub uses: Vec<Use>,
    /// Its part of the mix, against the levels of the others.
    pub level: f64,
    /// It is here because another one uses its actions: its load, gates and name are not examined.
    pub used: bool,
}

impl Scenario {
    /// The SQL of every step, with that which replaces it from a migration on.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let steps = self.actions.iter().flat_map(|action| &action.steps);
        steps.flat_map(|step| {
            let later = step.since.iter().map(|(_, step)| step.statement.sql.as_str());
            std::iter::once(step.statement.sql.as_str()).chain(later)
        })
    }
}

/// Actions of another file: `[[use]]`.
#[derive(Debug, Clone)]
pub struct Use {
    /// Its path, from the folder of the file that names it.
    pub file: PlacedText,
    /// Which actions; all where empty.
    pub actions: Vec<PlacedText>,
    /// What their weights are multiplied by.
    pub weight: f64,
}

/// Reads a scenario.
///
/// # Errors
/// Every mistake that can be seen without a server and without other files.
pub fn parse_scenario(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    document::read(text, |root| read_scenario(root, true))
}

/// Reads a file whose actions another one uses: it needs no load of its own.
///
/// # Errors
/// As [`parse_scenario`].
pub fn parse_part(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    document::read(text, |root| read_scenario(root, false))
}

fn read_scenario(root: &mut Table<'_, '_>, whole: bool) -> Option<Scenario> {
    let name = root.required_text("name");
    root.text("about");
    let (load, mut conditions) = match root.table("load") {
        Some(table) => read_load(table),
        None if whole => {
            root.problem(
                Diagnostic::whole("the scenario needs a [load] table").help("[load] with rate = 300, or clients = 8"),
            );
            (None, Conditions::default())
        }
        None => (Some(Load::Closed { clients: 1 }), Conditions::default()),
    };
    conditions.stages = read_stages(root.tables("stage"), load);
    conditions.gates = root.table("gates").map(read_gates).unwrap_or_default();
    let uses: Vec<Option<Use>> = root.tables("use").into_iter().map(read_use).collect();
    let tables = root.tables("action");
    if tables.is_empty() && uses.is_empty() {
        root.problem(Diagnostic::whole("the scenario has no action").help("add at least one [[action]]"));
    }
    let actions: Vec<Option<Action>> = tables.into_iter().map(read_action).collect();
    let actions = actions.into_iter().collect::<Option<Vec<_>>>()?;
    for (index, action) in actions.iter().enumerate() {
        if actions[..index].iter().any(|other| other.name.value == action.name.value) {
            let message = format!("the action `{}` stands twice", action.name.value);
            root.problem(Diagnostic::at(action.name.span.clone(), message));
        }
    }
    let uses = uses.into_iter().collect::<Option<Vec<_>>>()?;
    // What is used of other files is known when they are read.
    if uses.is_empty() {
        for gate in &conditions.gates {
            if let Some(problem) = unknown_action(gate, actions.iter().map(|action| action.name.value.as_str())) {
                root.problem(problem);
            }
        }
    }
    let load = load?;
    Some(Scenario { name: name?.text, load, conditions, actions, uses, level: load.level(), used: false })
}

fn read_use(mut table: Table<'_, '_>) -> Option<Use> {
    let file = table.required_text("file");
    let actions = table.texts("actions").unwrap_or_default();
    let weight = table.number("weight");
    if let Some(weight) = weight.as_ref().filter(|weight| weight.value <= 0.0) {
        let message = format!("`weight` must be above 0, not {}", weight.value);
        table.problem(Diagnostic::at(weight.span.clone(), message));
    }
    table.finish();
    Some(Use { file: file?, actions, weight: weight.map_or(1.0, |weight| weight.value) })
}

impl Scenario {
    /// The scenario as the application asks when the schema is at a migration: `position` of its name in their order.
    /// Without an order of migrations (`at` is `None`) it asks as the last `since` of each statement says.
    ///
    /// # Errors
    /// Every migration that is not known.
    pub fn at(
        &self,
        applied: Option<usize>,
        position: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut scenario = self.clone();
        for step in scenario.actions.iter_mut().flat_map(|action| &mut action.steps) {
            let since = std::mem::take(&mut step.since);
            let mut last: Option<(usize, Step)> = None;
            for (order, (migration, instead)) in since.into_iter().enumerate() {
                let from = match applied {
                    None => Some(order),
                    Some(_) => position(&migration.text),
                };
                let Some(from) = from else {
                    let message = format!("there is no migration `{}`", migration.text);
                    problems.push(Diagnostic::at(migration.span.clone(), message).help("write its number or its name"));
                    continue;
                };
                let reached = applied.is_none_or(|applied| from < applied);
                if reached && last.as_ref().is_none_or(|(before, _)| *before <= from) {
                    last = Some((from, instead));
                }
            }
            if let Some((_, instead)) = last {
                *step = instead;
            }
        }
        if problems.is_empty() { Ok(scenario) } else { Err(problems) }
    }
}

/// A gate on an action that is not there would always pass.
#[must_use]
pub fn unknown_action<'n>(gate: &Gate, known: impl Iterator<Item = &'n str> + Clone) -> Option<Diagnostic> {
    let name = gate.metric.action.as_ref()?;
    if known.clone().any(|other| other == name) {
        return None;
    }
    let problem = Diagnostic::whole(format!("the gate `{gate}` is about `{name}`, which is no action"));
    Some(match nearest(name, known) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = parse_scenario(text).err().unwrap_or_default();
        found.iter().map(|p| format!("{:?}: {}", p.span.clone().map(|s| &text[s]), p.message)).collect()
    }

    const GOOD: &str = r#"
name = "payments"
[load]
rate = 600
duration = "30s"
[[action]]
name = "history"
weight = 40
sql = "SELECT 1 FROM payments WHERE user_id = :user AND at >= :from AND at < :to"
with = { to = "from + 30d", user = "pick(users.id, zipf 1.1)", from = "now - uniform(30d, 90d)" }
"#;

    #[test]
    fn a_good_scenario_has_no_problems() {
        let scenario = parse_scenario(GOOD).unwrap();
        assert_eq!(scenario.load, Load::Open { rate: 600.0, connections: 16 });
        let action = &scenario.actions[0];
        let names: Vec<&str> = action.parameters.iter().map(|p| p.name.as_str()).collect();
        let from = names.iter().position(|n| *n == "from").unwrap();
        let to = names.iter().position(|n| *n == "to").unwrap();
        assert!(from < to, "{names:?}");
        assert_eq!(action.steps[0].statement.names, ["user", "from", "to"]);
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        let check = |from: &str, to: &str, expected: &[&str]| {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(problems(&GOOD.replace(from, to)), expected, "for {to}");
        };
        check("weight = 40", "wieght = 40", &["Some(\"wieght\"): unknown key `wieght` in `action`"]);
        check("weight = 40", "weight = 0", &["Some(\"0\"): `weight` must be above 0, not 0"]);
        check("rate = 600", "rate = 0", &["Some(\"0\"): `rate` must be above 0, not 0"]);
        check("rate = 600", "clients = 0", &["Some(\"0\"): `clients` must be 1 to 10000, not 0"]);
        check(":user AND", ":usr AND", &["Some(\":usr\"): unknown parameter `:usr`"]);
        check("user_id = :user AND ", "", &["Some(\"user\"): the parameter `user` is never used"]);
        check("from + 30d", "to + 30d", &["Some(\"\\\"to + 30d\\\"\"): `to` is made from itself"]);
        check(
            "FROM payments",
            "; SELECT 2",
            &["Some(\"\\\"SELECT 1 ; SELECT 2 WHERE user_id = :user AND at >= :from \
                 AND at < :to\\\"\"): a step holds one statement, not 2"],
        );
        check(
            "to = \"from + 30d\"",
            "to = \"json(course pick(users.course, same user))\"",
            &["Some(\"\\\"json(course pick(users.course, same user))\\\"\"): `same` stands alone: other expressions \
                 read the parameter that is made with it"],
        );
        check("name = \"history\"", "name = \"a b\"", &["Some(\"\\\"a b\\\"\"): `a b` is no name for an action"]);
    }
}

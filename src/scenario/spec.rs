//! A scenario as its file says it: TOML in, checked structure out. Must open no file and know no server.

use super::action::{Action, read_action};
use super::gate::Gate;
use super::load::{Conditions, Load, read_gates, read_load, read_stages};
use crate::diagnostic::Diagnostic;
use crate::document;

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
}

/// Reads a scenario.
///
/// # Errors
/// Every mistake that can be seen without a server.
pub fn parse_scenario(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    document::read(text, |root| {
        let name = root.required_text("name");
        root.text("about");
        let (load, mut conditions) = match root.table("load") {
            Some(table) => read_load(table),
            None => {
                root.problem(
                    Diagnostic::whole("the scenario needs a [load] table")
                        .help("[load] with rate = 300, or clients = 8"),
                );
                (None, Conditions::default())
            }
        };
        conditions.stages = read_stages(root.tables("stage"), load);
        conditions.gates = root.table("gates").map(read_gates).unwrap_or_default();
        let tables = root.tables("action");
        if tables.is_empty() {
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
        for gate in &conditions.gates {
            if let Some(problem) = unknown_action(gate, &actions) {
                root.problem(problem);
            }
        }
        Some(Scenario { name: name?.text, load: load?, conditions, actions })
    })
}

/// A gate on an action that is not there would always pass.
#[must_use]
pub fn unknown_action(gate: &Gate, actions: &[Action]) -> Option<Diagnostic> {
    let name = gate.metric.action.as_ref()?;
    let known = actions.iter().map(|action| action.name.value.as_str());
    if known.clone().any(|other| other == name) {
        return None;
    }
    let problem = Diagnostic::whole(format!("the gate `{gate}` is about `{name}`, which is no action"));
    Some(match crate::diagnostic::nearest(name, known) {
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
            &[
                "Some(\"\\\"SELECT 1 ; SELECT 2 WHERE user_id = :user AND at >= :from AND at < :to\\\"\"): a step holds one statement, not 2",
            ],
        );
        check("name = \"history\"", "name = \"a b\"", &["Some(\"\\\"a b\\\"\"): `a b` is no name for an action"]);
    }
}

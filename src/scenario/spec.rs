//! A scenario as its file says it: TOML in, checked structure out. Must open no file and know no server.

use super::parameter::{self, Draw};
use super::statement::Statement;
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{self, Placed, PlacedText, Table};
use crate::expression::Node;
use crate::expression::parse::parse;

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// How it arrives.
    pub load: Load,
    /// What it does.
    pub actions: Vec<Action>,
}

/// How actions arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// An open loop: a Poisson process of `rate` actions a second over at most `connections` connections.
    Open {
        /// Actions a second.
        rate: f64,
        /// Most actions in flight at a time.
        connections: usize,
    },
    /// A closed loop: each of `clients` connections asks again as soon as it was answered.
    Closed {
        /// Connections.
        clients: usize,
    },
}

/// One thing the application does.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its name, the same in every report.
    pub name: Placed<String>,
    /// Its share of the mix, against the others' weights.
    pub weight: f64,
    /// All steps in one transaction.
    pub transaction: bool,
    /// Changes smaller than this count as the same, as a share; the proof's margin if absent.
    pub margin: Option<f64>,
    /// Parameters in the order of the file.
    pub parameters: Vec<Parameter>,
    /// At least one.
    pub steps: Vec<Step>,
}

/// A named parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name, without the colon.
    pub name: String,
    /// How its values are made.
    pub draw: Draw,
    /// Its expression in the file.
    pub source: PlacedText,
}

/// One statement of an action.
#[derive(Debug, Clone)]
pub struct Step {
    /// With numbered parameters.
    pub statement: Statement,
    /// The SQL in the file.
    pub source: PlacedText,
    /// For each numbered parameter, its position in [`Action::parameters`].
    pub arguments: Vec<usize>,
}

/// Connections of an open loop when the file names none.
const DEFAULT_CONNECTIONS: usize = 16;

/// Most connections of one scenario; more than a server's default `max_connections` helps nobody.
const MOST_CONNECTIONS: u64 = 10_000;

/// Reads a scenario.
///
/// # Errors
/// Every mistake that can be seen without a server.
pub fn parse_scenario(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    document::read(text, |root| {
        let name = root.required_text("name");
        root.text("about");
        let load = match root.table("load") {
            Some(table) => read_load(table),
            None => {
                root.problem(
                    Diagnostic::whole("the scenario needs a [load] table")
                        .help("[load] with rate = 300, or clients = 8"),
                );
                None
            }
        };
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
        Some(Scenario { name: name?.text, load: load?, actions })
    })
}

fn read_load(mut load: Table<'_, '_>) -> Option<Load> {
    let rate = load.number("rate");
    let clients = load.whole("clients");
    let connections = load.whole("connections");
    // A proof measures in chunks and ignores it; it is checked here so that one file serves both.
    if let Some(duration) = load.text("duration")
        && !matches!(parse(&duration.text).map(|e| e.node), Ok(Node::Duration(micros)) if 0 < micros)
    {
        load.problem(Diagnostic::at(duration.span.clone(), "`duration` is a duration such as \"30s\""));
    }
    let positive = |load: &Table<'_, '_>, placed: &Placed<u64>, key: &str| {
        let fine = (1..=MOST_CONNECTIONS).contains(&placed.value);
        if !fine {
            let message = format!("`{key}` must be 1 to {MOST_CONNECTIONS}, not {}", placed.value);
            load.problem(Diagnostic::at(placed.span.clone(), message));
        }
        fine.then_some(placed.value as usize)
    };
    let result = match (rate, clients) {
        (Some(rate), None) => {
            if rate.value <= 0.0 {
                load.problem(
                    Diagnostic::at(rate.span.clone(), format!("`rate` must be above 0, not {}", rate.value))
                        .help("actions a second, such as 300; for as fast as possible use `clients` instead"),
                );
            }
            let connections = match connections {
                Some(placed) => positive(&load, &placed, "connections"),
                None => Some(DEFAULT_CONNECTIONS),
            };
            connections.filter(|_| 0.0 < rate.value).map(|connections| Load::Open { rate: rate.value, connections })
        }
        (None, Some(clients)) => {
            if let Some(extra) = connections {
                load.problem(Diagnostic::at(
                    extra.span,
                    "`connections` belongs to `rate`; a closed loop has `clients`",
                ));
            }
            positive(&load, &clients, "clients").map(|clients| Load::Closed { clients })
        }
        (Some(rate), Some(_)) => {
            load.problem(Diagnostic::at(rate.span, "`rate` and `clients` exclude each other"));
            None
        }
        (None, None) => {
            let problem =
                Diagnostic::at(load.span.clone(), "`load` needs `rate` (open loop) or `clients` (closed loop)");
            load.problem(problem);
            None
        }
    };
    load.finish();
    result
}

fn read_action(mut table: Table<'_, '_>) -> Option<Action> {
    let name = table.required_text("name");
    let weight = table.number("weight");
    let margin = table.text("margin").and_then(|text| read_margin(&table, &text));
    let transaction = table.boolean("transaction").is_some_and(|flag| flag.value);
    let with = table.table("with").map(|mut with| with.named_texts()).unwrap_or_default();
    let sources = read_sources(&mut table);
    let parameters = read_parameters(&table, &with);
    table.finish();
    if let Some(weight) = &weight
        && weight.value <= 0.0
    {
        table.problem(
            Diagnostic::at(weight.span.clone(), format!("`weight` must be above 0, not {}", weight.value))
                .help("remove the action to leave it out"),
        );
    }
    let parameters = parameters?;
    let steps = sources?.into_iter().map(|source| read_step(&table, source, &parameters)).collect::<Vec<_>>();
    let steps = steps.into_iter().collect::<Option<Vec<_>>>()?;
    report_unused(&table, &with, &parameters, &steps);
    let name = name?;
    if name.text.is_empty() || !name.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        let help = "it names histograms and statements: letters, digits, _ and -";
        table
            .problem(Diagnostic::at(name.span.clone(), format!("`{}` is no name for an action", name.text)).help(help));
    }
    let name = Placed { value: name.text, span: name.span };
    Some(Action { name, weight: weight.map_or(1.0, |w| w.value), transaction, margin, parameters, steps })
}

fn read_margin(table: &Table<'_, '_>, text: &PlacedText) -> Option<f64> {
    let margin = parse_margin(&text.text);
    if margin.is_none() {
        table.problem(Diagnostic::at(text.span.clone(), "`margin` is a share such as \"5%\", above 0% and below 100%"));
    }
    margin
}

/// `5%` as 0.05, when it is above 0 % and below 100 %.
#[must_use]
pub fn parse_margin(text: &str) -> Option<f64> {
    match parse(text).ok()?.node {
        Node::Percent(share) if 0.0 < share && share < 1.0 => Some(share),
        _ => None,
    }
}

fn read_sources(table: &mut Table<'_, '_>) -> Option<Vec<PlacedText>> {
    let sql = table.text("sql");
    let steps = table.tables("step");
    let missing = |table: &Table<'_, '_>, message: &str| {
        table.problem(Diagnostic::at(table.span.clone(), message));
        None
    };
    match (sql, steps.is_empty()) {
        (Some(sql), true) => Some(vec![sql]),
        (None, false) => steps
            .into_iter()
            .map(|mut step| {
                let sql = step.required_text("sql");
                step.finish();
                sql
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect(),
        (Some(_), false) => missing(table, "an action has `sql` or [[action.step]], not both"),
        (None, true) => missing(table, "the action needs `sql`, or [[action.step]] for several statements"),
    }
}

fn read_parameters(table: &Table<'_, '_>, with: &[(Placed<String>, PlacedText)]) -> Option<Vec<Parameter>> {
    let names: Vec<String> = with.iter().map(|(name, _)| name.value.clone()).collect();
    let mut parameters = Vec::new();
    for (position, (name, source)) in with.iter().enumerate() {
        match parse(&source.text).and_then(|expr| parameter::read(&expr, &names)) {
            Ok(draw) => {
                let mut sources = Vec::new();
                draw.sources(&mut sources);
                // TOML keeps no order of keys, so a parameter may only be made from one that is made itself from none.
                if sources.contains(&position) {
                    table.problem(Diagnostic::at(source.span.clone(), format!("`{}` is made from itself", name.value)));
                    continue;
                }
                parameters.push(Parameter { name: name.value.clone(), draw, source: source.clone() });
            }
            Err(problem) => table.problem(source.relocate(problem)),
        }
    }
    if parameters.len() != with.len() {
        return None;
    }
    order(table, &parameters)
}

/// Puts parameters after those they are made from, and their references with them.
fn order(table: &Table<'_, '_>, parameters: &[Parameter]) -> Option<Vec<Parameter>> {
    let sources: Vec<Vec<usize>> = parameters
        .iter()
        .map(|p| {
            let mut found = Vec::new();
            p.draw.sources(&mut found);
            found
        })
        .collect();
    let mut placed: Vec<usize> = Vec::new();
    while placed.len() < parameters.len() {
        let ready =
            (0..parameters.len()).find(|i| !placed.contains(i) && sources[*i].iter().all(|s| placed.contains(s)));
        match ready {
            Some(index) => placed.push(index),
            None => {
                let stuck = (0..parameters.len()).find(|i| !placed.contains(i)).expect("some are left");
                let parameter = &parameters[stuck];
                let message = format!("`{}` depends on itself through other parameters", parameter.name);
                table.problem(Diagnostic::at(parameter.source.span.clone(), message));
                return None;
            }
        }
    }
    let moved = |old: usize| placed.iter().position(|p| *p == old).expect("every parameter was placed");
    let mut ordered: Vec<Parameter> = placed.iter().map(|index| parameters[*index].clone()).collect();
    for parameter in &mut ordered {
        renumber(&mut parameter.draw, &moved);
    }
    Some(ordered)
}

fn renumber(draw: &mut Draw, moved: &impl Fn(usize) -> usize) {
    match draw {
        Draw::Parameter(position) => *position = moved(*position),
        Draw::Binary(_, left, right) => {
            renumber(left, moved);
            renumber(right, moved);
        }
        _ => {}
    }
}

fn read_step(table: &Table<'_, '_>, source: PlacedText, parameters: &[Parameter]) -> Option<Step> {
    let spans = crate::sql::statements(&source.text);
    // A semicolon at the end is allowed, but a comment after it would belong to no statement.
    let statement = Statement::new(&source.text[..spans.last().map_or(0, |span| span.end)]);
    let count = spans.len();
    if count != 1 {
        let message = format!("a step holds one statement, not {count}");
        table.problem(
            Diagnostic::at(source.span.clone(), message).help("several statements go into several [[action.step]]"),
        );
        return None;
    }
    let mut arguments = Vec::new();
    for (position, name) in statement.names.iter().enumerate() {
        match parameters.iter().position(|p| p.name == *name) {
            Some(parameter) => arguments.push(parameter),
            None => {
                let (_, place) = &statement.uses.iter().find(|(p, _)| *p == position).expect("every name is used");
                let problem = Diagnostic::at(source.place(place), format!("unknown parameter `:{name}`"));
                let known = parameters.iter().map(|p| p.name.as_str());
                table.problem(match nearest(name, known) {
                    Some(meant) => problem.help(format!("did you mean `:{meant}`?")),
                    None => problem.help(format!("say under `with` how it is made: {name} = \"pick(table.column)\"")),
                });
            }
        }
    }
    (arguments.len() == statement.names.len()).then_some(Step { statement, source, arguments })
}

fn report_unused(
    table: &Table<'_, '_>,
    with: &[(Placed<String>, PlacedText)],
    parameters: &[Parameter],
    steps: &[Step],
) {
    let mut used: Vec<usize> = steps.iter().flat_map(|step| step.arguments.iter().copied()).collect();
    for parameter in parameters {
        parameter.draw.sources(&mut used);
    }
    for (position, parameter) in parameters.iter().enumerate() {
        if !used.contains(&position) {
            let place = with.iter().find(|(name, _)| name.value == parameter.name).map(|(name, _)| name.span.clone());
            table.problem(
                Diagnostic::at(place.unwrap_or_default(), format!("the parameter `{}` is never used", parameter.name))
                    .help(format!("write :{} in the SQL, or remove it", parameter.name)),
            );
        }
    }
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

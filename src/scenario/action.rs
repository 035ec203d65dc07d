//! An action as its table in a file says it. Must know no server: what only it can tell is checked when binding.

use super::parameter::{self, Draw};
use super::program::{Keep, Op, Protocol, Role, Step, Wait};
use super::statement::Statement;
use crate::diagnostic::{Diagnostic, nearest};
use crate::document::{Placed, PlacedText, Table};
use crate::expression::Node;
use crate::expression::parse::parse;

/// One thing the application does.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its name, the same in every report.
    pub name: Placed<String>,
    /// Its share of the mix, against the others' weights.
    pub weight: f64,
    /// Changes smaller than this count as the same, as a share; the proof's margin if absent.
    pub margin: Option<f64>,
    /// Parameters in an order in which each comes after those it is made from. They have the first slots.
    pub parameters: Vec<Parameter>,
    /// Names of all slots: parameters, then values captured from results.
    pub slots: Vec<String>,
    /// At least one.
    pub steps: Vec<Step>,
    /// What to do.
    pub program: Vec<Op>,
    /// How long a client waits after it, in microseconds.
    pub think: Option<Draw>,
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

/// A step as it stands in the file.
struct Source {
    sql: PlacedText,
    name: Option<PlacedText>,
    chance: Option<f64>,
    each: Option<PlacedText>,
    think: Option<Draw>,
    protocol: Option<Protocol>,
    role: Option<Placed<Role>>,
    /// A migration, and what is asked from it on.
    since: Vec<(PlacedText, PlacedText)>,
}

/// Isolation levels with what begins a transaction in them.
const ISOLATIONS: [(&str, &str); 3] = [
    ("read committed", "BEGIN ISOLATION LEVEL READ COMMITTED"),
    ("repeatable read", "BEGIN ISOLATION LEVEL REPEATABLE READ"),
    ("serializable", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
];

/// Reads `[[action]]`.
pub(super) fn read_action(mut table: Table<'_, '_>) -> Option<Action> {
    let name = table.required_text("name");
    let weight = table.number("weight");
    let margin = table.text("margin").and_then(|text| read_margin(&table, &text));
    let begin = read_transaction(&mut table);
    let think = table.text("think").and_then(|text| read_wait(&table, &text));
    let protocol = read_protocol(&mut table);
    let role = read_role(&mut table);
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
    let (parameters, sources) = (parameters?, sources?);
    let mut slots: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
    let mut steps = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let mut read = |sql: &PlacedText| read_step(&table, sql, index == 0, &mut slots);
        let mut step = read(&source.sql);
        for (migration, sql) in &source.since {
            let instead = read(sql);
            step = step.zip(instead).map(|(mut step, instead)| {
                step.since.push((migration.clone(), instead));
                step
            });
        }
        let role = source.role.as_ref().or(role.as_ref());
        if let (Some(role), true) = (role.filter(|role| role.value == Role::Replica), begin.is_some()) {
            let problem =
                Diagnostic::at(role.span.clone(), "a transaction stays on one server, and writes: the primary");
            table.problem(problem.help("leave `transaction` or `target` out"));
        }
        let (protocol, role) = (source.protocol.or(protocol), role.map_or(Role::Primary, |role| role.value));
        let whole = |step: Step| Step { protocol, role, ..step };
        steps.push(step.map(|mut step| {
            step.since = step.since.into_iter().map(|(migration, step)| (migration, whole(step))).collect();
            whole(step)
        }));
    }
    let mut steps = steps.into_iter().collect::<Option<Vec<_>>>()?;
    if parameters.len() < slots.len() {
        let all = steps.iter_mut().flat_map(|step| {
            step.keep = Keep::First;
            &mut step.since
        });
        all.for_each(|(_, step)| step.keep = Keep::First);
    }
    report_unused(&table, &with, &parameters, &steps);
    let program = compile(&table, &sources, &mut steps, begin)?;
    let name = name?;
    if name.text.is_empty() || !name.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        let help = "it names histograms and statements: letters, digits, _ and -";
        table
            .problem(Diagnostic::at(name.span.clone(), format!("`{}` is no name for an action", name.text)).help(help));
    }
    let name = Placed { value: name.text, span: name.span };
    let weight = weight.map_or(1.0, |w| w.value);
    Some(Action { name, weight, margin, parameters, slots, steps, program, think })
}

/// `transaction = true`, and perhaps `isolation`.
fn read_transaction(table: &mut Table<'_, '_>) -> Option<&'static str> {
    let transaction = table.boolean("transaction").is_some_and(|flag| flag.value);
    let Some(isolation) = table.text("isolation") else { return transaction.then_some("BEGIN") };
    let known = ISOLATIONS.into_iter().find(|(name, _)| *name == isolation.text);
    match known {
        Some((_, begin)) if transaction => return Some(begin),
        Some(_) => {
            let problem = Diagnostic::at(isolation.span, "`isolation` belongs to a transaction");
            table.problem(problem.help("add transaction = true"));
        }
        None => {
            let names: Vec<&str> = ISOLATIONS.into_iter().map(|(name, _)| name).collect();
            let message = format!("`isolation` is one of: {}", names.join(", "));
            table.problem(Diagnostic::at(isolation.span, message));
        }
    }
    None
}

fn read_protocol(table: &mut Table<'_, '_>) -> Option<Protocol> {
    let text = table.text("protocol")?;
    let protocol = Protocol::from_name(&text.text);
    if protocol.is_none() {
        table.problem(Diagnostic::at(text.span, "`protocol` is \"prepared\", \"extended\" or \"simple\""));
    }
    protocol
}

/// `target = "replica"`
fn read_role(table: &mut Table<'_, '_>) -> Option<Placed<Role>> {
    let text = table.text("target")?;
    let role = Role::from_name(&text.text);
    if role.is_none() {
        table.problem(Diagnostic::at(text.span.clone(), "`target` is \"primary\" or \"replica\""));
    }
    role.map(|value| Placed { value, span: text.span })
}

/// `[[action.since]]`: what the application asks from a migration on.
fn read_since(table: &mut Table<'_, '_>) -> Vec<(PlacedText, PlacedText)> {
    let mut found = Vec::new();
    for mut since in table.tables("since") {
        let (migration, sql) = (since.required_text("migration"), since.required_text("sql"));
        since.finish();
        found.extend(migration.zip(sql));
    }
    found
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

/// A duration that is drawn again each time: `2s`, `exp(2s)`, `uniform(1s, 3s)`.
fn read_wait(table: &Table<'_, '_>, text: &PlacedText) -> Option<Draw> {
    match parse(&text.text).and_then(|expr| parameter::read(&expr, &[])) {
        Ok(draw @ (Draw::Const(_) | Draw::Distribution(_) | Draw::Binary(..))) => Some(draw),
        Ok(_) => {
            table.problem(
                Diagnostic::at(text.span.clone(), "this must be a duration")
                    .help("such as \"500ms\", \"exp(2s)\" or \"uniform(1s, 3s)\""),
            );
            None
        }
        Err(problem) => {
            table.problem(text.relocate(problem));
            None
        }
    }
}

fn read_sources(table: &mut Table<'_, '_>) -> Option<Vec<Source>> {
    let sql = table.text("sql");
    let since = read_since(table);
    let steps = table.tables("step");
    let missing = |table: &Table<'_, '_>, message: &str| {
        table.problem(Diagnostic::at(table.span.clone(), message));
        None
    };
    match (sql, steps.is_empty()) {
        (Some(sql), true) => Some(vec![Source {
            sql,
            name: None,
            chance: None,
            each: None,
            think: None,
            protocol: None,
            role: None,
            since,
        }]),
        (None, false) if !since.is_empty() => {
            missing(table, "of an action in steps, each step has its own [[action.step.since]]")
        }
        (None, false) => steps.into_iter().map(read_source).collect::<Vec<_>>().into_iter().collect(),
        (Some(_), false) => missing(table, "an action has `sql` or [[action.step]], not both"),
        (None, true) => missing(table, "the action needs `sql`, or [[action.step]] for several statements"),
    }
}

fn read_source(mut step: Table<'_, '_>) -> Option<Source> {
    let sql = step.required_text("sql");
    let name = step.text("name");
    let each = step.text("each");
    let think = step.text("think").and_then(|text| read_wait(&step, &text));
    let protocol = read_protocol(&mut step);
    let role = read_role(&mut step);
    let since = read_since(&mut step);
    let chance = step.text("chance").and_then(|text| match parse(&text.text).map(|e| e.node) {
        Ok(Node::Percent(share)) if 0.0 < share && share <= 1.0 => Some(share),
        _ => {
            step.problem(Diagnostic::at(text.span, "`chance` is a share such as \"30%\", above 0% and at most 100%"));
            None
        }
    });
    step.finish();
    Some(Source { sql: sql?, name, chance, each, think, protocol, role, since })
}

fn read_parameters(table: &Table<'_, '_>, with: &[(Placed<String>, PlacedText)]) -> Option<Vec<Parameter>> {
    let names: Vec<String> = with.iter().map(|(name, _)| name.value.clone()).collect();
    let mut parameters = Vec::new();
    for (position, (name, source)) in with.iter().enumerate() {
        match parse(&source.text).and_then(|expr| parameter::read(&expr, &names)) {
            Ok(mut draw) => {
                let mut sources = Vec::new();
                draw.sources(&mut sources);
                // TOML keeps no order of keys, so a parameter may only be made from one that is made itself from none.
                if sources.contains(&&mut { position }) {
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
    let mut ordered = order(table, parameters)?;
    lead(table, &mut ordered)?;
    Some(ordered)
}

/// Puts parameters after those they are made from, and their references with them.
fn order(table: &Table<'_, '_>, mut parameters: Vec<Parameter>) -> Option<Vec<Parameter>> {
    let sources: Vec<Vec<usize>> = parameters
        .iter_mut()
        .map(|p| {
            let mut found = Vec::new();
            p.draw.sources(&mut found);
            found.into_iter().map(|position| *position).collect()
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
    let mut ordered: Vec<Parameter> = placed.iter().map(|index| parameters[*index].clone()).collect();
    for parameter in &mut ordered {
        let mut found = Vec::new();
        parameter.draw.sources(&mut found);
        for position in found {
            *position = placed.iter().position(|p| p == position).expect("every parameter was placed");
        }
    }
    Some(ordered)
}

/// Adds the columns of followers (`same user`) to the picks they follow.
fn lead(table: &Table<'_, '_>, parameters: &mut [Parameter]) -> Option<()> {
    for parameter in parameters.iter() {
        if !matches!(parameter.draw, Draw::Same { .. }) && parameter.draw.holds_same() {
            let message = "`same` stands alone: other expressions read the parameter that is made with it";
            let problem = Diagnostic::at(parameter.source.span.clone(), message);
            table.problem(
                problem.help("course = \"pick(enrollments.course_id, same user)\", and then `course` elsewhere"),
            );
            return None;
        }
    }
    for index in 0..parameters.len() {
        let Draw::Same { leader, column, .. } = &parameters[index].draw else { continue };
        let (leader, (of, column)) = (*leader, column.rsplit_once('.').expect("`pick` asks for the table"));
        let (of, column) = (of.to_owned(), column.to_owned());
        let leads = parameters[leader].name.clone();
        let Draw::Pick(pick) = &mut parameters[leader].draw else {
            let span = parameters[index].source.span.clone();
            table.problem(Diagnostic::at(span, format!("`{leads}` is not picked from a table itself")));
            return None;
        };
        if pick.table != of {
            let message = format!("`{leads}` is picked from `{}`, not from `{of}`", pick.table);
            table.problem(Diagnostic::at(parameters[index].source.span.clone(), message));
            return None;
        }
        pick.columns.push(column);
        let at = pick.columns.len() - 1;
        if let Draw::Same { place, .. } = &mut parameters[index].draw {
            *place = at;
        }
    }
    Some(())
}

/// A statement; names nobody knows become slots that an earlier step must fill.
fn read_step(table: &Table<'_, '_>, source: &PlacedText, is_first: bool, slots: &mut Vec<String>) -> Option<Step> {
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
        match slots.iter().position(|known| known == name) {
            Some(slot) => arguments.push(slot),
            None if !is_first => {
                slots.push(name.clone());
                arguments.push(slots.len() - 1);
            }
            None => {
                let (_, place) = &statement.uses.iter().find(|(p, _)| *p == position).expect("every name is used");
                let problem = Diagnostic::at(source.place(place), format!("unknown parameter `:{name}`"));
                table.problem(match nearest(name, slots.iter().map(String::as_str)) {
                    Some(meant) => problem.help(format!("did you mean `:{meant}`?")),
                    None => problem.help(format!("say under `with` how it is made: {name} = \"pick(table.column)\"")),
                });
            }
        }
    }
    let step = Step {
        statement,
        source: source.clone(),
        arguments,
        protocol: None,
        keep: Keep::Nothing,
        role: Role::Primary,
        since: Vec::new(),
    };
    (step.arguments.len() == step.statement.names.len()).then_some(step)
}

/// The steps in order, with waits, chances and repetitions, in a transaction if one begins.
fn compile(
    table: &Table<'_, '_>,
    sources: &[Source],
    steps: &mut [Step],
    begin: Option<&'static str>,
) -> Option<Vec<Op>> {
    let mut program: Vec<Op> = begin.map(Op::Begin).into_iter().collect();
    for (index, source) in sources.iter().enumerate() {
        let site = index as u64;
        let skip = program.len();
        if let Some(chance) = source.chance {
            program.push(Op::SkipUnlessChance { chance, site, otherwise: 0 });
        }
        if let Some(think) = &source.think {
            program.push(Op::Pause(Wait::Drawn(think.clone(), site)));
        }
        match &source.each {
            None => program.push(Op::Send(index)),
            Some(each) => {
                let named = |other: &Source| other.name.as_ref().is_some_and(|name| name.text == each.text);
                let Some(rows_of) = sources[..index].iter().position(named) else {
                    let problem =
                        Diagnostic::at(each.span.clone(), format!("no earlier step is called `{}`", each.text));
                    table.problem(problem.help("give the step whose rows are meant a `name`"));
                    return None;
                };
                let step = &mut steps[rows_of];
                step.keep = Keep::Every;
                step.since.iter_mut().for_each(|(_, step)| step.keep = Keep::Every);
                program.push(Op::SendEach { step: index, rows_of });
            }
        }
        let end = program.len();
        if let Op::SkipUnlessChance { otherwise, .. } = &mut program[skip] {
            *otherwise = end;
        }
    }
    program.extend(begin.map(|_| Op::Commit));
    Some(program)
}

fn report_unused(
    table: &Table<'_, '_>,
    with: &[(Placed<String>, PlacedText)],
    parameters: &[Parameter],
    steps: &[Step],
) {
    let all = steps.iter().flat_map(|step| step.since.iter().map(|(_, step)| step).chain([step]));
    let mut used: Vec<usize> = all.flat_map(|step| step.arguments.iter().copied()).collect();
    for parameter in parameters {
        let mut draw = parameter.draw.clone();
        let mut sources = Vec::new();
        draw.sources(&mut sources);
        used.extend(sources.into_iter().map(|position| *position));
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

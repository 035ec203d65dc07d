//! Base, up, down, up: each migration by itself, then all of them as one. Must bring every step's clone from the
//! same database.

use sqlx::{Connection, Row};

use super::fingerprint::{self, Fingerprint, differences};
use super::plan::{Base, Check};
use super::{actions, rows, statements, violations, writes};
use crate::clock::Clock;
use crate::evidence::round_trip::{Down, FORMAT, NewRows, Outcome, Refused, RoundTrip, Step, Trip};
use crate::migrate::requirements::made_roles;
use crate::migrate::{ApplyError, Manner, Migration, Part, apply, books};
use crate::postgres::connect::version_text;
use crate::postgres::database::{Admin, Token};
use crate::postgres::sql_text::{identifier, query, trusted};
use crate::postgres::{Error, Target};
use crate::trial::subject::template::obtain;
use crate::trial::{Subject, TrialError};

/// Applies, reverts and applies again.
///
/// # Errors
/// When the server is lost, the data cannot be made, or an earlier migration is refused. The databases carry
/// `token`; the caller drops them.
pub async fn check(plan: &Check<'_>, token: &Token) -> Result<RoundTrip, TrialError> {
    let server = plan.server.named(&token.application());
    let mut admin = Admin::connect(&server).await?;
    let mut walk = Walk { plan, token, clock: Clock::start(), admin: &mut admin };
    walk.base().await?;
    let (first, last) = (*plan.range.start(), *plan.range.end());
    let several = first != last;
    if several {
        walk.copy("walk", "range").await?;
    }
    let rows = walk.rows("walk").await?;
    let mut steps = Vec::new();
    for position in plan.range.clone() {
        (plan.tell)(&format!("checking {}", plan.directory.migrations[position].label));
        let step = walk.step(position).await?;
        let reached = step.trip.up.is_applied();
        steps.push(step);
        if !reached {
            break;
        }
    }
    let range = match several && steps.len() == last - first + 1 {
        true => Some(walk.range(&plan.directory.migrations[plan.range.clone()]).await?),
        false => None,
    };
    let label = match several {
        true => format!("{}..{}", plan.directory.migrations[first].label, plan.directory.migrations[last].label),
        false => plan.directory.migrations[first].label.clone(),
    };
    let version = walk.admin.server_version();
    admin.close().await;
    let layout = plan.directory.layout.name().to_owned();
    Ok(RoundTrip {
        format: FORMAT,
        label,
        layout,
        server: version_text(version),
        rows: rows::total(&rows),
        steps,
        range,
    })
}

/// Drops what a check has made: its clones, then the roles of its migrations, which were not there before.
///
/// # Errors
/// When the server refuses.
pub async fn clean_up(server: &Target, token: &Token, roles: &[String]) -> Result<(), Error> {
    let mut admin = Admin::connect(&server.named("weighbridge cleanup")).await?;
    admin.drop_all_of(token).await?;
    for role in roles {
        drop_role(&mut admin, role).await?;
    }
    admin.close().await;
    Ok(())
}

/// Whether a role was there and is dropped.
async fn drop_role(admin: &mut Admin, role: &str) -> Result<bool, Error> {
    let doing = |e| Error::doing("drop a role that a migration made", e);
    let there = query("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)").bind(role.to_owned());
    let there: bool = there.fetch_one(admin.connection()).await.and_then(|row| row.try_get(0)).map_err(doing)?;
    if there {
        query(format!("DROP ROLE {}", identifier(role))).execute(admin.connection()).await.map_err(doing)?;
    }
    Ok(there)
}

/// Roles that migrations make and that are not there yet.
///
/// # Errors
/// When the server cannot be asked.
pub async fn new_roles(server: &Target, migrations: &[Migration]) -> Result<Vec<String>, Error> {
    let mut connection = server.connect().await?;
    let mut new = Vec::new();
    for role in migrations.iter().flat_map(|migration| made_roles(&migration.up.file.text)) {
        let there = query("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)").bind(role.clone());
        let there = there.fetch_one(&mut connection).await.and_then(|row| row.try_get(0));
        if !there.map_err(|e| Error::doing("look for roles", e))? {
            new.push(role);
        }
    }
    let _ = connection.close().await;
    Ok(new)
}

struct Walk<'w> {
    plan: &'w Check<'w>,
    token: &'w Token,
    clock: Clock,
    admin: &'w mut Admin,
}

impl Walk<'_> {
    fn name(&self, side: &str) -> String {
        self.token.clone_name(side)
    }

    fn target(&self, side: &str) -> Target {
        self.plan.server.named(&self.token.application()).database(&self.name(side))
    }

    async fn copy(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (self.name(from), self.name(to));
        self.admin.drop_own(self.token, &to).await?;
        self.admin.clone_database(&from, &to).await.map(drop)
    }

    async fn drop(&mut self, side: &str) -> Result<(), Error> {
        let name = self.name(side);
        self.admin.drop_own(self.token, &name).await
    }

    /// The database before the first migration.
    async fn base(&mut self) -> Result<(), TrialError> {
        let walk = self.name("walk");
        let first = *self.plan.range.start();
        let applied = match &self.plan.base {
            Base::Empty => {
                self.admin.create_marked(&walk, "schema that is checked").await?;
                0
            }
            Base::Seeded(settings) => {
                let Subject::Clones(dataset) = &settings.subject else { unreachable!("a check makes clones") };
                let template = obtain(settings, dataset, self.admin, self.token, &self.clock).await?;
                self.admin.clone_database(&template.name, &walk).await?;
                let open = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", identifier(&walk));
                let opened = sqlx::raw_sql(trusted(open)).execute(self.admin.connection()).await;
                opened.map_err(|e| Error::doing("open a clone", e))?;
                dataset.at + 1
            }
        };
        let steps = self.plan.directory.steps(0..first);
        let target = self.target("walk");
        for position in applied..first {
            (self.plan.tell)(&format!("applying {}", self.plan.directory.migrations[position].label));
            let mut connection = target.connect().await?;
            steps.apply(&mut connection, &target, position, &self.clock).await?;
            let _ = connection.close().await;
        }
        Ok(())
    }

    async fn schema(&self, side: &str) -> Result<Fingerprint, Error> {
        let mut connection = self.target(side).connect().await?;
        let schema = fingerprint::read(&mut connection).await;
        let _ = connection.close().await;
        schema
    }

    async fn rows(&self, side: &str) -> Result<rows::Database, Error> {
        let mut connection = self.target(side).connect().await?;
        let rows = rows::read(&mut connection).await;
        let _ = connection.close().await;
        rows
    }

    /// Applies one direction as its tool does.
    async fn send(&self, side: &str, migration: &Migration, part: &Part) -> Result<Outcome, Error> {
        let target = self.target(side);
        let mut connection = target.connect().await?;
        if self.plan.directory.names_books {
            books::make(&mut connection, self.plan.directory.layout).await?;
        }
        let manner = Manner { target: Some(&target), ..Manner::default() };
        let applied = apply(&mut connection, part, &manner, &self.clock).await;
        let _ = connection.close().await;
        match applied {
            Ok(applied) => Ok(Outcome::Applied { duration_ms: applied.duration.as_secs_f64() * 1e3 }),
            Err(ApplyError::Server(error)) if error.database().is_none() => Err(error),
            Err(error) => {
                let text = error.to_string();
                let code = text.split("SQLSTATE ").nth(1).and_then(|rest| rest.get(..5)).map(str::to_owned);
                let _ = migration;
                Ok(Outcome::Refused(Refused { code, message: text.trim_start_matches("error: ").to_owned() }))
            }
        }
    }

    async fn down(&self, side: &str, migration: &Migration) -> Result<Down, Error> {
        Ok(match &migration.down {
            None => Down::Absent,
            Some(down) if down.is_empty() => Down::Empty,
            Some(down) => Down::Sent(self.send(side, migration, down).await?),
        })
    }

    /// One migration; `walk` has it applied afterwards, where that is possible.
    async fn step(&mut self, position: usize) -> Result<Step, TrialError> {
        let migration = self.plan.directory.migrations[position].clone();
        for side in ["before", "new", "facts"] {
            self.copy("walk", side).await?;
        }
        let mut connection = self.target("before").connect().await?;
        let asked_before = actions::refusals(&mut connection, &self.plan.actions).await?;
        let violations = violations::read(&mut connection, &migration.up).await?;
        let _ = connection.close().await;
        let (statements, statement_error) = statements::facts(&self.target("facts"), &migration.up).await?;
        self.drop("facts").await?;
        let outside = self.cluster_objects().await?;
        let mut step = Step {
            label: migration.label.clone(),
            file: migration.up.file.path.display().to_string(),
            in_transaction: migration.up.in_transaction(),
            trip: self.trip("walk", std::slice::from_ref(&migration)).await?,
            new_rows: None,
            statements,
            statement_error,
            changes: Vec::new(),
            invalid_indexes: Vec::new(),
            cluster_objects: outside,
            refused_actions: Vec::new(),
            actions_asked: self.plan.actions.len(),
            violations,
        };
        // A down or a second up that failed may have left anything.
        if !step.trip.second_up.as_ref().is_some_and(Outcome::is_applied) && step.trip.up.is_applied() {
            self.copy("before", "walk").await?;
            self.send("walk", &migration, &migration.up).await?;
        }
        if step.trip.up.is_applied() {
            let before = self.schema("before").await?;
            let after = self.schema("walk").await?;
            step.changes = differences(&before, &after);
            let invalid = |schema: &Fingerprint, name: &str| {
                schema.get(&("index".to_owned(), name.to_owned())).is_some_and(|index| index.contains("valid=false"))
            };
            let indexes = after.keys().filter(|(kind, _)| kind == "index").map(|(_, name)| name);
            step.invalid_indexes =
                indexes.filter(|name| invalid(&after, name) && !invalid(&before, name)).cloned().collect();
            let mut connection = self.target("walk").connect().await?;
            let asked_after = actions::refusals(&mut connection, &self.plan.actions).await?;
            let _ = connection.close().await;
            step.refused_actions = actions::newly_refused(&asked_before, asked_after);
            step.new_rows = self.new_rows(&migration, &step).await?;
        }
        for side in ["before", "new"] {
            self.drop(side).await?;
        }
        Ok(step)
    }

    /// Up, rows on the new schema, down: on a clone of its own.
    async fn new_rows(&self, migration: &Migration, step: &Step) -> Result<Option<NewRows>, TrialError> {
        let reverts = matches!(&step.trip.down, Down::Sent(outcome) if outcome.is_applied());
        let Some(down) = migration.down.as_ref().filter(|_| reverts) else { return Ok(None) };
        if !self.send("new", migration, &migration.up).await?.is_applied() {
            return Ok(None);
        }
        let target = self.target("new");
        let mut connection = target.connect().await?;
        let mut written = writes::write(&mut connection, &step.changes).await?;
        let _ = connection.close().await;
        written.extend(super::writes::fill_new_tables(&target, &step.changes).await?);
        let before = self.rows("new").await?;
        let down = self.send("new", migration, down).await?;
        let after = self.rows("new").await?;
        let lost = rows::lost(&before, &after);
        Ok(Some(NewRows { written, down, lost }))
    }

    /// Up, down, up of some migrations as one, in a database.
    async fn trip(&self, side: &str, migrations: &[Migration]) -> Result<Trip, TrialError> {
        let (schema, rows) = (self.schema(side).await?, self.rows(side).await?);
        let mut trip = Trip {
            up: self.all_up(side, migrations).await?,
            down: Down::NotReached,
            second_up: None,
            after_down: Vec::new(),
            after_second_up: Vec::new(),
            lost: Vec::new(),
        };
        if !trip.up.is_applied() {
            return Ok(trip);
        }
        let applied = self.schema(side).await?;
        for migration in migrations.iter().rev() {
            trip.down = self.down(side, migration).await?;
            if !matches!(&trip.down, Down::Sent(outcome) if outcome.is_applied()) {
                break;
            }
        }
        let is_reverted = match &trip.down {
            Down::Sent(outcome) => outcome.is_applied(),
            Down::Empty => true,
            Down::Absent | Down::NotReached => false,
        };
        if !is_reverted {
            return Ok(trip);
        }
        trip.after_down = differences(&schema, &self.schema(side).await?);
        trip.lost = rows::lost(&rows, &self.rows(side).await?);
        trip.second_up = Some(self.all_up(side, migrations).await?);
        if trip.second_up.as_ref().is_some_and(Outcome::is_applied) {
            trip.after_second_up = differences(&applied, &self.schema(side).await?);
        }
        Ok(trip)
    }

    async fn all_up(&self, side: &str, migrations: &[Migration]) -> Result<Outcome, TrialError> {
        let mut total = 0.0;
        for migration in migrations {
            match self.send(side, migration, &migration.up).await? {
                Outcome::Applied { duration_ms } => total += duration_ms,
                refused => return Ok(refused),
            }
        }
        Ok(Outcome::Applied { duration_ms: total })
    }

    /// All of them as one.
    async fn range(&mut self, migrations: &[Migration]) -> Result<Trip, TrialError> {
        (self.plan.tell)("checking the whole range");
        let trip = self.trip("range", migrations).await?;
        self.drop("range").await?;
        Ok(trip)
    }

    /// Roles that the statements have made: they are there for every database, so they are dropped before the step
    /// is applied again.
    async fn cluster_objects(&mut self) -> Result<Vec<String>, Error> {
        let mut made = Vec::new();
        for role in &self.plan.roles {
            if drop_role(self.admin, role).await? {
                made.push(format!("role {role}"));
            }
        }
        Ok(made)
    }
}

//! `weighbridge server clean`: drops what ended programs left. Must drop no database without the mark, and none that is
//! in use.

use clap::Args;

use super::super::Embedded;
use super::super::exit::Failure;
use super::super::output::say;
use super::home;
use crate::postgres::database::{Admin, Named};
use crate::postgres::server::{Cluster, Lease, Status};
use crate::postgres::{Error, Target};

/// Flags of `server clean`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Drop the seeded templates too
    #[arg(long)]
    templates: bool,
    /// Remove the whole embedded server with everything in it
    #[arg(long, conflicts_with = "templates")]
    all: bool,
    /// A server of yours instead of the embedded one: clones and templates are dropped there
    #[arg(long, value_name = "URL", conflicts_with = "all")]
    pub(super) url: Option<String>,
}

/// Databases that were dropped, and those that stay.
struct Cleaned {
    dropped: Vec<String>,
    /// Marked, with the reason they stay.
    kept: Vec<(String, String)>,
    unmarked: Vec<Named>,
}

/// Cleans the embedded server.
pub(super) async fn clean(cluster: &Cluster, embedded: &Embedded, arguments: &Arguments) -> Result<(), Failure> {
    let lease = Lease::take(&home(embedded)?).map_err(Failure::environment)?;
    if arguments.all {
        cluster.remove(&lease).await.map_err(Failure::environment)?;
        return say(&format!("removed {}\n", cluster.folder().display()));
    }
    let before = cluster.status().await.map_err(Failure::environment)?;
    if before == Status::Absent {
        // Nothing runs, and nothing may be left reserved for it.
        cluster.stop(&lease).await.map_err(Failure::environment)?;
        return say("nothing to clean\n");
    }
    let target = cluster.start_to_clean(&lease).await.map_err(Failure::environment)?;
    let cleaned = async {
        let mut admin = Admin::connect(&target).await?;
        // Under the lease nobody else is at work, so every such session belongs to a dead program.
        admin.end_sessions("weighbridge/%", "").await?;
        let cleaned = drop_databases(&mut admin, arguments.templates).await;
        // Files of what was dropped, and of the log, are given back.
        admin.checkpoint().await;
        admin.close().await;
        cleaned
    };
    let cleaned = cleaned.await.map_err(Failure::environment)?;
    if before == Status::Stopped || !cluster.is_kept() {
        cluster.stop(&lease).await.map_err(Failure::environment)?;
    }
    if let Some(full) = cluster.fullness() {
        tell(&cleaned, "psql \"$(weighbridge server url)\"")?;
        return Err(Failure::environment(full));
    }
    tell(&cleaned, "psql \"$(weighbridge server url)\"")
}

/// Cleans a server of the user's.
pub(super) async fn clean_at(url: &str) -> Result<(), Failure> {
    let target = Target::from_url(url).map_err(Failure::usage)?.named("weighbridge clean");
    let cleaned = async {
        let mut admin = Admin::connect(&target).await?;
        let cleaned = drop_databases(&mut admin, true).await;
        admin.close().await;
        cleaned
    };
    tell(&cleaned.await.map_err(Failure::environment)?, "psql")
}

async fn drop_databases(admin: &mut Admin, templates: bool) -> Result<Cleaned, Error> {
    let left = admin.left_overs().await?;
    let in_use = |database: Named| {
        let by = database.in_use.unwrap_or_default();
        (database.name, format!("in use by {by}"))
    };
    let mut cleaned =
        Cleaned { dropped: left.ours, kept: left.in_use.into_iter().map(in_use).collect(), unmarked: left.unmarked };
    let alive = admin.alive().await?;
    for database in admin.named().await? {
        let running = database.token.as_ref().is_some_and(|token| alive.contains(token));
        let is_template = database.token.is_none() && database.marked && !cleaned.dropped.contains(&database.name);
        if running {
            cleaned.kept.push((database.name, "its proof is running".to_owned()));
        } else if is_template && templates && !alive.is_empty() {
            cleaned.kept.push((database.name, "a proof is running, which may clone it".to_owned()));
        } else if is_template && templates {
            cleaned.dropped.push(database.name);
        }
    }
    for name in &cleaned.dropped {
        admin.drop_database(name).await?;
    }
    Ok(cleaned)
}

fn tell(cleaned: &Cleaned, psql: &str) -> Result<(), Failure> {
    for name in &cleaned.dropped {
        say(&format!("dropped {name}\n"))?;
    }
    for (name, reason) in &cleaned.kept {
        say(&format!("kept {name}: {reason}\n"))?;
    }
    if !cleaned.unmarked.is_empty() {
        say(&format!(
            "not dropped, for want of weighbridge's mark: made by hand, or by an earlier version; where they are yours \
             to drop, with {psql}:\n"
        ))?;
        for database in &cleaned.unmarked {
            say(&format!("  {}\n", database.drop_sql()))?;
        }
    }
    if cleaned.dropped.is_empty() { say("nothing to clean\n") } else { Ok(()) }
}

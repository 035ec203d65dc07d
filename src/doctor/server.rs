//! What a server says of itself: distance, the cost of a commit, settings, rights, extensions, room for clones. Must
//! only read, but for one message in the WAL for each commit it times.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, Row};

use super::{Finding, Grade, Patient};
use crate::clock::Clock;
use crate::postgres::Error;
use crate::postgres::connect::version_text;
use crate::postgres::server::uses_huge_pages;
use crate::postgres::sql_text::{query, trusted};
use crate::postgres::trip::{SHORTEST, times_us};
use crate::units::bytes_text;

/// A round trip longer than this, in microseconds, hides what the server does.
const TRIP_US_MOST: f64 = 1_000.0;

/// No disk keeps a commit in less, in microseconds.
const COMMIT_US_LEAST: f64 = 30.0;

/// Sides of a proof, each as large as the database that is cloned, and their template.
const COPIES: u64 = 4;

pub(super) async fn examine(patient: &Patient, clock: &Clock) -> Result<Vec<Finding>, Error> {
    let mut connection = patient.target.connect().await?;
    let version = connection.server_version_num().map_or_else(|| "unknown".to_owned(), version_text);
    let mut findings = vec![Finding::new("server", format!("PostgreSQL {version}, {}", patient.target.describe()))];
    findings.push(trip(&mut connection, clock).await?);
    findings.push(commit(&mut connection, clock).await);
    findings.extend(settings(&mut connection).await?);
    findings.extend(huge_pages(&mut connection).await?);
    findings.push(rights(&mut connection).await?);
    findings.extend(extensions(&mut connection).await?);
    findings.push(room(&mut connection, patient).await?);
    let _ = connection.close().await;
    Ok(findings)
}

/// The network floor: what the shortest question takes.
async fn trip(connection: &mut PgConnection, clock: &Clock) -> Result<Finding, Error> {
    let taken =
        times_us(connection, clock, SHORTEST, 500).await.map_err(|e| Error::doing("time the shortest question", e))?;
    Ok(graded_trip(taken[taken.len() / 2], taken[taken.len() * 99 / 100]))
}

fn graded_trip(p50: f64, p99: f64) -> Finding {
    let advice = "measure from a machine nearer to the server: the way there is most of a short statement's latency";
    Finding::new("network floor", format!("SELECT 1 in {p50:.0} µs at p50, {p99:.0} µs at p99")).when(
        TRIP_US_MOST < p50,
        Grade::Warning,
        advice,
    )
}

/// What a commit costs that must reach the disk.
async fn commit(connection: &mut PgConnection, clock: &Clock) -> Finding {
    const WRITE: &str = "SELECT pg_logical_emit_message(true, 'weighbridge', 'doctor')";
    match times_us(connection, clock, WRITE, 60).await {
        Ok(taken) => graded_commit(taken[taken.len() / 2], taken[taken.len() - 1]),
        Err(_) => Finding::new("commit", "not measured: the session may not write"),
    }
}

fn graded_commit(p50: f64, most: f64) -> Finding {
    let advice = "commits do not seem to wait for a disk (under 30 µs): writes cost more where they do";
    Finding::new("commit", format!("{p50:.0} µs at p50, {most:.0} µs at most")).when(
        p50 < COMMIT_US_LEAST,
        Grade::Warning,
        advice,
    )
}

/// Settings that spoil a measurement, and what they do to it.
const SPOILERS: [(&str, &[&str], &str); 8] = [
    ("fsync", &["off"], "commits are cheaper than on any server that keeps its data"),
    ("full_page_writes", &["off"], "writes are cheaper than on a server that survives a crash"),
    ("debug_assertions", &["on"], "this build checks itself: build without --enable-cassert"),
    (
        "log_min_duration_statement",
        &["0"],
        "every statement is written to the log: set it to -1, or above what is slow",
    ),
    ("log_statement", &["all"], "every statement is written to the log: set it to none"),
    ("log_duration", &["on"], "every statement is written to the log: turn it off"),
    ("wal_level", &["minimal"], "writes skip WAL that a replicated server writes"),
    ("track_counts", &["off"], "the server counts no scans: index usage cannot be compared"),
];

async fn settings(connection: &mut PgConnection) -> Result<Vec<Finding>, Error> {
    let doing = |e| Error::doing("read settings", e);
    let mut findings = Vec::new();
    for (name, bad, advice) in SPOILERS {
        let sql = format!("SELECT current_setting('{name}', true)");
        let value: Option<String> =
            query(sql).fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)).map_err(doing)?;
        if let Some(value) = value.filter(|value| bad.contains(&value.as_str())) {
            findings.push(Finding::new("setting", format!("{name} = {value}")).graded(Grade::Warning, advice));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::new("settings", "none of those that spoil a measurement"));
    }
    let sql = "SELECT setting::int8 * 8192, pg_database_size(current_database()) FROM pg_settings \
               WHERE name = 'shared_buffers'";
    let row = query(sql).fetch_one(&mut *connection).await.map_err(doing)?;
    let (buffers, size): (i64, i64) = (row.try_get(0).map_err(doing)?, row.try_get(1).map_err(doing)?);
    findings.push(graded_cache(buffers as u64, size as u64));
    Ok(findings)
}

fn graded_cache(buffers: u64, size: u64) -> Finding {
    let advice = "three sides do not fit into shared_buffers together: raise it, or read cache effects with care";
    let found = format!("{} of shared_buffers, {} of database", bytes_text(buffers), bytes_text(size));
    Finding::new("cache", found).when(buffers < size * 3, Grade::Warning, advice)
}

/// In which pages the server's shared memory is; nothing where its processes are not seen from here.
async fn huge_pages(connection: &mut PgConnection) -> Result<Option<Finding>, Error> {
    let sql = "SELECT pg_backend_pid(), current_setting('shared_memory_size_in_huge_pages', true)";
    let row = query(sql).fetch_one(&mut *connection).await.map_err(|e| Error::doing("read settings", e))?;
    let process = row.try_get::<i32, _>(0).unwrap_or_default().unsigned_abs();
    let pages = row.try_get::<Option<String>, _>(1).ok().flatten().and_then(|pages| pages.parse().ok());
    let is_server = std::fs::read(format!("/proc/{process}/cmdline"))
        .is_ok_and(|title| String::from_utf8_lossy(&title).contains("postgres"));
    Ok(uses_huge_pages(process).filter(|_| is_server).map(|huge| graded_pages(huge, pages)))
}

fn graded_pages(huge: bool, wanted: Option<u64>) -> Finding {
    let wanted = wanted.map_or_else(|| "N".to_owned(), |pages| pages.to_string());
    let advice = format!(
        "identical clones differ by twice as much without huge pages: sudo sysctl -w vm.nr_hugepages={wanted}, and \
         start the server again"
    );
    let found = if huge { "shared memory in huge pages" } else { "shared memory in small pages" };
    Finding::new("huge pages", found).when(!huge, Grade::Warning, &advice)
}

/// What the role may.
async fn rights(connection: &mut PgConnection) -> Result<Finding, Error> {
    let sql = "SELECT rolcreatedb OR rolsuper, rolsuper, pg_has_role(current_user, 'pg_read_all_stats', 'member')
               FROM pg_roles WHERE rolname = current_user";
    let row = query(sql).fetch_one(&mut *connection).await.map_err(|e| Error::doing("read the role's rights", e))?;
    let may = |column: usize| row.try_get::<bool, _>(column).unwrap_or_default();
    Ok(graded_rights(may(0), may(1), may(2)))
}

fn graded_rights(makes_databases: bool, superuser: bool, reads_statistics: bool) -> Finding {
    let said = match (makes_databases, superuser, reads_statistics) {
        (_, true, _) => "superuser",
        (true, _, true) => "may make databases and read all statistics",
        (true, _, false) => "may make databases",
        (false, ..) => "may not make databases",
    };
    Finding::new("rights", said)
        .when(
            !superuser && !reads_statistics,
            Grade::Warning,
            "GRANT pg_read_all_stats, so that other sessions and statements are seen",
        )
        .when(
            !makes_databases,
            Grade::Unfit,
            "ALTER ROLE … CREATEDB: a proof makes clones; one with --before or --in-place does not",
        )
}

/// Of what only adds a column to a report.
const NOT_NEEDED: &str = "not needed";

/// Extensions that show more; none is needed.
async fn extensions(connection: &mut PgConnection) -> Result<Vec<Finding>, Error> {
    let known = [
        (
            "pg_stat_statements",
            "work per call is not shown without it: shared_preload_libraries = 'pg_stat_statements', and a restart",
        ),
        ("pg_prewarm", "caches are filled by the load alone without it: install postgresql-contrib"),
        ("hypopg", NOT_NEEDED),
        ("pg_buffercache", NOT_NEEDED),
        ("pgstattuple", NOT_NEEDED),
    ];
    let mut findings = Vec::new();
    for (name, advice) in known {
        let available = query(format!("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = '{name}')"));
        let available: bool = available
            .fetch_one(&mut *connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|e| Error::doing("look for extensions", e))?;
        // It can be made anywhere, but counts only where it was loaded at the start.
        let loaded = name != "pg_stat_statements"
            || connection.execute(sqlx::raw_sql(trusted("SHOW pg_stat_statements.track"))).await.is_ok();
        let said = match (available, loaded) {
            (true, true) => "there",
            (true, false) => "there, not loaded",
            (false, _) => "missing",
        };
        let missed = advice != NOT_NEEDED && !(available && loaded);
        findings.push(Finding::new(name, said).when(missed, Grade::Warning, advice));
    }
    Ok(findings)
}

/// Room for the clones of this database, or of the largest dataset that was made here.
async fn room(connection: &mut PgConnection, patient: &Patient) -> Result<Finding, Error> {
    let largest = "SELECT max(pg_database_size(oid)) FROM pg_database
                   WHERE datname = current_database() OR datname ~ '^weighbridge_template_'
                   AND has_database_privilege(oid, 'CONNECT')";
    let size: i64 = query(largest)
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|e| Error::doing("measure the database", e))?;
    let free = patient.data.as_ref().and_then(|path| rustix::fs::statvfs(path).ok());
    Ok(graded_room(size.unsigned_abs() * COPIES, free.map(|free| free.f_bavail * free.f_frsize)))
}

fn graded_room(needed: u64, free: Option<u64>) -> Finding {
    let needed_text = bytes_text(needed);
    let Some(free) = free else {
        return Finding::new(
            "disk",
            format!("{needed_text} are needed for clones; what is free there is not seen from here"),
        );
    };
    let found = format!("{} free, {needed_text} needed for clones of the largest database here", bytes_text(free));
    Finding::new("disk", found).when(free < needed, Grade::Unfit, "free space, or use a smaller --scale")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_graded_by_what_it_takes_and_has() {
        let grade = |finding: Finding| (finding.grade, finding.advice.is_some());
        let (good, warning, unfit) = ((Grade::Good, false), (Grade::Warning, true), (Grade::Unfit, true));
        assert_eq!((grade(graded_trip(900.0, 5e3)), grade(graded_trip(1_100.0, 5e3))), (good, warning));
        assert_eq!((grade(graded_commit(31.0, 90.0)), grade(graded_commit(29.0, 90.0))), (good, warning));
        assert_eq!((grade(graded_cache(300, 100)), grade(graded_cache(299, 100))), (good, warning));
        assert_eq!((grade(graded_room(400, Some(400))), grade(graded_room(400, Some(399)))), (good, unfit));
        assert_eq!(grade(graded_room(400, None)), good);
        assert_eq!((grade(graded_pages(true, Some(9))), grade(graded_pages(false, Some(9)))), (good, warning));
        assert!(graded_pages(false, Some(9)).advice.unwrap().contains("nr_hugepages=9"));
    }

    #[test]
    fn a_role_that_makes_no_databases_is_unfit_even_where_it_sees_too_little() {
        let grade = |makes, superuser, reads| graded_rights(makes, superuser, reads).grade;
        assert_eq!((grade(true, true, false), grade(true, false, true)), (Grade::Good, Grade::Good));
        assert_eq!(grade(true, false, false), Grade::Warning);
        assert_eq!((grade(false, false, true), grade(false, false, false)), (Grade::Unfit, Grade::Unfit));
    }
}

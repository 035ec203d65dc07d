//! What a row costs us and what it costs the server: CPU of the generator over CPU of the COPY backend, for every table
//! of the platform. Both run on this machine, one after the other, so that neither takes time from the other.
//!
//! `cargo bench --bench seed_cpu` prints the table that `docs/performance.md` shows, `-- users orders` two rows of it;
//! `-- --test` only sees that it runs.

use std::process::Command;
use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use weighbridge::clock::Clock;
use weighbridge::migrate::{Directory, Manner, Options, apply};
use weighbridge::postgres::catalog::Catalog;
use weighbridge::postgres::database::Admin;
use weighbridge::postgres::sql_text::{query, trusted};
use weighbridge::postgres::{Target, catalog};
use weighbridge::seed::{Plan, encode, infer, plan, spec};
use weighbridge::units::Seed;

const MOST_ROWS: u64 = 30_000;
const TURNS: usize = 9;

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let home = std::env::temp_dir().join(format!("weighbridge-seed-cpu-{}", std::process::id()));
    let program = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_weighbridge"))
            .args(arguments)
            .env("WEIGHBRIDGE_HOME", &home)
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    std::fs::create_dir_all(&home).expect("a folder for the server");
    open_to_all(&home);
    program(&["server", "start"]);
    let url = program(&["server", "url"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rows = runtime.block_on(measure(url.trim(), quick));
    program(&["server", "clean", "--all"]);
    let _ = std::fs::remove_dir_all(&home);
    println!("{:<24} {:>8} {:>14} {:>14} {:>7}", "table", "rows", "generator ns", "COPY ns", "ratio");
    for (name, count, ours, theirs) in &rows {
        println!("{name:<24} {count:>8} {ours:>14.0} {theirs:>14.0} {:>7.2}", ours / theirs);
    }
    let ratio = |row: &(String, u64, f64, f64)| row.2 / row.3;
    let most = rows.iter().max_by(|a, b| ratio(a).total_cmp(&ratio(b))).expect("tables");
    let (ours, theirs) = rows.iter().fold((0.0, 0.0), |all, row| (all.0 + row.2, all.1 + row.3));
    println!("largest: {} {:.2}; all: {:.2}", most.0, ratio(most), ours / theirs);
}

#[cfg(unix)]
fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).expect("the folder is ours");
}

type Measured = (String, u64, f64, f64);

async fn measure(url: &str, quick: bool) -> Vec<Measured> {
    let server = Target::from_url(url).expect("the server's own URL");
    let mut admin = Admin::connect(&server).await.expect("a server");
    admin.create("platform").await.expect("a new database");
    let target = server.database("platform");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory =
        Directory::read(&root.join("migrations"), None, &Options::default()).expect("the platform's migrations");
    let mut connection = target.connect().await.expect("a connection");
    apply(&mut connection, &directory.migrations[0].up, &Manner::default(), &Clock::start()).await.expect("the schema");
    let catalog = catalog::read(&mut connection).await.expect("the catalog");
    let text = std::fs::read_to_string(root.join("seed/learning.toml")).expect("the platform's spec");
    let held = plan::Held::new();
    let (spec, _) =
        infer::complete(&spec::parse_spec(&text).expect("a spec"), &catalog, &held, &infer::Compared::default());
    let scale = if quick { 0.01 } else { 0.3 };
    let plan = Arc::new(plan::plan(&spec, &catalog, &held, scale, Seed(42)).expect("a plan"));
    let pid = scalar(&mut connection, "SELECT pg_backend_pid()").await;
    let mut found = Vec::new();
    for table in 0..plan.tables.len() {
        if let Some(row) = measure_table(&mut connection, &catalog, &plan, table, pid, quick).await {
            found.push(row);
        }
    }
    found
}

/// The least of several turns: whatever else the machine does only adds to it.
async fn measure_table(
    connection: &mut PgConnection,
    catalog: &Catalog,
    plan: &Plan,
    table: usize,
    pid: i64,
    quick: bool,
) -> Option<Measured> {
    let planned = &plan.tables[table];
    let rows = planned.rows.min(if quick { 100 } else { MOST_ROWS });
    // A few rows say more about beginning a COPY than about rows.
    if rows < 5_000 && !quick {
        return None;
    }
    let mut asked = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    if asked.peek().is_some() && !asked.any(|name| name == planned.name) {
        return None;
    }
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    let key =
        catalog.table(&planned.name).and_then(|t| t.uniques.iter().find(|u| u.primary)).map(|u| u.columns.join(", "));
    run(connection, "DROP TABLE IF EXISTS bench").await;
    run(
        connection,
        &format!(
            "CREATE TABLE bench (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS)",
            planned.sql_name
        ),
    )
    .await;
    if let Some(key) = key {
        run(connection, &format!("ALTER TABLE bench ADD PRIMARY KEY ({key})")).await;
    }
    let names: Vec<String> = planned.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
    let format = if planned.text { "text" } else { "binary" };
    let copy = format!("COPY bench ({}) FROM STDIN (FORMAT {format})", names.join(", "));
    let mut bytes = Vec::new();
    for turn in 0..if quick { 1 } else { TURNS as u64 } {
        // Another part of the table each time, so that nothing is known from the turn before.
        let from = (planned.rows - rows) * turn / TURNS as u64;
        bytes.clear();
        if !planned.text {
            bytes.extend_from_slice(encode::HEADER);
        }
        let before = own_cpu_ns();
        encode::rows(plan, table, from..from + rows, &mut bytes).expect("values fit");
        ours = ours.min((own_cpu_ns() - before) as f64 / rows as f64);
        if !planned.text {
            bytes.extend_from_slice(encode::TRAILER);
        }
        run(connection, "TRUNCATE bench").await;
        let before = cpu_ns(pid);
        let mut sink = connection.copy_in_raw(&copy).await.expect("COPY begins");
        for chunk in bytes.chunks(256 << 10) {
            sink.send(chunk).await.expect("COPY goes on");
        }
        sink.finish().await.expect("COPY ends");
        theirs = theirs.min((cpu_ns(pid) - before) as f64 / rows as f64);
    }
    Some((planned.name.clone(), rows, ours, theirs))
}

fn own_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds a process has been on a processor (`Documentation/scheduler/sched-stats.rst` of Linux).
fn cpu_ns(pid: i64) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("Linux tells the time of a process");
    text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

async fn run(connection: &mut PgConnection, sql: &str) {
    use sqlx::Executor;
    connection.execute(sqlx::raw_sql(trusted(sql))).await.expect("the server obeys");
}

async fn scalar(connection: &mut PgConnection, sql: &str) -> i64 {
    let row = query(sql).fetch_one(connection).await.expect("one row");
    i64::from(row.get::<i32, _>(0))
}

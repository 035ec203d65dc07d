//! Row-level security: what loads rows sees and fills every table, and puts FORCE back; what asks is told whose policies were exercised.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use weighbridge::postgres::Target;

use crate::support::{Home, Ran, execute, query, sharing};

/// A running server and a role on it that may make databases and is no superuser.
struct Place {
    home: Home,
    sockets: String,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        home.run(&["server", "start"]).ok();
        let url = home.run(&["server", "url"]).ok().stdout;
        let sockets = url.trim().split("host=").nth(1).expect("the URL names the socket").to_owned();
        execute(&home.target(), "CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE guest LOGIN");
        Self { home, sockets }
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}@localhost/{database}?host={}", self.sockets)
    }

    /// A database of the role's with this schema in it, made by the role.
    fn database(&self, name: &str, sql: &str) -> Target {
        self.home.query(&format!("CREATE DATABASE {name} OWNER maker"));
        execute(&Target::from_url(&self.url("maker", name)).unwrap(), sql);
        self.home.target().database(name)
    }

    fn seed(&self, role: &str, database: &str, more: &[&str]) -> Ran {
        let url = self.url(role, database);
        self.home.run(&[&["seed", "--no-spec", "--url", &url, "-q"], more].concat())
    }
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(name)
}

/// Rows of both tables, whether the policies are forced, and the foreign keys that are there.
const STATE: &str = "SELECT concat_ws(' ', (SELECT count(*) FROM a), (SELECT count(*) FROM b),
    (SELECT relforcerowsecurity FROM pg_class WHERE relname = 'b'), (SELECT count(*) FROM pg_constraint WHERE contype = 'f'),
    to_regnamespace('weighbridge') IS NULL)";

#[test]
fn a_table_that_forces_its_policies_on_its_owner_is_filled() {
    let _machine = sharing();
    let place = Place::new();
    let schema = std::fs::read_to_string(case("rls-force-owner-seed").join("schema.sql")).unwrap();
    // Hides every row from everybody it applies to.
    let schema = schema.replace("USING (true)", "USING (false)");
    let target = place.database("forced", &schema);
    place.seed("maker", "forced", &["--allow-writes", "--rows", "100"]).ok();
    assert_eq!(query(&target, STATE), ["100 100 t 1 t"]);
    place
        .seed("maker", "forced", &["--check", "--rows", "100"])
        .exits(4)
        .says(&["FORCE ROW LEVEL SECURITY hides rows of \"public\".\"b\"", "--allow-writes"]);
    place.seed("maker", "forced", &["--check", "--allow-writes", "--rows", "100"]).ok();
    let grown = ["--allow-writes", "--into", "forced", "--rows", "100", "--append", "1", "--scale", "2"];
    place.seed("maker", "forced", &grown).ok();
    assert_eq!(query(&target, STATE), ["200 200 t 1 t"]);

    // A load that is killed leaves FORCE off, and the way back in the database.
    let target = place.database("killed", &schema);
    let url = place.url("maker", "killed");
    let arguments = ["seed", "--no-spec", "--url", &url, "--allow-writes", "--rows", "400000"];
    let mut child = place.home.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.into_iter().any(|line| line.starts_with("seeding")), "the load began");
    child.kill().unwrap();
    child.wait().unwrap();
    let cut_off = query(
        &target,
        "SELECT concat_ws(' ', relforcerowsecurity, to_regnamespace('weighbridge') IS NULL) FROM pg_class WHERE relname = 'b'",
    );
    assert_eq!(cut_off, ["f f"]);
    place.seed("maker", "killed", &["--allow-writes", "--clean"]).ok();
    assert_eq!(query(&target, STATE), ["0 0 t 1 t"]);

    // Whoever does not own the table can lift nothing: it is said before a row is loaded.
    execute(
        &target,
        "GRANT ALL ON a, b TO guest; GRANT CREATE ON DATABASE killed TO guest; ALTER TABLE b NO FORCE ROW LEVEL SECURITY",
    );
    let refused = place.seed("guest", "killed", &["--allow-writes", "--rows", "100"]).exits(4);
    refused.says(&["applies to the role `guest` on \"public\".\"b\"", "BYPASSRLS"]);
    assert_eq!(query(&target, STATE), ["0 0 f 1 t"]);
}

//! Row-level security: what loads rows sees and fills every table, and puts FORCE back; what asks is told whose
//! policies were exercised.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use weighbridge::postgres::Target;

use crate::support::{Home, Ran, execute, findings, query, sharing};

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
    (SELECT relforcerowsecurity FROM pg_class WHERE relname = 'b'), (SELECT count(*) FROM pg_constraint
    WHERE contype = 'f'),
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
        "SELECT concat_ws(' ', relforcerowsecurity, to_regnamespace('weighbridge') IS NULL) FROM pg_class \
         WHERE relname = 'b'",
    );
    assert_eq!(cut_off, ["f f"]);
    place.seed("maker", "killed", &["--allow-writes", "--clean"]).ok();
    assert_eq!(query(&target, STATE), ["0 0 t 1 t"]);

    // Whoever does not own the table can lift nothing: it is said before a row is loaded.
    execute(
        &target,
        "GRANT ALL ON a, b TO guest; GRANT CREATE ON DATABASE killed TO guest; ALTER TABLE b NO FORCE ROW LEVEL \
         SECURITY",
    );
    let refused = place.seed("guest", "killed", &["--allow-writes", "--rows", "100"]).exits(4);
    refused.says(&["applies to the role `guest` on \"public\".\"b\"", "BYPASSRLS"]);
    assert_eq!(query(&target, STATE), ["0 0 f 1 t"]);
}

/// `prove --counts-only` on a copy of a case, with more flags.
fn prove(place: &Place, folder: &Path, more: &[&str]) -> Ran {
    let mut command = place.home.command(
        &[&["prove", "0002", "--counts-only", "--sets", "8", "--scale", "0.3", "--format", "json"], more].concat(),
    );
    Ran::new(command.current_dir(folder).output().expect("the program runs"))
}

/// A copy of a case's project.
fn project(place: &Place, name: &str) -> PathBuf {
    let folder = place.home.path().join(name);
    let copied = std::process::Command::new("cp").arg("-r").arg(case(name)).arg(&folder).status();
    assert!(copied.is_ok_and(|status| status.success()));
    folder
}

fn verdict(ran: &Ran) -> String {
    ran.json()["comparison"]["verdict"].as_str().expect("a verdict").to_owned()
}

/// The values of each finding of an id.
fn values(ran: &Ran, id: &str) -> Vec<Value> {
    findings(&ran.json(), id).into_iter().map(|finding| finding["values"].clone()).collect()
}

#[test]
fn policies_that_do_not_apply_to_whoever_asks_are_named_and_a_role_can_be() {
    let _machine = sharing();
    let place = Place::new();
    let folder = project(&place, "rls-as-owner");
    let change = |file: &str, from: &str, to: &str| {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} holds `{from}`");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };

    // The superuser of the embedded server: the changed policy was not exercised, so nothing is the same.
    let ran = prove(&place, &folder, &[]).exits(3);
    assert_eq!(verdict(&ran), "inconclusive");
    let expected = json!({
        "table": "card", "policies": ["card_read"], "role": "weighbridge", "exemption": "superuser", "is_changed": true,
        "actions": ["my_cards"],
    });
    assert_eq!(values(&ran, "policies-not-exercised"), [expected]);

    // A role that may not: said with the grant, and the role was made.
    let ran = prove(&place, &folder, &["--role", "app"]);
    assert!(ran.stderr.contains("role: made `app` on the embedded server"), "{}", ran.stderr);
    let json = ran.json();
    let denied = findings(&json, "permission-denied")[0];
    assert_eq!(denied["values"], json!({ "side": "before", "message": "permission denied for table card" }));
    let grant = json!({ "do": "run-sql", "sql": "GRANT SELECT ON card TO app" });
    assert_eq!((&denied["action"], &denied["remedy"]), (&json!("my_cards"), &grant));

    // As the application: its policy is exercised, what it costs is seen, and its setting is made by a step.
    change(
        "migrations/0001_base.up.sql",
        "CREATE TABLE member",
        "-- the application's role is there\nCREATE TABLE member",
    );
    let path = folder.join("migrations/0001_base.up.sql");
    let base = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{base}\nGRANT SELECT ON card TO app;\n")).unwrap();
    change("weighbridge.toml", "margin", "role = \"app\"\nmargin");
    let step = "transaction = true\n[[action.step]]\nsql = \"SELECT set_config('app.uid', :uid, true)\"\n\
                [[action.step]]\nsql = ";
    change("scen.toml", "sql = ", step);
    change(
        "scen.toml",
        "with = { lo = \"uniform(1, 5000)\" }",
        "[action.with]\nlo = \"uniform(1, 5000)\"\nuid = \"pick(member.user_id)\"",
    );
    let ran = prove(&place, &folder, &[]);
    assert_eq!(values(&ran, "policies-not-exercised"), Vec::<Value>::new(), "{}", ran.stderr);
    assert_eq!(values(&ran, "permission-denied"), Vec::<Value>::new());
    let json = ran.json();
    assert_eq!(json["evidence"]["design"]["role"], "app");
    assert!(!json["evidence"]["row_security"]["after"]["tables"]["card"]["policies"]["card_read"].is_null());
    // Fewer rows than the table holds: the policy of this user filtered them.
    let found = &json["evidence"]["counts"]["before"][0]["sets"][0]["rows_found"]["card"];
    assert!(found.as_u64().is_some_and(|rows| rows > 0 && rows < 1_000), "{found}");
    assert!(matches!(ran.code, Some(0 | 1)), "{:?} {}", ran.code, ran.stderr);

    // On a server of somebody's a role that is not there is named before anything is made.
    let maker = place.url("maker", "postgres");
    let refused = prove(&place, &folder, &["--role", "gone", "--url", &maker]).exits(4);
    refused.says(&["the role `gone` does not exist on the server of `postgres`", "CREATE ROLE"]);
    let refused = prove(&place, &folder, &["--role", "guest", "--url", &maker]).exits(4);
    refused.says(&["may not act as the role `guest`", "GRANT \"guest\""]);
    assert_eq!(place.home.databases("weighbridge_build_"), Vec::<String>::new());

    // A run asks as the role too.
    let scenario = "name = 'who'\n[load]\nclients = 1\n[[action]]\nname = 'who'\n\
                    sql = \"SELECT 1 / (current_user = 'app')::int\"\n";
    std::fs::write(folder.join("who.toml"), scenario).unwrap();
    let who = folder.join("who.toml").display().to_string();
    let run = ["run", &who, "--database", "postgres", "-n", "10", "--warm-up", "0s", "--format", "json"];
    let found = place.home.run(&[&run[..], &["--role", "app"]].concat()).measured().json();
    assert_eq!(found["evidence"]["failures"], serde_json::json!({}));
    let found = place.home.run(&run).json();
    assert_eq!(found["evidence"]["failures"]["22012"]["count"], 10);
    place.home.run(&[&run[..], &["--role", "nobody_here"]].concat()).exits(4).says(&["`nobody_here` does not exist"]);
}

#[test]
fn a_proof_as_an_owner_whose_policies_are_forced_holds() {
    let _machine = sharing();
    let place = Place::new();
    let folder = project(&place, "rls-as-owner");
    let maker = place.url("maker", "postgres");
    let ran = prove(&place, &folder, &["--url", &maker]);
    assert!(matches!(ran.code, Some(0 | 1)), "{:?} {}", ran.code, ran.stderr);
    assert_eq!(values(&ran, "policies-not-exercised"), Vec::<Value>::new(), "its policies are forced on their owner");
    assert_eq!(place.home.databases("weighbridge_clone_"), Vec::<String>::new());
    let template = place.home.databases("weighbridge_template_");
    let [template] = template.try_into().expect("one template");
    execute(&place.home.target(), &format!("CREATE DATABASE looked TEMPLATE {template}"));
    let state =
        "SELECT concat_ws(' ', count(*), (SELECT relforcerowsecurity FROM pg_class WHERE relname = 'card')) FROM card";
    assert_eq!(query(&place.home.target().database("looked"), state), ["6000 t"]);
}

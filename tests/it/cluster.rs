//! A cluster that is made once and copied for every test: `initdb` takes longer than most tests do. Must hand out
//! copies only.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Home;

/// A copy of the cluster in this folder, as its first server would have made it; it is not running.
///
/// Its server does not wait for the disk (`fsync = off`, as the tests of PostgreSQL itself do it): no test cuts the
/// power.
pub fn copy_into(home: &Path) {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    let template = TEMPLATE.get_or_init(template);
    std::fs::create_dir_all(home).expect("a folder for the server");
    copy(&template.join("."), home);
}

/// The folder of the template, made by the first test that needs it. It stays for the next run of the same program.
fn template() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = place.join(format!("cluster{}", server().replace('/', "-")));
    let made_by = folder.join("made-by");
    let lock = File::create(folder.with_extension("lock")).expect("a file under target/");
    lock.lock().expect("a lock on a local file");
    if std::fs::read_to_string(&made_by).is_ok_and(|program| program == this_program()) {
        return folder.join("home");
    }
    let home = Home::empty();
    home.run(&["server", "start"]).ok();
    home.run(&["server", "stop"]).ok();
    let settings = home.cluster().join("data/postgresql.conf");
    let text = std::fs::read_to_string(&settings).expect("settings");
    std::fs::write(&settings, text + "fsync = off\n").expect("settings");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the template of another program");
    }
    std::fs::create_dir(&folder).expect("a folder under target/");
    copy(&home.path().join("home"), &folder.join("home"));
    std::fs::write(made_by, this_program()).expect("a file under target/");
    folder.join("home")
}

/// Which server the tests run on; empty is the installed one.
fn server() -> String {
    std::env::var("WEIGHBRIDGE_TEST_POSTGRES_BIN").unwrap_or_default()
}

/// Another program may make another cluster.
fn this_program() -> String {
    let facts = std::fs::metadata(env!("CARGO_BIN_EXE_weighbridge")).expect("the program");
    format!("{} {:?}", facts.len(), facts.modified().expect("a file has a time"))
}

/// Keeps owners and modes: the server's user is another where root runs the tests.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "cp -a {} {}", from.display(), to.display());
}

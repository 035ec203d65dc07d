//! The real PgBouncer, for tests of load through a pooler. Must listen on loopback only, and end with its test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::support::Home;

/// The real PgBouncer in front of the test's server; ended with the test.
pub struct Bouncer {
    child: Child,
    port: u16,
}

impl Bouncer {
    pub fn start(home: &Home, mode: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(home, mode, port)
    }

    /// Ends it at once, and starts another at the same place.
    pub fn restart(&mut self, home: &Home) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = Self::start_at(home, "session", self.port);
    }

    fn start_at(home: &Home, mode: &str, port: u16) -> Self {
        use std::os::unix::process::CommandExt;
        let url = home.run(&["server", "url"]).ok().stdout;
        let sockets = url.trim().split("host=").nth(1).unwrap();
        let folder = home.path().join(format!("bouncer-{mode}"));
        std::fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "[databases]\nbank = host={sockets} user=weighbridge\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = 2\nunix_socket_dir =\n\
             ignore_startup_parameters = options\nadmin_users = weighbridge\n"
        );
        let path = folder.join("pgbouncer.ini");
        std::fs::write(&path, config).unwrap();
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|p| std::path::Path::new(p).exists());
        let program = program.expect("PgBouncer is needed: make pgbouncer");
        let mut command = std::process::Command::new(program);
        command.arg(&path).stdout(Stdio::null()).stderr(Stdio::piped());
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root: as whoever owns the cluster.
            let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(home.cluster().join("data")).unwrap());
            command.uid(owner);
        }
        let mut child = command.spawn().unwrap();
        // It says when it listens.
        let said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        for line in said {
            let up = line.contains("process up");
            seen.push(line);
            if up {
                return Self { child, port };
            }
        }
        child.wait().unwrap();
        panic!("PgBouncer did not start:\n{}", seen.join("\n"));
    }

    pub fn url(&self) -> String {
        format!("postgresql://weighbridge@127.0.0.1:{}/bank?sslmode=disable", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The embedded server: a private PostgreSQL made from installed binaries. Must never touch a cluster it did not make.
//!
//! Everything lives under one home folder: a lock file, and per major version a data directory, a
//! socket directory and the server's log. The holder of the lock is the only program that uses the
//! server; the kernel frees the lock when its owner dies, so a stale one cannot exist.

mod binaries;
mod cluster;
mod huge_pages;
mod lock;

pub use binaries::{Installation, find as find_binaries};
pub use cluster::{Cluster, IMAGES_OFF, IMAGES_ON, Status};
pub use huge_pages::{HugePages, NotReserved, Pages, uses_huge_pages};
pub use lock::Lease;

use std::path::PathBuf;

use crate::diagnostic::Advice;

/// How PostgreSQL comes onto a machine.
const INSTALL: &str = "install them, then run this again:
      Debian, Ubuntu   sudo apt-get install -y postgresql
      Fedora, RHEL     sudo dnf install -y postgresql-server postgresql-contrib
      macOS            brew install postgresql@17
      Docker           docker compose up -d --wait, then --url \
      postgresql://weighbridge:weighbridge@127.0.0.1:5433/weighbridge
    or name the folder that holds `postgres`, `initdb` and `pg_ctl` with --postgres-bin";

/// Why the embedded server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No PostgreSQL, or only old ones.
    #[error("no PostgreSQL server binaries (14 or later) were found{found}")]
    NoBinaries {
        /// What was found instead, beginning with a separator, or empty.
        found: String,
    },
    /// The folder given by hand does not hold a usable server.
    #[error("{} holds no usable PostgreSQL: {reason}", path.display())]
    BadBinaries {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file operation in the home folder failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// The message of the system.
        source: std::io::Error,
    },
    /// Run as root, the server needs a place its own user can reach.
    #[error("the server runs as the user `{user}`, who cannot enter {}", path.display())]
    Unreachable {
        /// The unprivileged user.
        user: String,
        /// The folder that stops it.
        path: PathBuf,
    },
    /// Run as root, and no unprivileged user exists.
    #[error("PostgreSQL refuses to run as root, and neither `postgres` nor `nobody` is a user here")]
    NoUser,
    /// A server program failed.
    #[error("{program} failed: {reason}")]
    Program {
        /// Which program.
        program: &'static str,
        /// What it printed last.
        reason: String,
        /// What to do.
        help: String,
    },
    /// There is no space for the server to start, or to make it.
    #[error("the disk is full: {} has {free} left, too little for the embedded server{reason}", path.display())]
    Full {
        /// Its folder.
        path: PathBuf,
        /// Bytes that are free there.
        free: String,
        /// What the server printed, beginning with a separator, or empty.
        reason: String,
    },
    /// Huge pages were asked for, and the server has none.
    #[error("the embedded server has no huge pages: {why}")]
    NoHugePages {
        /// Why.
        why: String,
        /// What to do.
        help: String,
    },
    /// Another program uses the server.
    #[error("the embedded server is in use by process {owner}")]
    InUse {
        /// The process id in the lock file.
        owner: String,
    },
}

impl Advice for ServerError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoBinaries { .. } => INSTALL.to_owned(),
            Self::BadBinaries { .. } => {
                "name the folder that holds `postgres`, `initdb` and `pg_ctl` of version 14 or later".to_owned()
            }
            Self::Io { .. } => "choose another place with --home, or mend its permissions".to_owned(),
            Self::Unreachable { .. } => {
                "choose a place others may enter with --home, such as /var/cache/weighbridge".to_owned()
            }
            Self::NoUser => "run as an ordinary user, or add one called postgres".to_owned(),
            Self::Program { help, .. } => help.to_string(),
            Self::Full { path, .. } => format!(
                "free space there; `weighbridge server clean` drops what ended programs left (--templates: datasets \
                 too), and `weighbridge server clean --all` removes {}, which holds nothing of yours",
                path.display()
            ),
            Self::NoHugePages { help, .. } => format!("{help}; without --huge-pages on it starts all the same"),
            Self::InUse { .. } => "wait until it ends, or give this run its own server with --home".to_owned(),
        })
    }
}

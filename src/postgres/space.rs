//! Free space where a server keeps its databases, where that can be seen from here. Must guess nothing: a server
//! elsewhere is not asked about this machine's disks.

use std::path::{Path, PathBuf};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::sql_text::query;
use super::{Error, Target};
use crate::units::bytes_text;

/// Bytes that a server writes beside the databases it makes: four segments of its log.
const RESERVE: u64 = 64 << 20;

/// The file system that holds a server's databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// A folder on it.
    pub place: PathBuf,
    /// Bytes that are free there for others than root.
    pub free: u64,
}

/// The free space of a folder's file system; nothing where it cannot be seen.
#[must_use]
pub fn free(place: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(place).ok()?;
    Some(facts.f_bavail * facts.f_frsize)
}

/// What copies of a database need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Its size in bytes.
    pub size: u64,
    /// How many copies are there at the same time.
    pub copies: u64,
    /// Whether each of them goes through the log too.
    pub logged: bool,
}

impl Demand {
    /// Bytes of all copies and of what is written beside them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.size * self.copies * if self.logged { 2 } else { 1 } + RESERVE
    }

    /// Whether a file system has room for it.
    ///
    /// # Errors
    /// When it has not, with the figures.
    pub fn fits(&self, space: &Space) -> Result<(), Error> {
        if space.free >= self.bytes() {
            return Ok(());
        }
        let log = if self.logged { self.size * self.copies + RESERVE } else { RESERVE };
        Err(Error::NoRoom {
            needed: format!(
                "{} ({} clones of {} and {} of WAL)",
                bytes_text(self.bytes()),
                self.copies,
                bytes_text(self.size),
                bytes_text(log)
            ),
            free: bytes_text(space.free),
            place: space.place.display().to_string(),
        })
    }
}

/// Where a server keeps what is made from a database, if the server runs on this machine and the role may ask; nothing
/// where copies share their blocks (`file_copy_method = clone`, from 18 on).
pub async fn of(connection: &mut PgConnection, target: &Target, database: &str) -> Option<Space> {
    let row = query(
        "SELECT current_setting('data_directory'), pg_tablespace_location(d.dattablespace), pg_backend_pid(),
                coalesce(current_setting('file_copy_method', true), '')
         FROM pg_database d WHERE d.datname = $1",
    );
    // A role that may not read where the data are is refused.
    let row = row.bind(database.to_owned()).fetch_one(connection).await.ok()?;
    let (data, tablespace): (String, String) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
    let (process, method): (i32, String) = (row.try_get(2).ok()?, row.try_get(3).ok()?);
    let is_here = target.is_socket() || target.is_loopback() && runs_here(process);
    if method == "clone" || !is_here {
        return None;
    }
    let place = PathBuf::from(if tablespace.is_empty() { data } else { tablespace });
    free(&place).map(|free| Space { place, free })
}

/// Whether the process that answers is one of this machine's, and no container's whose folders are its own.
fn runs_here(process: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.starts_with("postgres: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_need_their_size_each_and_what_is_logged_again() {
        let demand = |logged| Demand { size: 100 << 20, copies: 3, logged };
        assert_eq!(demand(false).bytes(), (300 + 64) << 20);
        assert_eq!(demand(true).bytes(), (600 + 64) << 20);
        let space = |free: u64| Space { place: PathBuf::from("/data"), free: free << 20 };
        assert!(demand(false).fits(&space(364)).is_ok());
        let error = demand(false).fits(&space(363)).unwrap_err().to_string();
        for words in ["3 clones of 100", "363", "/data", "nothing was cloned"] {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(free(Path::new("/")).is_some() && free(Path::new("/no/such/folder")).is_none());
    }
}

//! Some migrations of a folder, one after another, on a database that is made for a trial. Must keep the books of
//! the tool, where migrations
//! name its table.

use sqlx::postgres::PgConnection;

use super::apply::{Applied, ApplyError, Manner, apply};
use super::{Layout, Migration, books};
use crate::clock::Clock;
use crate::postgres::Target;

/// Migrations of a folder, in order.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'s> {
    /// Those to apply.
    pub migrations: &'s [Migration],
    /// Those that come after them in the folder.
    pub later: &'s [Migration],
    /// Whose files they are.
    pub layout: Layout,
    /// Whether a file of the folder names the table of the tool's books.
    pub names_books: bool,
}

impl Steps<'_> {
    /// Applies one of them, each in a session of its own: a dump sets `search_path` and more for the rest of its own.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn apply(
        &self,
        connection: &mut PgConnection,
        target: &Target,
        position: usize,
        clock: &Clock,
    ) -> Result<Applied, ApplyError> {
        let migration = &self.migrations[position];
        if self.names_books {
            books::make(connection, self.layout).await?;
        }
        let later = [&self.migrations[position + 1..], self.later];
        let manner = Manner { lasting: false, later, target: Some(target), then: None };
        let applied = apply(connection, &migration.up, &manner, clock).await?;
        if self.names_books {
            books::enter(connection, self.layout, migration, applied.duration).await?;
        }
        Ok(applied)
    }
}

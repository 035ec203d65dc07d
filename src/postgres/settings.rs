//! What a server is set to, as far as it can change a measurement. Must not change a setting.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::sql_text::query;

/// Settings that differ from the server's built-in defaults, and those every report names.
///
/// Paths, hosts and addresses are left out: they say where a server is, not how it measures.
///
/// # Errors
/// When the view cannot be read.
pub async fn read(connection: &mut PgConnection) -> Result<BTreeMap<String, String>, Error> {
    let rows = query(
        "SELECT name, current_setting(name, true) FROM pg_settings
         WHERE (source NOT IN ('default', 'override', 'client', 'session')
                OR name IN ('shared_buffers', 'fsync', 'synchronous_commit', 'full_page_writes', 'jit', 'autovacuum',
                            'random_page_cost', 'effective_cache_size', 'work_mem', 'max_wal_size', 'server_version',
                            'huge_pages', 'shared_memory_size_in_huge_pages'))
           AND name !~ '(file|directory|directories|path|address|host|command|conninfo|port)'
           AND category !~ '(File Locations|Connection Settings|Logging)'
         ORDER BY name",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| Error::doing("read settings", e))?;
    Ok(rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get::<Option<String>, _>(1).ok()??))).collect())
}

/// Extensions of a database and their versions.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn extensions(connection: &mut PgConnection) -> Result<BTreeMap<String, String>, Error> {
    let rows = query("SELECT extname::text, extversion FROM pg_extension")
        .fetch_all(connection)
        .await
        .map_err(|e| Error::doing("list extensions", e))?;
    Ok(rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect())
}

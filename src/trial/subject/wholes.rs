//! Statistics of partitioned tables. Must make none that production would not have: autovacuum makes statistics
//! of partitions alone (PostgreSQL documentation, "Updating Planner Statistics").

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::postgres::Error;
use crate::postgres::sql_text::query;

/// What is known of partitioned tables, by name as the server writes it.
#[derive(Default)]
pub(super) struct Wholes {
    /// With statistics.
    sampled: BTreeSet<String>,
    /// With rows, and without statistics or those of a column.
    unsampled: BTreeSet<String>,
    /// Analyzed since the counters of the database began.
    analyzed: BTreeSet<String>,
}

impl Wholes {
    /// # Errors
    /// When the catalog cannot be read.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, Error> {
        let rows = query(
            "SELECT format('%I.%I', n.nspname, c.relname), 0 <= c.reltuples,
                    EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf
                    AND 0 < l.reltuples)
                      AND (c.reltuples < 0 OR EXISTS (
                             SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                               AND a.attgenerated <> 'v' AND coalesce(a.attstattarget::int, -1) <> 0
                               AND NOT EXISTS (SELECT FROM pg_stats p WHERE p.schemaname = n.nspname
                               AND p.tablename = c.relname
                                               AND p.attname = a.attname))),
                    coalesce(0 < s.analyze_count, false)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s
             ON s.relid = c.oid
             WHERE c.relkind = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
        )
        .fetch_all(connection)
        .await
        .map_err(|e| Error::doing("read the statistics of partitioned tables", e))?;
        let mut wholes = Self::default();
        for row in rows {
            let Ok(name) = row.try_get::<String, _>(0) else { continue };
            let is = |column: usize| row.try_get::<bool, _>(column).unwrap_or_default();
            for (column, names) in [(1, &mut wholes.sampled), (2, &mut wholes.unsampled), (3, &mut wholes.analyzed)] {
                if is(column) {
                    names.insert(name.clone());
                }
            }
        }
        Ok(wholes)
    }

    /// Those that lack statistics now and did not before.
    pub(super) fn left_unsampled(&self, before: &Self) -> Vec<String> {
        self.unsampled.difference(&before.unsampled).cloned().collect()
    }

    /// Those that had statistics before and were sampled again: the chance of a sample, which every side is given.
    pub(super) fn sampled_anew(&self, before: &Self) -> Vec<String> {
        self.analyzed.intersection(&before.sampled).cloned().collect()
    }
}

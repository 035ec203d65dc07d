//! Fills the server's cache with every side, relation by relation. Must give no side a place in the order that another
//! has not.
//!
//! Warmed one after the other, the first clone was 2 to 3 % slower than the others in isolation: where its pages are
//! located in memory is decided by what was read before them.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use crate::evidence::Side;
use crate::postgres::sql_text::query;
use crate::postgres::{Error, Target};
use crate::trial::load::order::order;

/// Tables, indexes, materialized views and what is stored out of line, with bytes; nothing where three such databases
/// do not fit into the cache.
const RELATIONS: &str = "SELECT coalesce(o.oid::regclass::text || '.toast.' || c.relkind::text,
                         n.nspname || '.' || c.relname), c.oid::int8, pg_relation_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_class o ON o.reltoastrelid = CASE WHEN c.relkind = 't' THEN c.oid ELSE i.indrelid END
                        AND o.reltoastrelid <> 0
    WHERE c.relkind IN ('r', 'i', 'm', 't') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
      AND (n.nspname !~ '^pg_' OR o.oid >= 16384)
      AND pg_database_size(current_database()) * 3.2
          < (SELECT setting::int8 * 8192 FROM pg_settings WHERE name = 'shared_buffers')";

/// One relation on the sides that have it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Relation {
    bytes: i64,
    /// By side.
    oids: BTreeMap<Side, i64>,
}

/// Fills the server's cache with every side, when all of them fit; otherwise the load itself warms it. Each relation is
/// read on all sides before the next, in an order of the sides that `seed` draws for it; the largest come first.
///
/// # Errors
/// When the server is lost.
pub(super) async fn prewarm(targets: &[(Side, Target); 3], seed: u64) -> Result<(), Error> {
    let mut connections = BTreeMap::new();
    for (side, target) in targets {
        connections.insert(*side, target.connect().await?);
    }
    let mut relations: BTreeMap<String, Relation> = BTreeMap::new();
    for (side, connection) in &mut connections {
        for (name, oid, bytes) in read(connection).await? {
            let relation = relations.entry(name).or_default();
            relation.bytes = relation.bytes.max(bytes);
            relation.oids.insert(*side, oid);
        }
    }
    for (side, oid) in turns(relations.into_values().collect(), seed) {
        let Some(connection) = connections.get_mut(&side) else { continue };
        // Without the extension, or without the right to use it, priming has to do.
        let _ = query("SELECT pg_prewarm($1::int8::oid::regclass)").bind(oid).execute(connection).await;
    }
    for connection in connections.into_values() {
        let _ = connection.close().await;
    }
    Ok(())
}

async fn read(connection: &mut PgConnection) -> Result<Vec<(String, i64, i64)>, Error> {
    let rows = query(RELATIONS).fetch_all(connection).await;
    let rows = rows.map_err(|e| Error::doing("list the relations to read into the cache", e))?;
    let relation = |row: &PgRow| Some((row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?));
    Ok(rows.iter().filter_map(relation).collect())
}

/// Which relation of which side is read when.
fn turns(mut relations: Vec<Relation>, seed: u64) -> Vec<(Side, i64)> {
    relations.sort_by_key(|relation| std::cmp::Reverse(relation.bytes));
    let sides = relations.iter().enumerate().flat_map(|(position, relation)| {
        // Not backwards every second time: neighbours in size are often a table and its index.
        order(seed, position as u64 * 2).into_iter().filter_map(|side| Some((side, *relation.oids.get(&side)?)))
    });
    sides.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_relation_is_read_on_every_side_before_the_next_and_no_side_is_always_first() {
        let relation = |number: i64| Relation { bytes: number, oids: Side::ALL.map(|side| (side, number)).into() };
        let mut relations: Vec<Relation> = (0..300).map(relation).collect();
        relations[299].oids.remove(&Side::Control);
        let turns = turns(relations, 42);
        assert_eq!(turns.len(), 899);
        assert!(turns[..2].iter().all(|(side, oid)| *oid == 299 && *side != Side::Control), "the largest first");
        let chunks: Vec<&[(Side, i64)]> = turns[2..].chunks(3).collect();
        for relation in &chunks {
            assert!(relation.iter().all(|(_, oid)| *oid == relation[0].1));
        }
        let first = |side: Side| chunks.iter().filter(|relation| relation[0].0 == side).count();
        assert!(Side::ALL.iter().all(|side| (70..130).contains(&first(*side))), "{:?}", Side::ALL.map(first));
    }
}

//! Tables in which migration tools and frameworks keep their own books. Must name no table of an application.

use std::collections::BTreeSet;

use super::{Catalog, Table};

/// A table by its name and columns it must have, so that a table of an application that shares the name is not meant.
struct Known {
    name: &'static str,
    columns: &'static [&'static str],
}

const fn known(name: &'static str, columns: &'static [&'static str]) -> Known {
    Known { name, columns }
}

/// Names in lower case, as their tools write them.
const TABLES: [Known; 37] = [
    // Rails, Ecto, golang-migrate, dbmate.
    known("schema_migrations", &["version"]),
    known("ar_internal_metadata", &["key", "value"]),
    known("_sqlx_migrations", &["version", "checksum"]),
    known("flyway_schema_history", &["installed_rank"]),
    known("schema_version", &["installed_rank"]),
    known("_prisma_migrations", &["migration_name"]),
    known("goose_db_version", &["version_id"]),
    known("__diesel_schema_migrations", &["version"]),
    known("refinery_schema_history", &["version", "checksum"]),
    known("databasechangelog", &["orderexecuted"]),
    known("databasechangeloglock", &["lockgranted"]),
    known("alembic_version", &["version_num"]),
    known("django_migrations", &["app", "name", "applied"]),
    known("knex_migrations", &["migration_time"]),
    known("knex_migrations_lock", &["is_locked"]),
    known("__drizzle_migrations", &["hash"]),
    known("pgmigrations", &["run_on"]),
    known("__efmigrationshistory", &["migrationid"]),
    known("__migrationhistory", &["migrationid"]),
    known("sequelizemeta", &["name"]),
    known("sequelizedata", &["name"]),
    // Laravel, then TypeORM.
    known("migrations", &["migration", "batch"]),
    known("migrations", &["timestamp", "name"]),
    known("typeorm_metadata", &["type", "value"]),
    known("mikro_orm_migrations", &["executed_at"]),
    known("doctrine_migration_versions", &["version"]),
    known("migration_versions", &["version"]),
    known("phinxlog", &["version", "migration_name"]),
    known("gorp_migrations", &["applied_at"]),
    known("play_evolutions", &["apply_script"]),
    known("atlas_schema_revisions", &["version", "executed_at"]),
    known("_yoyo_migration", &["migration_hash"]),
    known("_yoyo_log", &["migration_hash"]),
    known("_yoyo_version", &["version"]),
    known("yoyo_lock", &["locked"]),
    known("_migrations", &["name"]),
    known("spatial_ref_sys", &["srid", "srtext"]),
];

/// Schemas that belong to a tool as a whole.
const SCHEMAS: [&str; 11] = [
    "hdb_catalog",
    "hdb_views",
    "sqitch",
    "graphile_migrate",
    "graphile_worker",
    "pgroll",
    "supabase_migrations",
    "atlas_schema_revisions",
    "liquibase",
    "flyway",
    "drizzle",
];

/// Marks the tables whose rows say what was applied rather than what an application stores. A table that an
/// application's table refers to is the application's, whatever its name.
pub(super) fn mark(catalog: &mut Catalog) {
    let of_tools = |name: &str| catalog.tables.get(name).is_some_and(is_bookkeeping);
    let applications = catalog.tables.iter().filter(|(name, _)| !of_tools(name));
    let referenced: BTreeSet<String> =
        applications.flat_map(|(_, table)| &table.references).map(|reference| reference.table.clone()).collect();
    for (name, table) in &mut catalog.tables {
        table.bookkeeping = is_bookkeeping(table) && !referenced.contains(name);
    }
}

fn is_bookkeeping(table: &Table) -> bool {
    if SCHEMAS.contains(&table.schema.as_str()) {
        return true;
    }
    let name = table.name.to_lowercase();
    let has = |wanted: &&str| table.columns.iter().any(|column| column.name.to_lowercase() == **wanted);
    TABLES.iter().any(|known| known.name == name && known.columns.iter().all(has))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::{Column, Type};

    #[test]
    fn a_table_is_a_tools_own_by_its_name_and_its_columns() {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            kind: Type::default(),
            required: true,
            default: None,
            counted: false,
            generated: false,
        };
        let table = |schema: &str, name: &str, columns: &[&str]| Table {
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
            ..Table::default()
        };
        assert!(is_bookkeeping(&table("public", "schema_migrations", &["version", "dirty"])));
        assert!(is_bookkeeping(&table("app", "__EFMigrationsHistory", &["MigrationId", "ProductVersion"])));
        assert!(is_bookkeeping(&table("hdb_catalog", "anything", &["id"])));
        assert!(!is_bookkeeping(&table("public", "migrations", &["id", "bird_id", "from_country"])));
        assert!(!is_bookkeeping(&table("public", "users", &["id", "version"])));
    }
}

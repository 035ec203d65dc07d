//! `predicate-column-constant`: the WHERE of an index rests on a column with one value. Must decide nothing.

use super::super::words::bare;
use super::Words;

pub(super) fn words(index: &str, table: &str, column: &str) -> Words {
    let (index, table) = (bare(index), bare(table));
    Words {
        short: format!("{table}.{column} has one value: no gain from {index} is called"),
        long: format!("{table}.{column} has one value in every row, and {index} depends on it"),
    }
}

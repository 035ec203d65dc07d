//! `index-holds-nothing` and `index-holds-every-row`: a partial index that proves nothing. Must decide nothing.

use super::super::words::bare;
use super::Words;

pub(super) fn nothing(index: &str, predicate: &str) -> Words {
    let index = bare(index);
    Words {
        short: format!("{index} holds no entry: no gain from it is called"),
        long: format!("{index} holds no entry: no row satisfies {predicate}"),
    }
}

pub(super) fn every_row(index: &str, table: &str, predicate: &str) -> Words {
    let (index, table) = (bare(index), bare(table));
    Words {
        short: format!("{index} holds every row of {table}: no gain from its WHERE is called"),
        long: format!("{index} holds every row of {table}: all of them satisfy {predicate}"),
    }
}

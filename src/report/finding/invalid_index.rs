//! `invalid-index`: an index that writes pay for and no query can use. Must decide nothing.

use super::super::words::bare;
use super::Words;
use crate::evidence::MissingPart;
use crate::units::{list_text, plural};

pub(super) fn words(index: &str, partitioned: bool, missing: &[MissingPart], is_new: bool) -> Words {
    let since = if is_new { "" } else { ", as before" };
    let part = |part: &MissingPart| {
        let partition = bare(&part.partition);
        match &part.invalid {
            Some(index) => format!("{} of partition {partition} is invalid", bare(index)),
            None => format!("partition {partition} has no attached index"),
        }
    };
    let parts: Vec<String> = missing.iter().map(part).collect();
    let why = match (parts.is_empty(), partitioned) {
        (false, _) => format!(": {}", list_text(&parts)),
        (true, true) => ": attach the index of every partition again".to_owned(),
        (true, false) => String::new(),
    };
    let brief = match parts.len() {
        count @ 3.. => format!(": {} have no valid index", plural(count, "partition")),
        _ => why.clone(),
    };
    Words {
        short: format!("{} is invalid{since}{brief}", bare(index)),
        long: format!("{} is invalid{since}{}", bare(index), why),
    }
}

//! `replica-unreachable`: a replica could not be reached. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(replica: usize, looks: u64) -> Words {
    let looks = plural(looks as usize, "look");
    Words {
        short: format!("replica {replica} was not reachable at {looks}"),
        long: format!("replica {replica} was not reachable at {looks}: its lag is not known there"),
    }
}

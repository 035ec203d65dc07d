//! `network-floor`: the round trip is a large part of latencies. Must decide nothing.

use super::Words;
use crate::compare::fact::TripShare;
use crate::units::{change_text, list_text, percent_text};

pub(super) fn words(trip_us_p50: f64, trips: &[TripShare]) -> Words {
    let names: Vec<&str> = trips.iter().map(|trip| trip.action.as_str()).collect();
    let one = |trip: &TripShare| {
        let without = trip
            .change
            .map(|(with, without)| format!("; without it {} instead of {}", change_text(without), change_text(with)));
        format!("{} ({}{})", trip.action, percent_text(trip.share), without.unwrap_or_default())
    };
    let all: Vec<String> = trips.iter().map(one).collect();
    Words {
        short: format!("the round trip is a large part of p50 of {}", list_text(&names)),
        long: format!(
            "SELECT 1 takes {trip_us_p50:.0} µs, there and back, which is a large part of p50 of {}: a change of what \
             the server does may be larger than it looks",
            list_text(&all)
        ),
    }
}

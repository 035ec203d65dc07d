//! `sides-given`: the sides are databases that were given. Must decide nothing.

use super::Words;

pub(super) fn words(own_control: bool) -> Words {
    let control = if own_control {
        "the noise floor is that of two databases without the change"
    } else {
        "`control` is `before` asked again, so the noise floor has no part of what differs between databases"
    };
    Words {
        short: "the sides are given databases, not clones: all their differences are part of every change".to_owned(),
        long: format!(
            "the sides are databases that were given, not clones: rows, bloat, statistics and servers in which they \
             differ are part of every change, and of two servers only that of `before` is watched; {control}"
        ),
    }
}

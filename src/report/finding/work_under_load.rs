//! `work-under-load`: an action touches more blocks under load though its single operations do not. Must decide
//! nothing.

use super::Words;
use crate::compare::fact::Sides;
use crate::units::per_call_text;

pub(super) fn words(action: &str, blocks: &Sides<f64>) -> Words {
    Words {
        short: format!(
            "`{action}` touches {} → {} blocks a call under load, single operations no more: no gain is called",
            per_call_text(blocks.before),
            per_call_text(blocks.after)
        ),
        long: format!(
            "`{action}` touches {} blocks a call under load before, {} on control and {} after, though single \
             operations touch no more: the load meets a plan, parameters or rows that these do not, so no gain is \
             called",
            per_call_text(blocks.before),
            per_call_text(blocks.control),
            per_call_text(blocks.after)
        ),
    }
}

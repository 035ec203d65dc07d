//! `disturbed-chunks`: a checkpoint or autovacuum fell on some sides alone. Must decide nothing.

use super::Words;
use crate::compare::fact::OtherVerdict;
use crate::units::list_text;

pub(super) fn words(chunks: usize, chunks_measured: usize, changed: Option<&[OtherVerdict]>) -> Words {
    let effect = match changed {
        None => "; too few chunks are left without them to compare".to_owned(),
        Some([]) => "; without them every verdict is the same".to_owned(),
        Some(changed) => {
            let one = |of: &OtherVerdict| format!("{} is {} and not {}", of.action, of.without.word(), of.with.word());
            format!("; without them {}", list_text(&changed.iter().map(one).collect::<Vec<_>>()))
        }
    };
    Words {
        short: format!(
            "in {chunks} of {chunks_measured} chunks a checkpoint or autovacuum fell on some sides alone{effect}"
        ),
        long: format!(
            "in {chunks} of {chunks_measured} chunks a checkpoint or autovacuum fell on some sides alone{effect}"
        ),
    }
}

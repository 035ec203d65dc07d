//! `background-activity`: something else was at work on the server. Must decide nothing.

use super::Words;
use crate::compare::fact::Sides;
use crate::units::{list_text, plural};

pub(super) fn words(kinds: [(&str, &Sides<usize>); 3], unseen: usize, slices: usize, is_uneven: bool) -> Words {
    let most = |sides: &Sides<usize>| sides.before.max(sides.control).max(sides.after);
    let busy: Vec<&(&str, &Sides<usize>)> = kinds.iter().filter(|(_, sides)| most(sides) > 0).collect();
    let names: Vec<&str> = busy.iter().map(|(name, _)| *name).collect();
    let seen: Vec<String> = busy
        .iter()
        .map(|(name, sides)| {
            let Sides { before, control, after } = sides;
            format!("{name} in {before} slices on before, {control} on control and {after} on after of {slices} each")
        })
        .collect();
    let so = match (busy.is_empty(), is_uneven) {
        (true, _) => "",
        (false, true) => "; the sides differ in it",
        (false, false) => "; the sides do not differ in it",
    };
    let short = match names.is_empty() {
        true => format!("sessions whose state this role may not see at {unseen} of {slices} slices"),
        false => format!("{} during the load", list_text(&names)),
    };
    let unseen = match (unseen, busy.is_empty()) {
        (0, _) => String::new(),
        (_, true) => format!(
            "other sessions were connected at {unseen} of {slices} slices, and this role may not see their work"
        ),
        (_, false) => format!(
            ". Other sessions were connected at {unseen} of {slices} slices, and this role may not see their work"
        ),
    };
    Words { short, long: format!("{}{so}{unseen}", list_text(&seen)) }
}

/// Of one database.
pub(super) fn of_run(checkpoints: u64, autovacuum: u64, looks: u64) -> Words {
    let begun = (checkpoints > 0).then(|| plural(checkpoints as usize, "checkpoint"));
    let vacuum = (autovacuum > 0).then_some("autovacuum");
    let names: Vec<&str> = begun.as_deref().into_iter().chain(vacuum).collect();
    let seen = (autovacuum > 0).then(|| format!("; autovacuum was at work in {autovacuum} of {looks} looks"));
    let short = format!("{} during the load", list_text(&names));
    Words { long: format!("{short}{}", seen.unwrap_or_default()), short }
}

//! `settings-differ`: the sides' servers differ. Must decide nothing.

use super::Words;
use crate::compare::fact::Difference;
use crate::evidence::Side;
use crate::units::list_text;

pub(super) fn words(side: Side, settings: &[Difference], extensions: &[Difference]) -> Words {
    let names: Vec<&str> = settings.iter().chain(extensions).map(|of| of.name.as_str()).collect();
    let list = |of: &[Difference], absent: &str| {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| absent.to_owned());
        of.iter()
            .map(|d| format!("{} {} → {}", d.name, value(&d.before), value(&d.other)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut parts = Vec::new();
    if !settings.is_empty() {
        parts.push(format!("settings differ: {}", list(settings, "the default")));
    }
    if !extensions.is_empty() {
        parts.push(format!("extensions differ: {}", list(extensions, "none")));
    }
    let effect = if side == Side::After { "this is part of the change" } else { "this looks like noise" };
    Words {
        short: format!("the server of {} differs from that of before ({})", side.name(), list_text(&names)),
        long: format!("{} on {}; {effect}", parts.join("; "), side.name()),
    }
}

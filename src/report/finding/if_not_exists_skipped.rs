//! `if-not-exists-skipped`: `IF NOT EXISTS` made nothing. Must decide nothing.

use super::super::words::bare;
use super::Words;

pub(super) fn words(kind: &str, name: &str, invalid: bool, definitions: Option<(&str, &str)>) -> Words {
    let did_nothing = format!("CREATE {} IF NOT EXISTS {} did nothing", kind.to_uppercase(), bare(name));
    let why = match (invalid, definitions) {
        (true, _) => "an invalid index of that name was there, which every write pays for and no query uses".to_owned(),
        (false, Some((found, wanted))) => {
            format!("an index of that name was there, made USING {found} and not USING {wanted}")
        }
        (false, None) => "it was there before the migration".to_owned(),
    };
    Words { short: did_nothing.clone(), long: format!("{did_nothing}: {why}") }
}

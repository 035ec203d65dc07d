//! What would permit a statement that the server refuses (SQLSTATE 42501). Must grant nothing itself.

use super::sql_text::identifier;

/// The statement that permits a role what a message of the server denies it, for a statement of these words; nothing
/// where the message names no object, or not in English.
#[must_use]
pub fn remedy(message: &str, words: &[String], role: &str) -> Option<String> {
    // `permission denied for table card` (aclchk.c, aclcheck_error).
    let (kind, name) = message.strip_prefix("permission denied for ")?.split_once(' ')?;
    let (kind, name) = match name.strip_prefix("view ").filter(|_| kind == "materialized") {
        Some(view) => ("view", view),
        None => (kind, name),
    };
    let has = |word: &str| words.iter().any(|own| own == word);
    let what = match kind {
        "table" | "view" | "relation" => {
            let reads = has("select") || has("returning") || has("where");
            let wanted =
                [("SELECT", reads), ("INSERT", has("insert")), ("UPDATE", has("update")), ("DELETE", has("delete"))];
            let wanted: Vec<&str> = wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect();
            format!("{} ON", if wanted.is_empty() { "SELECT".to_owned() } else { wanted.join(", ") })
        }
        "sequence" => "USAGE ON SEQUENCE".to_owned(),
        "schema" => "USAGE ON SCHEMA".to_owned(),
        "function" => "EXECUTE ON FUNCTION".to_owned(),
        "procedure" => "EXECUTE ON PROCEDURE".to_owned(),
        "type" => "USAGE ON TYPE".to_owned(),
        _ => return None,
    };
    Some(format!("GRANT {what} {} TO {}", as_needed(name.trim_matches('"')), as_needed(role)))
}

/// A name, quoted where SQL would read it otherwise.
fn as_needed(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_plain = name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if is_plain { name.to_owned() } else { identifier(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_permits_it() {
        let of = |message: &str, sql: &str| {
            let words: Vec<String> = sql.split_whitespace().map(str::to_lowercase).collect();
            remedy(message, &words, "app")
        };
        let grants = [
            ("permission denied for table card", "SELECT 1 FROM card", "GRANT SELECT ON card TO app"),
            ("permission denied for table card", "INSERT INTO card VALUES (1)", "GRANT INSERT ON card TO app"),
            (
                "permission denied for table Card",
                "UPDATE x SET a = 1 WHERE b",
                "GRANT SELECT, UPDATE ON \"Card\" TO app",
            ),
            ("permission denied for materialized view mv", "SELECT 1", "GRANT SELECT ON mv TO app"),
            (
                "permission denied for sequence card_id_seq",
                "INSERT INTO card",
                "GRANT USAGE ON SEQUENCE card_id_seq TO app",
            ),
            ("permission denied for schema app", "SELECT 1", "GRANT USAGE ON SCHEMA app TO app"),
            ("permission denied for function f", "SELECT f()", "GRANT EXECUTE ON FUNCTION f TO app"),
        ];
        for (message, sql, grant) in grants {
            assert_eq!(of(message, sql).as_deref(), Some(grant), "{message}");
        }
        for message in
            ["keine Berechtigung für Tabelle card", "permission denied to set role \"x\"", "must be owner of table x"]
        {
            assert_eq!(of(message, "SELECT 1"), None, "{message}");
        }
    }
}

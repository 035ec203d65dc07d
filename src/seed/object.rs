//! Values as parts of JSON. Must write what any parser reads back as it was.

use crate::expression::Value;

/// Appends a value as JSON; false, and nothing appended, when it is NULL.
pub(super) fn append(value: &Value<'_>, out: &mut Vec<u8>) -> bool {
    match value {
        Value::Null => return false,
        Value::Bool(_) | Value::Int(_) => value.append_text(out),
        // More digits than anybody would store.
        Value::Float(number) if number.is_finite() => {
            Value::Float((number * 1e6).round() / 1e6).append_text(out);
        }
        Value::Float(_) => return false,
        Value::Time(_) | Value::Text(_) | Value::Uuid(_) => {
            let before = begin_text(out);
            value.append_text(out);
            end_text(before, out);
        }
    }
    true
}

/// Begins a text; what is appended up to [`end_text`] is its content.
pub(super) fn begin_text(out: &mut Vec<u8>) -> usize {
    out.push(b'"');
    out.len()
}

/// Ends a text that began at a place, and escapes what it holds.
pub(super) fn end_text(begin: usize, out: &mut Vec<u8>) {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    if out[begin..].iter().any(is_special) {
        let content = out.split_off(begin);
        for byte in content {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                other => out.push(other),
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_their_json() {
        let json = |value: Value<'_>| {
            let mut out = Vec::new();
            append(&value, &mut out).then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(json(Value::Float(0.570_000_000_001)).as_deref(), Some("0.57"));
        assert_eq!(json(Value::Float(3.0)).as_deref(), Some("3"));
        assert_eq!(json(Value::Bool(true)).as_deref(), Some("true"));
        assert_eq!(json(Value::Null), None);
        for text in ["plain", "say \"a\\b\"", "two\nlines", "é"] {
            let written = json(Value::Text(text.into())).unwrap();
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}

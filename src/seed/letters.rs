//! Texts letter by letter: digits, words, slugs, fields of arrays. Must write into the caller's buffer and make no
//! other.

use super::pools::Pool;
use crate::expression::{Key, Value};

/// A field of an array or a composite: quoted unless it is a number, as the server reads it back either way.
pub(super) fn element(value: &Value<'_>, null: &str, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(null.as_bytes()),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => value.append_text(out),
        other => {
            out.push(b'"');
            for byte in other.to_text().bytes() {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        }
    }
}

pub(super) fn hex(stream: Key, digits: usize, out: &mut Vec<u8>) {
    for place in 0..digits {
        let bits = stream.cell(place as u64 / 16);
        out.push(b"0123456789abcdef"[(bits >> (60 - 4 * (place % 16)) & 15) as usize]);
    }
}

/// Digits of a base up to 10, sixteen from each value of the stream.
pub(super) fn digits(stream: Key, count: u64, base: u64, out: &mut Vec<u8>) {
    let mut bits = 0;
    for n in 0..count {
        if n % 16 == 0 {
            bits = stream.cell(n / 16);
        }
        let product = u128::from(bits) * u128::from(base);
        out.push(b'0' + (product >> 64) as u8);
        bits = product as u64;
    }
}

pub(super) fn base36(mut number: u64, out: &mut Vec<u8>) {
    let before = out.len();
    loop {
        out.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            out[before..].reverse();
            return;
        }
    }
}

/// First numbers of addresses that are given out to the public.
const PUBLIC: [u8; 24] =
    [23, 31, 37, 46, 62, 77, 79, 81, 83, 86, 87, 91, 93, 95, 104, 109, 145, 151, 176, 178, 185, 188, 195, 212];

/// An address of the fourth version of IP.
pub(super) fn ip(bits: u64, out: &mut Vec<u8>) {
    let parts = [u64::from(PUBLIC[(bits % 24) as usize]), bits >> 16 & 255, bits >> 24 & 255, (bits >> 32) % 254 + 1];
    for (place, part) in parts.into_iter().enumerate() {
        if place != 0 {
            out.push(b'.');
        }
        Value::Int(part as i64).append_text(out);
    }
}

/// Words with a space between them, four from each value of the stream.
pub(super) fn words(key: Key, low: u64, high: u64, row: u64, out: &mut Vec<u8>) {
    let count = low + key.below(row, high - low + 1);
    let stream = key.numbered(row);
    let mut bits = 0;
    for n in 0..count {
        if n % 4 == 0 {
            bits = stream.cell(n / 4);
        }
        if n != 0 {
            out.push(b' ');
        }
        out.extend_from_slice(Pool::Word.pick(bits << (16 * (n % 4))).as_bytes());
    }
}

/// Makes what stands after `from` lower case; as a slug, with a dash for every run of other than letters and digits.
pub(super) fn lower(out: &mut Vec<u8>, from: usize, slug: bool) {
    if !out[from..].is_ascii() {
        let text = String::from_utf8_lossy(&out[from..]).to_lowercase();
        out.truncate(from);
        let parts = text.split(|c: char| slug && !c.is_alphanumeric()).filter(|part| !part.is_empty());
        for (place, part) in parts.enumerate() {
            if place != 0 {
                out.push(b'-');
            }
            out.extend_from_slice(part.as_bytes());
        }
        return;
    }
    out[from..].make_ascii_lowercase();
    if slug {
        let mut end = from;
        for place in from..out.len() {
            let byte = out[place];
            if byte.is_ascii_alphanumeric() {
                out[end] = byte;
                end += 1;
            } else if from < end && out[end - 1] != b'-' {
                out[end] = b'-';
                end += 1;
            }
        }
        if from < end && out[end - 1] == b'-' {
            end -= 1;
        }
        out.truncate(end);
    }
}

/// Makes what stands after `from` upper case; with `first`, the first letter of each word alone, the others lower case.
pub(super) fn upper(out: &mut Vec<u8>, from: usize, first: bool) {
    let text = String::from_utf8_lossy(&out[from..]).into_owned();
    out.truncate(from);
    if !first {
        out.extend_from_slice(text.to_uppercase().as_bytes());
        return;
    }
    let mut begins = true;
    let mut made = String::with_capacity(text.len());
    for letter in text.chars() {
        if begins {
            made.extend(letter.to_uppercase());
        } else {
            made.extend(letter.to_lowercase());
        }
        begins = !letter.is_alphanumeric();
    }
    out.extend_from_slice(made.as_bytes());
}

/// Cuts what stands after `from` to this many characters, or fills it up.
pub(super) fn fit(out: &mut Vec<u8>, from: usize, low: usize, high: usize) {
    let text = String::from_utf8_lossy(&out[from..]);
    let (count, end) = match text.char_indices().nth(high) {
        Some((end, _)) => (high, from + end),
        None => (text.chars().count(), out.len()),
    };
    out.truncate(end);
    out.extend(std::iter::repeat_n(b'x', low.saturating_sub(count)));
}

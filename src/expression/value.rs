//! A value and its form in PostgreSQL's binary protocol. Must not allocate for numbers, and must not
//! know where a value goes: COPY and bound parameters use the same bytes.
//!
//! Forms: PostgreSQL source, `src/backend/utils/adt/*.c`, the `*_recv` function of each type.

use std::borrow::Cow;

use super::numeric::{POWERS_OF_TEN, read_numeric, write_numeric};
use super::power;

/// A value before it has a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Microseconds since 2000-01-01 00:00 UTC, PostgreSQL's own epoch.
    Time(i64),
    /// Text, also for enums and JSON.
    Text(Cow<'a, str>),
    /// 128 bits of a uuid.
    Uuid(u128),
}

/// A column or parameter type, as far as this program can write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlType {
    /// boolean
    Bool,
    /// smallint
    Int2,
    /// integer, and oid, which has the same bytes up to 2³¹
    Int4,
    /// bigint
    Int8,
    /// real
    Float4,
    /// double precision
    Float8,
    /// numeric with this many digits after the point
    Numeric(u16),
    /// text, varchar, char, enums: their text
    Text,
    /// timestamp with or without time zone
    Timestamp,
    /// date
    Date,
    /// uuid
    Uuid,
    /// json: its text
    Json,
    /// jsonb: a version byte and its text
    Jsonb,
    /// bytea: bytes written as `\\x` and hexadecimal digits, or the text's own
    Bytea,
    /// time of day
    Time,
    /// interval, in microseconds only
    Interval,
    /// inet; as cidr when true
    Inet(bool),
    /// macaddr
    Macaddr,
    /// money: hundredths
    Money,
    /// Anything else: its text, which only COPY in text form can carry
    Other,
}

/// A number as a column of the type holds it.
fn float_stored_as(n: f64, kind: SqlType) -> Value<'static> {
    match kind {
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 if n.abs() < 9.0e18 => Value::Int(power::round(n)),
        SqlType::Numeric(digits) => {
            let unit = POWERS_OF_TEN[usize::from(digits)];
            let scaled = n * unit;
            Value::Float(if scaled.abs() < 9.0e15 { power::round(scaled) as f64 / unit } else { n })
        }
        SqlType::Money if n.abs() < 9.0e13 => Value::Float(power::round(n * 100.0) as f64 / 100.0),
        SqlType::Float4 => Value::Float(f64::from(n as f32)),
        SqlType::Time | SqlType::Interval if n.abs() < 9.0e18 => Value::Int(power::round(n)),
        _ => Value::Float(n),
    }
}

/// A value that cannot be written as the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value {value} does not fit the type {kind:?}")]
pub struct Misfit {
    value: String,
    kind: SqlType,
}

impl SqlType {
    /// The type by its name in `pg_type`, or `None` when it cannot be written yet.
    /// `fraction_digits` is the scale of a numeric; enums are passed as `text`.
    #[must_use]
    pub fn from_name(name: &str, fraction_digits: Option<u16>) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "int2" => Self::Int2,
            "int4" | "oid" => Self::Int4,
            "int8" => Self::Int8,
            "float4" => Self::Float4,
            "float8" => Self::Float8,
            // More digits than a double has are all zeros.
            "numeric" => Self::Numeric(fraction_digits.unwrap_or(2).min(30)),
            "text" | "varchar" | "bpchar" | "citext" | "name" => Self::Text,
            "timestamptz" | "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "xml" => Self::Text,
            "bytea" => Self::Bytea,
            "time" => Self::Time,
            "interval" => Self::Interval,
            "inet" | "cidr" => Self::Inet(name == "cidr"),
            "macaddr" => Self::Macaddr,
            "money" => Self::Money,
            _ => return None,
        })
    }
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl From<Option<i64>> for Value<'_> {
    /// A moment, or none.
    fn from(moment: Option<i64>) -> Self {
        moment.map_or(Self::Null, Self::Time)
    }
}

impl Value<'static> {
    /// The same value, without a text of its own.
    #[must_use]
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            other => other.clone(),
        }
    }
}

impl Value<'_> {
    /// Writes the value's length (−1 for NULL) and bytes, as COPY BINARY and Bind both want them.
    ///
    /// # Errors
    /// When the value has no meaning in the type, such as text for a number.
    pub fn write(&self, kind: SqlType, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        if *self == Value::Null {
            out[start..].copy_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        self.write_bytes(kind, out)?;
        let length = (out.len() - start - 4) as i32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    fn write_bytes(&self, kind: SqlType, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let misfit = || Misfit { value: format!("{self:?}"), kind };
        match kind {
            SqlType::Bool => match self {
                Value::Bool(flag) => out.push(u8::from(*flag)),
                Value::Text(text) if text == "true" => out.push(1),
                Value::Text(text) if text == "false" => out.push(0),
                _ => return Err(misfit()),
            },
            SqlType::Int2 => {
                let n = i16::try_from(self.whole().ok_or_else(misfit)?).map_err(|_| misfit())?;
                out.extend_from_slice(&n.to_be_bytes());
            }
            SqlType::Int4 => {
                let n = i32::try_from(self.whole().ok_or_else(misfit)?).map_err(|_| misfit())?;
                out.extend_from_slice(&n.to_be_bytes());
            }
            SqlType::Int8 => out.extend_from_slice(&self.whole().ok_or_else(misfit)?.to_be_bytes()),
            SqlType::Float4 => out.extend_from_slice(&(self.number().ok_or_else(misfit)? as f32).to_be_bytes()),
            SqlType::Float8 => out.extend_from_slice(&self.number().ok_or_else(misfit)?.to_be_bytes()),
            SqlType::Numeric(digits) => write_numeric(self.number().ok_or_else(misfit)?, digits, out),
            SqlType::Timestamp => out.extend_from_slice(&self.time().ok_or_else(misfit)?.to_be_bytes()),
            SqlType::Date => {
                let days = self.time().ok_or_else(misfit)?.div_euclid(MICROS_PER_DAY);
                out.extend_from_slice(&(days as i32).to_be_bytes());
            }
            SqlType::Uuid => out.extend_from_slice(&self.uuid().ok_or_else(misfit)?.to_be_bytes()),
            SqlType::Bytea => match self {
                Value::Text(text) if text.starts_with("\\x") => hex(&text[2..], out).ok_or_else(misfit)?,
                other => other.append_text(out),
            },
            SqlType::Time => {
                let micros = self.whole().ok_or_else(misfit)?.rem_euclid(MICROS_PER_DAY);
                out.extend_from_slice(&micros.to_be_bytes());
            }
            // interval_recv: microseconds, days, months; the parts are kept apart, and ours is all microseconds.
            SqlType::Interval => {
                out.extend_from_slice(&self.whole().ok_or_else(misfit)?.to_be_bytes());
                out.extend_from_slice(&[0; 8]);
            }
            SqlType::Inet(is_cidr) => write_inet(&self.to_text(), is_cidr, out).ok_or_else(misfit)?,
            SqlType::Macaddr => hex(&self.to_text().replace(':', ""), out).ok_or_else(misfit)?,
            SqlType::Money => {
                let cents = power::round(self.number().ok_or_else(misfit)? * 100.0);
                out.extend_from_slice(&cents.to_be_bytes());
            }
            SqlType::Other => return Err(misfit()),
            SqlType::Text | SqlType::Json => self.append_text(out),
            SqlType::Jsonb => {
                out.push(1);
                self.append_text(out);
            }
        }
        Ok(())
    }

    /// Writes the value as a field of COPY in text form: `\\N` for NULL, backslashes and line ends escaped.
    ///
    /// # Errors
    /// When the value has no meaning in the type.
    pub fn write_field(&self, kind: SqlType, out: &mut Vec<u8>) -> Result<(), Misfit> {
        use std::io::Write;
        let misfit = || Misfit { value: format!("{self:?}"), kind };
        if *self == Value::Null {
            out.extend_from_slice(b"\\N");
            return Ok(());
        }
        let time = |micros: i64| civil(micros).ok_or_else(misfit);
        // Writing to a vector does not fail.
        let _ = match kind {
            SqlType::Bool => return self.write_escaped(out),
            SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => write!(out, "{}", self.whole().ok_or_else(misfit)?),
            SqlType::Numeric(digits) => {
                write!(out, "{:.*}", usize::from(digits), self.number().ok_or_else(misfit)?)
            }
            SqlType::Money => write!(out, "{:.2}", self.number().ok_or_else(misfit)?),
            SqlType::Timestamp => write!(out, "{}Z", time(self.time().ok_or_else(misfit)?)?),
            SqlType::Date => write!(out, "{}", time(self.time().ok_or_else(misfit)?)?.date()),
            SqlType::Time => {
                let micros = self.whole().ok_or_else(misfit)?.rem_euclid(MICROS_PER_DAY);
                write!(out, "{}", time(micros)?.time())
            }
            SqlType::Interval => write!(out, "{} microseconds", self.whole().ok_or_else(misfit)?),
            _ => return self.write_escaped(out),
        };
        Ok(())
    }

    fn write_escaped(&self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        for byte in self.to_text().bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                other => out.push(other),
            }
        }
        Ok(())
    }

    /// Bits that differ where values differ, for digests of streams.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        match self {
            Value::Null => 1,
            Value::Bool(flag) => 2 + u64::from(*flag),
            Value::Int(n) | Value::Time(n) => *n as u64,
            Value::Float(n) => n.to_bits(),
            Value::Uuid(bits) => (*bits ^ (*bits >> 64)) as u64,
            Value::Text(text) => text.bytes().fold(7, |hash: u64, byte| hash.rotate_left(5) ^ u64::from(byte)),
        }
    }

    /// The value without borrowing.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(flag) => Value::Bool(flag),
            Value::Int(n) => Value::Int(n),
            Value::Float(n) => Value::Float(n),
            Value::Time(micros) => Value::Time(micros),
            Value::Uuid(bits) => Value::Uuid(bits),
            Value::Text(text) => Value::Text(text.into_owned().into()),
        }
    }

    /// Reads a value from the server's binary form; `None` for a type whose values cannot be captured.
    #[must_use]
    pub fn read(kind: SqlType, bytes: &[u8]) -> Option<Value<'static>> {
        Some(match kind {
            SqlType::Bool => Value::Bool(*bytes.first()? != 0),
            SqlType::Int2 => Value::Int(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            SqlType::Int4 => Value::Int(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            SqlType::Int8 => Value::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
            SqlType::Float4 => Value::Float(f32::from_be_bytes(bytes.try_into().ok()?).into()),
            SqlType::Float8 => Value::Float(f64::from_be_bytes(bytes.try_into().ok()?)),
            SqlType::Timestamp => Value::Time(i64::from_be_bytes(bytes.try_into().ok()?)),
            SqlType::Date => {
                Value::Time(i64::from(i32::from_be_bytes(bytes.try_into().ok()?)).checked_mul(MICROS_PER_DAY)?)
            }
            SqlType::Uuid => Value::Uuid(u128::from_be_bytes(bytes.try_into().ok()?)),
            SqlType::Text | SqlType::Json => Value::Text(String::from_utf8(bytes.to_vec()).ok()?.into()),
            SqlType::Jsonb => Value::Text(String::from_utf8(bytes.get(1..)?.to_vec()).ok()?.into()),
            SqlType::Numeric(_) => Value::Float(read_numeric(bytes)?),
            _ => return None,
        })
    }

    /// Whether values of a type can be read back with [`Value::read`].
    #[must_use]
    pub fn can_read(kind: SqlType) -> bool {
        use SqlType as T;
        !matches!(kind, T::Bytea | T::Time | T::Interval | T::Inet(_) | T::Macaddr | T::Money | T::Other)
    }

    /// Writes the value as SQL, for statements that are sent as one text: numbers bare, everything else in quotes.
    ///
    /// # Errors
    /// When the value has no meaning in the type.
    pub fn write_literal(&self, kind: SqlType, out: &mut Vec<u8>) -> Result<(), Misfit> {
        use SqlType as T;
        let start = out.len();
        match (self, kind) {
            (Value::Null, _) => out.extend_from_slice(b"NULL"),
            (Value::Text(_) | Value::Uuid(_), _)
            | (_, T::Text | T::Json | T::Jsonb | T::Bytea | T::Uuid | T::Other) => {
                let text = self.to_text();
                // Backslashes mean something else where standard_conforming_strings is off.
                out.extend_from_slice(if text.contains('\\') { b" E'" } else { b"'" });
                for byte in text.bytes() {
                    match byte {
                        b'\'' => out.extend_from_slice(b"''"),
                        b'\\' => out.extend_from_slice(b"\\\\"),
                        other => out.push(other),
                    }
                }
                out.push(b'\'');
            }
            (_, T::Timestamp | T::Date | T::Time | T::Interval | T::Bool) => {
                out.push(b'\'');
                self.write_field(kind, out)?;
                out.push(b'\'');
            }
            _ => {
                self.write_field(kind, out)?;
                // A minus sign after an operator would become another operator, or a comment.
                if out[start] == b'-' {
                    out.insert(start, b'(');
                    out.push(b')');
                }
            }
        }
        Ok(())
    }

    fn uuid(&self) -> Option<u128> {
        match self {
            Value::Uuid(bits) => Some(*bits),
            Value::Text(text) if text.len() == 36 => u128::from_str_radix(&text.replace('-', ""), 16).ok(),
            _ => None,
        }
    }

    /// Appends the value as text, as [`Value::to_text`] has it.
    pub fn append_text(&self, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Int(n) if 0 <= *n => {
                let before = out.len();
                let mut rest = *n;
                loop {
                    out.push(b'0' + (rest % 10) as u8);
                    rest /= 10;
                    if rest == 0 {
                        break;
                    }
                }
                out[before..].reverse();
            }
            other => out.extend_from_slice(other.to_text().as_bytes()),
        }
    }

    /// The value as text, as templates and text columns show it.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Value::Null => Cow::Borrowed(""),
            Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Value::Int(n) => Cow::Owned(n.to_string()),
            Value::Float(n) => Cow::Owned(n.to_string()),
            Value::Time(micros) => {
                let since_unix = micros + 946_684_800_000_000;
                Cow::Owned(
                    jiff::Timestamp::from_microsecond(since_unix)
                        .map_or_else(|_| micros.to_string(), |t| t.to_string()),
                )
            }
            Value::Text(text) => Cow::Borrowed(text),
            Value::Uuid(bits) => {
                let hex = format!("{bits:032x}");
                Cow::Owned(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
            }
        }
    }

    /// The value as a column of this type will hold it: rounded to its digits, cut to its days.
    #[must_use]
    #[inline]
    pub fn stored_as(self, kind: SqlType) -> Self {
        match self {
            Self::Float(n) => float_stored_as(n, kind),
            Self::Time(micros) if kind == SqlType::Date => {
                Self::Time(micros.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY)
            }
            other => other,
        }
    }

    /// The value as a number, if it is one (text that spells a number counts).
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(n) | Value::Time(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as a whole number, rounded.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        match self {
            Value::Int(n) | Value::Time(n) => Some(*n),
            Value::Text(text) if text.parse::<i64>().is_ok() => text.parse().ok(),
            other => other.number().filter(|n| n.abs() < 9.0e18).map(power::round),
        }
    }

    /// The value as a moment, in microseconds since 2000.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        match self {
            Value::Time(micros) => Some(*micros),
            Value::Text(text) => parse_time(text),
            _ => None,
        }
    }
}

/// An RFC 3339 instant as microseconds since PostgreSQL's epoch; a time or date without a zone counts as UTC.
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    let instant: jiff::Timestamp = match text.parse() {
        Ok(instant) => instant,
        Err(_) => {
            let civil = text.parse::<jiff::civil::DateTime>();
            let civil = civil.or_else(|_| text.parse::<jiff::civil::Date>().map(|day| day.at(0, 0, 0, 0)));
            civil.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
        }
    };
    Some(instant.as_microsecond() - 946_684_800_000_000)
}

fn civil(micros: i64) -> Option<jiff::civil::DateTime> {
    let instant = jiff::Timestamp::from_microsecond(micros + 946_684_800_000_000).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_datetime(instant))
}

fn hex(digits: &str, out: &mut Vec<u8>) -> Option<()> {
    if !digits.is_ascii() {
        return None;
    }
    for pair in digits.as_bytes().chunks(2) {
        out.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
    }
    Some(())
}

/// `network_recv`: family, bits of the mask, whether it is a cidr, length, address.
fn write_inet(text: &str, is_cidr: bool, out: &mut Vec<u8>) -> Option<()> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: std::net::IpAddr = address.parse().ok()?;
    let (family, octets) = match address {
        std::net::IpAddr::V4(v4) => (2, v4.octets().to_vec()),
        std::net::IpAddr::V6(v6) => (3, v6.octets().to_vec()),
    };
    let bits = bits.map_or(Some(octets.len() as u8 * 8), |bits| bits.parse().ok())?;
    out.extend_from_slice(&[family, bits, u8::from(is_cidr), octets.len() as u8]);
    out.extend_from_slice(&octets);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &Value<'_>, kind: SqlType) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(kind, &mut out).unwrap();
        out
    }

    #[test]
    fn numbers_have_postgresql_bytes() {
        assert_eq!(bytes(&Value::Null, SqlType::Int4), [255, 255, 255, 255]);
        assert_eq!(bytes(&Value::Int(258), SqlType::Int2), [0, 0, 0, 2, 1, 2]);
        assert_eq!(bytes(&Value::Bool(true), SqlType::Bool), [0, 0, 0, 1, 1]);
        // 12345.67 = groups 1, 2345, 6700; weight 1; two digits after the point.
        assert_eq!(
            bytes(&Value::Float(12_345.67), SqlType::Numeric(2)),
            [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 41, 26, 44]
        );
        assert_eq!(bytes(&Value::Float(0.0), SqlType::Numeric(2)), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2]);
        // 0.0004 = group 4; weight −1.
        assert_eq!(
            bytes(&Value::Float(-0.0004), SqlType::Numeric(4)),
            [0, 0, 0, 10, 0, 1, 255, 255, 64, 0, 0, 4, 0, 4]
        );
    }

    #[test]
    fn other_types_have_their_bytes_and_their_text() {
        assert_eq!(bytes(&Value::Text("\\x01ff".into()), SqlType::Bytea)[4..], [1, 255]);
        assert_eq!(bytes(&Value::Text("10.0.0.1".into()), SqlType::Inet(false))[4..], [2, 32, 0, 4, 10, 0, 0, 1]);
        assert_eq!(bytes(&Value::Text("10.1.0.0/16".into()), SqlType::Inet(true))[4..], [2, 16, 1, 4, 10, 1, 0, 0]);
        assert_eq!(bytes(&Value::Text("00:11:22:33:44:ff".into()), SqlType::Macaddr)[4..], [0, 17, 34, 51, 68, 255]);
        let field = |value: Value<'_>, kind| {
            let mut out = Vec::new();
            value.write_field(kind, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(field(Value::Time(1), SqlType::Timestamp), "2000-01-01T00:00:00.000001Z");
        assert_eq!(field(Value::Time(0), SqlType::Date), "2000-01-01");
        assert_eq!(field(Value::Float(2.5), SqlType::Numeric(2)), "2.50");
        assert_eq!(field(Value::Text("a\tb\\".into()), SqlType::Other), "a\\tb\\\\");
        assert_eq!(field(Value::Null, SqlType::Text), "\\N");
    }

    #[test]
    fn times_count_from_the_year_2000() {
        assert_eq!(parse_time("2000-01-01 00:00:01+00"), Some(1_000_000));
        assert_eq!(parse_time("2000-01-02"), Some(86_400_000_000));
        assert_eq!(parse_time("2000-01-01T00:00:01Z"), Some(1_000_000));
        let before = Value::Time(-1);
        assert_eq!(bytes(&before, SqlType::Date)[4..], (-1_i32).to_be_bytes());
        assert_eq!(before.to_text(), "1999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn values_come_back_from_their_bytes_and_become_sql() {
        for (value, kind) in [
            (Value::Int(-258), SqlType::Int2),
            (Value::Float(-12_345.67), SqlType::Numeric(2)),
            (Value::Float(0.0004), SqlType::Numeric(4)),
            (Value::Time(86_400_000_000), SqlType::Date),
            (Value::Text("é".into()), SqlType::Jsonb),
            (Value::Bool(true), SqlType::Bool),
        ] {
            let back = Value::read(kind, &bytes(&value, kind)[4..]).unwrap();
            assert!(back == value || (back.number().unwrap() - value.number().unwrap()).abs() < 1e-9, "{back:?}");
        }
        let sql = |value: Value<'_>, kind| {
            let mut out = Vec::new();
            value.write_literal(kind, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(sql(Value::Int(-5), SqlType::Int4), "(-5)");
        assert_eq!(sql(Value::Float(2.5), SqlType::Numeric(2)), "2.50");
        assert_eq!(sql(Value::Text("it's \\".into()), SqlType::Text), " E'it''s \\\\'");
        assert_eq!(sql(Value::Time(0), SqlType::Timestamp), "'2000-01-01T00:00:00Z'");
        assert_eq!(sql(Value::Null, SqlType::Int4), "NULL");
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        assert!(Value::Text("x".into()).write(SqlType::Int4, &mut Vec::new()).is_err());
        assert!(Value::Int(40_000).write(SqlType::Int2, &mut Vec::new()).is_err());
    }
}

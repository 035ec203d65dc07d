//! Places on earth whose city, state, postal code and country belong together. Must be the same place for every column
//! of a row that asks for the same one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::letters::digits;
use super::lists::List;
use crate::expression::{Key, Value};

/// What is asked of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Two letters.
    Country,
    /// In English.
    CountryName,
    /// State, county or province, in English.
    State,
    /// Its code.
    Region,
    /// In English.
    City,
    /// In the form of the country.
    PostalCode,
    /// Within about 10 km.
    Latitude,
    /// Within about 10 km.
    Longitude,
    /// By its name in the time zone database.
    TimeZone,
    /// Three letters.
    Currency,
    /// Two letters.
    Language,
    /// Language and country, such as `de_DE`.
    Locale,
    /// With the country's prefix; nobody has it.
    Phone,
}

impl Field {
    /// The names a spec may call.
    pub const NAMES: [(&'static str, Self); 13] = [
        ("country", Self::Country),
        ("country_name", Self::CountryName),
        ("state", Self::State),
        ("region", Self::Region),
        ("city", Self::City),
        ("postal_code", Self::PostalCode),
        ("latitude", Self::Latitude),
        ("longitude", Self::Longitude),
        ("time_zone", Self::TimeZone),
        ("currency", Self::Currency),
        ("language", Self::Language),
        ("locale", Self::Locale),
        ("phone", Self::Phone),
    ];
}

/// Places by country.
struct Places {
    list: &'static List,
    countries: &'static List,
    by_country: BTreeMap<&'static str, Vec<u64>>,
    /// Entries of the list of countries by code.
    codes: BTreeMap<&'static str, u64>,
}

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let (list, countries) = (List::named("places").expect("a list"), List::named("countries").expect("a list"));
    let mut by_country: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for entry in 0..list.entries() {
        by_country.entry(list.get(0, entry)).or_default().push(entry);
    }
    let codes = (0..countries.entries()).map(|entry| (countries.get(0, entry), entry)).collect();
    Places { list, countries, by_country, codes }
});

/// A field of the place of a row: one of all, or one of a country. A country without places takes any.
pub(super) fn of(key: Key, row: u64, field: Field, country: Option<&str>) -> Value<'static> {
    let places = &*PLACES;
    let among = country.and_then(|country| places.by_country.get(country));
    let entry = match among {
        Some(entries) => entries[key.below(row, entries.len() as u64) as usize],
        None => key.below(row, places.list.entries()),
    };
    let text = |column: usize| Value::Text(places.list.get(column, entry).into());
    let of_country = |column: usize| {
        // A country of which no place is known is still that country.
        let known = country.filter(|_| among.is_none()).and_then(|code| places.codes.get(code));
        let entry = known.or_else(|| places.codes.get(places.list.get(0, entry))).copied().unwrap_or(0);
        places.countries.get(column, entry)
    };
    let near = |column: usize, stream: u64| {
        let degrees: f64 = places.list.get(column, entry).parse().unwrap_or(0.0);
        let near = degrees + (key.numbered(stream).unit(row) - 0.5) * 0.2;
        Value::Float((near * 1e5).round() / 1e5)
    };
    match field {
        Field::Country => Value::Text(of_country(0).into()),
        Field::CountryName => Value::Text(of_country(2).into()),
        Field::Currency => Value::Text(of_country(3).into()),
        Field::Region => text(1),
        Field::State => text(2),
        Field::City => text(3),
        Field::PostalCode => postal_code(places.list.get(4, entry), key.numbered(3).numbered(row)),
        Field::Latitude => near(5, 1),
        Field::Longitude => near(6, 2),
        Field::TimeZone => text(7),
        Field::Language => Value::Text(language(of_country(0)).into()),
        Field::Locale => Value::Text(format!("{}_{}", language(of_country(0)), of_country(0)).into()),
        Field::Phone => {
            // No country has given out numbers that begin so.
            let mut number = format!("+{}555", of_country(4)).into_bytes();
            digits(key.numbered(4).numbered(row), 7, 10, &mut number);
            Value::Text(String::from_utf8(number).expect("digits").into())
        }
    }
}

/// `#` is a digit and `A` a letter.
fn postal_code(form: &str, stream: Key) -> Value<'static> {
    let one = |(place, c): (usize, char)| match c {
        '#' => char::from(b'0' + stream.below(place as u64, 10) as u8),
        'A' => char::from(b"ABCDEFGHJKLMNPRSTUVWXY"[stream.below(place as u64, 22) as usize]),
        other => other,
    };
    Value::Text(form.chars().enumerate().map(one).collect::<String>().into())
}

/// The language most people of a country write.
fn language(country: &str) -> &'static str {
    match country {
        "DE" | "AT" | "CH" | "LI" => "de",
        "FR" | "BE" | "LU" | "MC" | "SN" | "CI" => "fr",
        "BR" | "PT" | "AO" | "MZ" => "pt",
        "ES" | "MX" | "AR" | "CO" | "CL" | "PE" | "UY" | "EC" | "VE" | "CR" | "PA" => "es",
        "IT" | "SM" => "it",
        "NL" => "nl",
        "JP" => "ja",
        "CN" | "TW" | "HK" => "zh",
        "KR" => "ko",
        "PL" => "pl",
        "SE" => "sv",
        "NO" => "no",
        "DK" => "da",
        "FI" => "fi",
        "TR" => "tr",
        "GR" | "CY" => "el",
        "CZ" => "cs",
        "RO" => "ro",
        "HU" => "hu",
        "ID" => "id",
        "TH" => "th",
        "VN" => "vi",
        "EG" | "AE" | "SA" | "MA" | "JO" | "KW" | "QA" => "ar",
        "IL" => "he",
        _ => "en",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_row_are_of_one_place() {
        let key = Key::new(8);
        let (city, state, country) = (Field::City, Field::State, Field::Country);
        for row in 0..500 {
            let text = |field| of(key, row, field, None).to_text().into_owned();
            let known = PLACES.list.find(3, &text(city)).unwrap();
            assert_eq!(PLACES.list.get(2, known), text(state), "row {row}");
            assert_eq!(PLACES.list.get(0, known), text(country), "row {row}");
            let within = of(key, row, city, Some("BR")).to_text().into_owned();
            assert_eq!(PLACES.list.get(0, PLACES.list.find(3, &within).unwrap()), "BR");
        }
        // A country of which no place is known keeps its own currency.
        assert_eq!(of(key, 1, Field::Currency, Some("IS")).to_text(), "ISK");
        let code = of(key, 5, Field::PostalCode, Some("CA")).to_text().into_owned();
        assert!(code.len() == 7 && code.as_bytes()[3] == b' ', "{code}");
    }
}

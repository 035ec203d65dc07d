//! Texts nobody would write: no parser panics, and the lexer touches nothing but parameters. Must need no server.
//!
//! 10,000 cases each; `PROPTEST_CASES=1000000 cargo test fuzz` for a night.

use proptest::prelude::*;
use weighbridge::scenario::gate::Gate;
use weighbridge::scenario::script::parse_script;
use weighbridge::scenario::spec::parse_scenario;
use weighbridge::scenario::statement::Statement;
use weighbridge::sql::{Kind, statements, tokens};

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Pieces that mean something to the lexer, in any order.
fn sql() -> impl Strategy<Value = String> {
    let pieces = [
        "SELECT ",
        ":name",
        "::text",
        ":",
        "'",
        "''",
        "\"",
        "\\",
        "$$",
        "$tag$",
        "$1",
        "--",
        "\n",
        "/*",
        "*/",
        "e'",
        "E'\\'",
        ";",
        "[",
        "]",
        "(",
        ")",
        "@>",
        "->>",
        "?",
        "#>",
        " ",
        "é",
        "BEGIN ATOMIC ",
        "END",
        "1",
        ":x1",
        "U&'",
        "\r",
        "\t",
        ",",
        "||",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|list| list.concat())
}

/// A part of SQL without parameters, whatever it looks like inside.
fn inert() -> impl Strategy<Value = String> {
    let inside = "[a-z:?@;]{0,12}";
    prop_oneof![
        inside.prop_map(|text| format!("':{text}'")),
        inside.prop_map(|text| format!("\":{text}x\"")),
        inside.prop_map(|text| format!("/* :{text} */")),
        inside.prop_map(|text| format!("$q$ :{text} ' $q$")),
        inside.prop_map(|text| format!("-- :{text}\n")),
        "[a-z]{1,8}".prop_map(|text| format!("x::{text}")),
        Just("a -> 'b' ->> 'c' #> '{:d}' @> '{}' ?| '{:e}'".to_owned()),
        Just("e'\\':no'".to_owned()),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn tokens_cover_every_byte_of_any_text(text in prop_oneof![sql(), any::<String>()]) {
        let mut at = 0;
        for token in tokens(&text) {
            prop_assert_eq!(token.span.start, at);
            prop_assert!(text.is_char_boundary(token.span.end));
            at = token.span.end;
        }
        prop_assert_eq!(at, text.len());
        let mut last = 0;
        for span in statements(&text) {
            prop_assert!(last <= span.start && span.start < span.end);
            last = span.end;
        }
    }

    #[test]
    fn only_parameters_are_touched(parts in prop::collection::vec(inert(), 0..8), names in prop::collection::vec("[a-z][a-z0-9_]{0,8}", 0..8)) {
        let mut text = String::new();
        let mut expected = String::new();
        let mut known: Vec<&String> = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            // Apart, because `x::a` before `e'…'` is another type and another string.
            text.push_str(&format!("{part} "));
            expected.push_str(&format!("{part} "));
            if let Some(name) = names.get(index) {
                let number = known.iter().position(|k| *k == name).unwrap_or_else(|| {
                    known.push(name);
                    known.len() - 1
                });
                text.push_str(&format!(" = :{name} "));
                expected.push_str(&format!(" = ${} ", number + 1));
            }
        }
        let statement = Statement::new(&text);
        prop_assert_eq!(&statement.sql, &expected);
        for (_, place) in &statement.uses {
            prop_assert!(text[place.clone()].starts_with(':'));
        }
        let parameters = tokens(&text).into_iter().filter(|t| t.kind == Kind::Parameter).count();
        prop_assert_eq!(parameters, statement.uses.len());
    }

    #[test]
    fn no_scenario_makes_the_parser_panic(
        load in prop_oneof![Just("rate = 5".to_owned()), Just("clients = 2".to_owned()), any::<String>()],
        sql in sql(),
        with in prop_oneof![any::<String>(), "[a-z(),%|+0-9. ']{0,40}"],
        more in prop_oneof![Just(String::new()), any::<String>(), "[a-z_]{1,10} = [0-9\"a-z]{1,8}"],
    ) {
        let text = format!("name = 's'\n[load]\n{load}\n{more}\n[[action]]\nname = 'x'\nsql = '''{sql}'''\nwith = {{ name = '''{with}''' }}\n");
        if let Err(problems) = parse_scenario(&text) {
            prop_assert!(!problems.is_empty());
            for span in problems.iter().filter_map(|p| p.span.clone()) {
                prop_assert!(span.start <= span.end && span.end <= text.len(), "{span:?} of {}", text.len());
            }
        }
    }

    #[test]
    fn no_script_and_no_gate_makes_its_parser_panic(
        lines in prop::collection::vec(prop_oneof![
            sql(),
            "\\\\(set|if|elif|sleep|gset|aset) [a-z:]{0,6} ?[a-z0-9_+*/%(),.:<>=! -]{0,30}",
            Just("\\else".to_owned()), Just("\\endif".to_owned()), any::<String>(),
        ], 0..8),
        gate in prop_oneof![any::<String>(), "[a-z0-9.]{0,8} ?[<>=]{1,2} ?[0-9a-z%.]{0,8}( abort| after| for)?( [0-9]s)?"],
    ) {
        let text = lines.join("\n");
        if let Err(problems) = parse_script(&text, "s", 1.0, &[]) {
            prop_assert!(!problems.is_empty());
            for span in problems.iter().filter_map(|p| p.span.clone()) {
                prop_assert!(span.start <= span.end && span.start <= text.len(), "{span:?} of {}", text.len());
            }
        }
        drop(Gate::read(&gate));
    }
}

//! Texts nobody would write: no parser panics, and the lexer touches nothing but parameters. Must need no server.
//!
//! 10,000 cases each; `PROPTEST_CASES=1000000 cargo test fuzz` for a night.

use proptest::prelude::*;
use weighbridge::scenario::gate::Gate;
use weighbridge::scenario::script::parse_script;
use weighbridge::scenario::spec::parse_scenario;
use weighbridge::scenario::statement::Statement;
use weighbridge::sql::{Command, Kind, Script, statements, tokens};

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

/// The tokens of statements that a migration may hold.
fn statement_tokens() -> Vec<String> {
    let sql = include_str!("../data/sql/hard.sql");
    tokens(sql).into_iter().filter(|token| token.kind != Kind::Space).map(|token| sql[token.span].to_owned()).collect()
}

/// Statements of which parts are missing, twice there or elsewhere, and tokens in any order.
fn broken_statements() -> impl Strategy<Value = String> {
    let all = statement_tokens();
    let count = all.len();
    let run =
        (0..count, 1_usize..12).prop_map(move |(start, length)| all[start..(start + length).min(count)].join(" "));
    let sign =
        prop::sample::select(vec![";", "(", ")", ",", ".", "::", "'", "$$", "\"", "é", "--", "/*", "\\", "\n", "\0"]);
    let parts = prop_oneof![8 => run, 1 => sign.prop_map(str::to_owned)];
    prop::collection::vec(parts, 1..8).prop_map(|parts| parts.join(" "))
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
        // Statements are in order, and nothing but space, comments and semicolons is outside of them.
        let spans = statements(&text);
        prop_assert!(spans.iter().all(|span| span.start < span.end));
        prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start));
        for token in tokens(&text).into_iter().filter(|token| !matches!(token.kind, Kind::Space | Kind::Semicolon)) {
            let inside = spans.iter().any(|span| span.start <= token.span.start && token.span.end <= span.end);
            prop_assert!(inside, "{:?}", token);
        }
    }

    #[test]
    fn no_text_makes_the_parser_of_sql_panic(
        text in prop_oneof![2 => broken_statements(), 1 => sql(), 1 => any::<String>()],
    ) {
        let script = Script::parse(&text);
        let spans: Vec<_> = script.statements.iter().map(|statement| statement.span.clone()).collect();
        prop_assert_eq!(spans, statements(&text));
        for statement in &script.statements {
            prop_assert_eq!(statement.errors.is_empty(), statement.command != Command::Other, "{:?}", statement);
            prop_assert!(statement.errors.is_empty() || statement.may_write());
            for error in &statement.errors {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len(), "{:?}", error);
            }
        }
        let dump = Script::parse_psql(&text);
        for span in dump.psql.iter().map(|command| &command.span).chain(dump.statements.iter().map(|it| &it.span)) {
            prop_assert!(text.get(span.clone()).is_some_and(|piece| !piece.is_empty()), "{:?}", span);
        }
    }

    #[test]
    fn only_parameters_are_touched(
        parts in prop::collection::vec(inert(), 0..8),
        names in prop::collection::vec("[a-z][a-z0-9_]{0,8}", 0..8),
    ) {
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
        let text = format!("name = 's'\n[load]\n{load}\n{more}\n[[action]]\nname = 'x'\nsql = '''{sql}'''\n\
                            with = {{ name = '''{with}''' }}\n");
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
        gate in prop_oneof![any::<String>(), "[a-z0-9.]{0,8} ?[<>=]{1,2} ?[0-9a-z%.]{0,8}( abort| after| for)?( \
                                              [0-9]s)?"],
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

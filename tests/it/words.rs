//! Words and phrases that may not occur, by where they may not: `tests/data/words.txt`. Must name the place and what
//! stands instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One line of the list.
struct Rule {
    scopes: Vec<Scope>,
    phrase: String,
    instead: String,
}

/// Where a phrase may not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Prose of Markdown files, outside code blocks.
    Docs,
    /// What `--help` prints.
    Help,
    /// String literals of `src` outside its tests, and recorded output (`*.snap`).
    Output,
    /// Comments of `src`.
    Comments,
}

/// Files whose strings are words for datasets and parameters.
const POOLS: [&str; 2] = ["src/seed/pools.rs", "src/scenario/text.rs"];

/// A piece of text with the place it comes from.
struct Piece {
    place: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The list: a line is `scopes<TAB>phrase<TAB>instead`, or empty, or a comment that begins with `#`.
fn rules(text: &str) -> Vec<Rule> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rule = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [scopes, phrase, instead] = fields[..] else { panic!("`{line}` has not three fields with tabs between") };
        let scope = |name: &str| match name {
            "docs" => Scope::Docs,
            "help" => Scope::Help,
            "output" => Scope::Output,
            "comments" => Scope::Comments,
            other => panic!("`{other}` is no scope: docs, help, output or comments"),
        };
        Rule {
            scopes: scopes.split(',').map(scope).collect(),
            phrase: phrase.to_lowercase(),
            instead: instead.to_owned(),
        }
    };
    lines.map(rule).collect()
}

/// Files below a folder with this extension, without what builds and other programs leave.
fn files(folder: &Path, extension: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.append(&mut files(&path, extension));
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            found.insert(path);
        }
    }
    found
}

/// The lines of files that `keep` leaves something of.
fn lines_of(paths: BTreeSet<PathBuf>, keep: impl Fn(&str) -> Vec<(usize, String)>) -> Vec<Piece> {
    let of_file = |path: PathBuf| {
        let short = path.strip_prefix(root()).unwrap().display().to_string();
        let kept = keep(&read(&path));
        kept.into_iter().map(move |(line, text)| Piece { place: format!("{short}:{}", line + 1), text })
    };
    paths.into_iter().flat_map(of_file).collect()
}

/// Markdown outside code blocks. Results of proofs are no documents.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut kept = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            kept.push((number, line.to_owned()));
        }
    }
    kept
}

/// What of Rust is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Comments,
    Strings,
}

/// Comments, or contents of string literals, line by line. A lexer for this purpose: line comments, plain and raw
/// strings, characters.
fn pieces_of_rust(text: &str, kept: Kept) -> Vec<(usize, String)> {
    let mut lines = vec![String::new(); text.lines().count() + 1];
    let (mut line, mut at) = (0, 0);
    let bytes = text.as_bytes();
    let mut put = |kind: Kept, line: &mut usize, part: &str| {
        for (number, text) in part.split('\n').enumerate() {
            if number > 0 {
                *line += 1;
            }
            if kind == kept {
                lines[*line].push(' ');
                lines[*line].push_str(text);
            }
        }
    };
    while at < bytes.len() {
        let rest = &text[at..];
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            put(Kept::Comments, &mut line, &rest[..end]);
            at += end;
        } else if let Some(hashes) = raw_string(text, at) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = 2 + hashes;
            let end = rest[open..].find(&close).map_or(rest.len(), |end| open + end);
            put(Kept::Strings, &mut line, &rest[open..end]);
            at += (end + close.len()).min(rest.len());
        } else if rest.starts_with('"') {
            let end = string_end(rest);
            put(Kept::Strings, &mut line, &rest[1..end]);
            at += end + 1;
        } else if let Some(length) = character(rest) {
            at += length;
        } else {
            line += usize::from(bytes[at] == b'\n');
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    lines.into_iter().enumerate().filter(|(_, text)| !text.is_empty()).collect()
}

/// The hashes of a raw string that begins here.
fn raw_string(text: &str, at: usize) -> Option<usize> {
    let rest = text[at..].strip_prefix('r')?;
    let before = text[..at].chars().next_back();
    let hashes = rest.chars().take_while(|c| *c == '#').count();
    let is_string = rest[hashes..].starts_with('"');
    (is_string && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')).then_some(hashes)
}

/// Where the string literal that a text begins with has its closing quote.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len() - 1
}

/// The length of a character literal that a text begins with; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let mut chars = inner.chars();
    let first = chars.next()?;
    if first == '\\' {
        return Some(inner[2..].find('\'')? + 4);
    }
    (chars.next()? == '\'').then_some(2 + first.len_utf8())
}

/// The text of a file of Rust before its own tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

/// What `--help` of every verb prints.
fn help() -> Vec<Piece> {
    let verbs: [&[&str]; 14] = [
        &[],
        &["prove"],
        &["run"],
        &["seed"],
        &["seed", "init"],
        &["seed", "explain"],
        &["report"],
        &["doctor"],
        &["verify"],
        &["merge"],
        &["server"],
        &["server", "start"],
        &["server", "clean"],
        &["completions"],
    ];
    let of_verb = |verb: &&[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_weighbridge")).args(*verb).arg("--help").output().unwrap();
        assert!(output.status.success(), "{verb:?} --help");
        let place = format!("weighbridge {} --help", verb.join(" "));
        // Help is wrapped, and a phrase may be cut by a line's end.
        let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        Piece { place, text }
    };
    verbs.iter().map(of_verb).collect()
}

/// Everything of a scope.
fn pieces(scope: Scope) -> Vec<Piece> {
    match scope {
        Scope::Docs => {
            let documents = files(root(), "md").into_iter().filter(|path| {
                let path = path.strip_prefix(root()).unwrap();
                !path.starts_with("tests") && (!path.starts_with("results") || path.ends_with("results/README.md"))
            });
            lines_of(documents.collect(), prose)
        }
        Scope::Help => help(),
        Scope::Output => {
            let mut sources = files(&root().join("src"), "rs");
            sources.retain(|path| !POOLS.iter().any(|pool| path.ends_with(pool)));
            let strings = lines_of(sources, |text| pieces_of_rust(code(text), Kept::Strings));
            let whole = |text: &str| text.lines().map(str::to_owned).enumerate().collect();
            let recorded = ["src", "tests"].into_iter().flat_map(|folder| files(&root().join(folder), "snap"));
            strings.into_iter().chain(lines_of(recorded.collect(), whole)).collect()
        }
        Scope::Comments => lines_of(files(&root().join("src"), "rs"), |text| pieces_of_rust(text, Kept::Comments)),
    }
}

/// Whether a text has a phrase as whole words, in any case.
fn holds(text: &str, phrase: &str) -> bool {
    let text = text.to_lowercase();
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + phrase.len()..].chars().next());
        !is_word(before) && !is_word(after)
    })
}

#[test]
fn words_of_the_list_do_not_occur_in_their_scopes() {
    let rules = rules(&read(&root().join("tests/data/words.txt")));
    assert!(rules.len() > 20, "{} rules", rules.len());
    let mut broken = Vec::new();
    for scope in [Scope::Docs, Scope::Help, Scope::Output, Scope::Comments] {
        let of_scope: Vec<&Rule> = rules.iter().filter(|rule| rule.scopes.contains(&scope)).collect();
        let pieces = pieces(scope);
        assert!(!pieces.is_empty(), "{scope:?}");
        for piece in &pieces {
            let found = of_scope.iter().filter(|rule| holds(&piece.text, &rule.phrase));
            broken.extend(found.map(|rule| format!("{}: `{}`: {}", piece.place, rule.phrase, rule.instead)));
        }
    }
    assert!(broken.is_empty(), "{} places have words of tests/data/words.txt:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn comments_strings_and_prose_are_found_where_they_are() {
    let rust = "let a = \"one \\\" two\"; // three\nlet b = r#\"four \" five\"#; let c = '\"'; // six \"seven\"\n";
    let strings = vec![(0, " one \\\" two".to_owned()), (1, " four \" five".to_owned())];
    assert_eq!(pieces_of_rust(rust, Kept::Strings), strings);
    let comments = vec![(0, " // three".to_owned()), (1, " // six \"seven\"".to_owned())];
    assert_eq!(pieces_of_rust(rust, Kept::Comments), comments);
    assert_eq!(prose("a\n```\nb\n```\nc"), [(0, "a".to_owned()), (4, "c".to_owned())]);
    assert!(holds("It is Told.", "told") && !holds("retold untold_", "told") && holds("so many sets", "so many"));
}

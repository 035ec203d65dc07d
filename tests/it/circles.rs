//! Files of one module that use each other in a circle: none of them can be read, tested or moved by itself. Must know
//! no more of Rust than `use`, paths and the names that a file defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files that are in a circle today, by the first and the number of them. A circle may only shrink: then it is written
/// here as it is, and one that is gone leaves the list.
const KNOWN: [(&str, usize); 17] = [
    ("cli", 3),
    ("cli::gates", 2),
    ("cli::prove", 4),
    ("cli::seed", 4),
    ("compare", 27),
    ("compare::run", 2),
    ("drive::client", 3),
    ("evidence::design", 4),
    ("migrate::apply", 3),
    ("migrate::directory", 2),
    ("migrate::layout", 4),
    ("report::claim", 5),
    ("seed::births", 9),
    ("seed::infer::bounds", 12),
    ("seed::load::journal", 2),
    ("trial::isolated", 7),
    ("trial::work::operation", 3),
];

/// A file: what it defines, what it hands on by `pub use`, and the paths that it uses.
struct File {
    defines: BTreeSet<String>,
    hands_on: BTreeMap<String, Vec<String>>,
    uses: Vec<Vec<String>>,
}

type Files = BTreeMap<String, File>;

/// Every file of `src` by its module path.
fn files() -> Files {
    fn walk(folder: &Path, module: &[String], texts: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().replace(".rs", "");
            let inner = match name.as_str() {
                "mod" => module.to_vec(),
                _ => [module, &[name]].concat(),
            };
            if entry.path().is_dir() {
                walk(&entry.path(), &inner, texts);
            } else {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                texts.insert(inner.join("::"), code(&text));
            }
        }
    }
    let mut texts = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut texts);
    let known: BTreeSet<String> = texts.keys().cloned().collect();
    texts.iter().map(|(module, text)| (module.clone(), read(module, text, &known))).collect()
}

/// A file without its tests and its comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn read(module: &str, text: &str, known: &BTreeSet<String>) -> File {
    let mut file = File { defines: BTreeSet::new(), hands_on: BTreeMap::new(), uses: Vec::new() };
    let mut body = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("use ") {
        let line = before.rsplit('\n').next().unwrap_or(before).trim_start();
        let is_use = line.is_empty() || line.starts_with("pub") && !line.contains('=');
        body.push_str(before);
        let (tree, next) = if is_use { after.split_once(';').unwrap_or((after, "")) } else { ("", after) };
        for path in branches(tree) {
            let Some(path) = absolute(module, &path, known) else { continue };
            if line.starts_with("pub") {
                file.hands_on.insert(path.last().cloned().unwrap_or_default(), path);
            } else {
                file.uses.push(path);
            }
        }
        rest = next;
    }
    body.push_str(rest);
    for line in body.lines().filter(|line| !line.starts_with(' ')) {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        if words.any(|word| ["fn", "struct", "enum", "trait", "type", "const", "static"].contains(&word)) {
            file.defines.extend(words.next().filter(|word| *word != "fn").map(str::to_owned));
        }
        let name = line.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
        file.defines.extend(name.map(str::to_owned));
    }
    for start in ["super::", "crate::"] {
        for (at, _) in body.match_indices(start) {
            let path: String = body[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            file.uses.extend(absolute(module, path.trim_end_matches(':'), known));
        }
    }
    file
}

/// The paths of a `use`: `a::{b, c::d}` has two.
fn branches(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()];
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut parts) = (0_i32, vec![String::new()]);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("one at least").push(c),
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| branches(part)).map(|part| format!("{prefix}{part}")).collect()
}

/// A path from the root of the crate; nothing for one of another crate.
fn absolute(module: &str, path: &str, known: &BTreeSet<String>) -> Option<Vec<String>> {
    let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    let mut base: Vec<&str> = module.split("::").collect();
    match *parts.first()? {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            while parts.first() == Some(&"super") {
                parts.remove(0);
                base.pop();
            }
            return Some([base, parts].concat().into_iter().map(str::to_owned).collect());
        }
        child if known.contains(&format!("{module}::{child}")) => {
            return Some([base, parts].concat().into_iter().map(str::to_owned).collect());
        }
        _ => return None,
    }
    parts.remove(0);
    Some([base, parts].concat().into_iter().map(str::to_owned).collect())
}

/// The file that a path leads to, through what files hand on.
fn leads_to(files: &Files, path: &[String], steps: u32) -> Option<String> {
    let (length, module) = (1..=path.len()).rev().find_map(|length| {
        let module = path[..length].join("::");
        files.contains_key(&module).then_some((length, module))
    })?;
    let Some(name) = path.get(length) else { return Some(module) };
    let file = &files[&module];
    match file.hands_on.get(name) {
        Some(on) if !file.defines.contains(name) && steps > 0 => leads_to(files, on, steps - 1),
        _ => Some(module),
    }
}

/// Every file that can be reached from one within its module.
fn reached(edges: &BTreeMap<&str, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(at) = open.pop() {
        for next in edges.get(at.as_str()).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

/// Circles of files of one module, each as its files in order.
fn circles(files: &Files) -> BTreeSet<Vec<String>> {
    let room = |module: &str| module.split("::").next().unwrap_or(module).to_owned();
    let edges: BTreeMap<&str, BTreeSet<String>> = files
        .iter()
        .map(|(module, file)| {
            let to = file.uses.iter().filter_map(|path| leads_to(files, path, 6));
            (module.as_str(), to.filter(|to| to != module && room(to) == room(module)).collect())
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<String>> =
        edges.keys().map(|module| (*module, reached(&edges, module))).collect();
    let circle = |module: &&str| -> Vec<String> {
        let both = reach[module].iter().filter(|other| reach[other.as_str()].contains(*module));
        both.cloned().collect()
    };
    edges.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

#[test]
fn no_circle_of_files_is_new_or_larger_than_it_was() {
    let found: Vec<(String, usize)> =
        circles(&files()).into_iter().map(|circle| (circle[0].clone(), circle.len())).collect();
    let known: Vec<(String, usize)> = KNOWN.iter().map(|(first, size)| ((*first).to_owned(), *size)).collect();
    assert_eq!(found, known, "a circle is cut by moving what both files need into a third");
}

#[test]
fn a_circle_is_found_through_what_a_module_hands_on() {
    let texts = [
        ("m", "mod a;\nmod b;\nmod c;\npub use a::One;\npub use b::Two;\n"),
        ("m::a", "use super::{Two, c::Three};\npub struct One;\n"),
        ("m::b", "pub struct Two;\nfn two() -> super::One { todo() }\n"),
        ("m::c", "pub struct Three;\n"),
    ];
    let known: BTreeSet<String> = texts.iter().map(|(module, _)| (*module).to_owned()).collect();
    let files: Files = texts.iter().map(|(m, text)| ((*m).to_owned(), read(m, text, &known))).collect();
    let circle = vec!["m::a".to_owned(), "m::b".to_owned()];
    assert_eq!(circles(&files), BTreeSet::from([circle]));
}

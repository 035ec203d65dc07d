//! The files of a folder of migrations, read once, with their texts. Must not know any layout.

use std::path::{Path, PathBuf};

use crate::diagnostic::{ReadError, SourceFile};

/// A folder and what is in it, sorted by name.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) files: Vec<Entry>,
    /// Folders inside, by their relative names.
    pub(super) folders: Vec<String>,
}

/// A file.
#[derive(Debug)]
pub(super) struct Entry {
    /// From the folder on, with `/` between folders.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Its text without a byte order mark; none where it is not one that a layout reads.
    pub(super) text: Option<String>,
    /// It begins with a byte order mark.
    pub(super) marked: bool,
    /// Why its text cannot be read.
    pub(super) unreadable: Option<ReadError>,
}

/// Folders inside folders that are searched.
const MAX_DEPTH: usize = 4;

/// Files that are read: more are no folder of migrations.
const MAX_FILES: usize = 20_000;

/// Files whose texts matter.
const TEXTS: [&str; 9] = ["sql", "psql", "pgsql", "toml", "json", "conf", "xml", "yaml", "yml"];

/// What is no folder of migrations.
const SKIPPED: [&str; 3] = ["node_modules", "target", "__pycache__"];

impl Folder {
    /// Reads a folder.
    ///
    /// # Errors
    /// When it cannot be listed, or holds far too much.
    pub(super) fn read(path: &Path) -> std::io::Result<Self> {
        let mut folder = Self { path: path.to_owned(), files: Vec::new(), folders: Vec::new() };
        folder.walk(path, "", 0)?;
        folder.files.sort_by(|a, b| a.name.cmp(&b.name));
        folder.folders.sort();
        Ok(folder)
    }

    fn walk(&mut self, path: &Path, prefix: &str, depth: usize) -> std::io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            let Some(own) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if own.starts_with('.') {
                continue;
            }
            let name = format!("{prefix}{own}");
            if path.is_dir() {
                if depth < MAX_DEPTH && !SKIPPED.contains(&own) {
                    self.walk(&path, &format!("{name}/"), depth + 1)?;
                    self.folders.push(name);
                }
                continue;
            }
            if self.files.len() == MAX_FILES {
                let message = format!("it holds more than {MAX_FILES} files");
                return Err(std::io::Error::other(message));
            }
            self.files.push(Entry::read(name, path));
        }
        Ok(())
    }

    /// Files directly in the folder.
    pub(super) fn top(&self) -> impl Iterator<Item = &Entry> {
        self.files.iter().filter(|entry| !entry.name.contains('/'))
    }

    /// A file by its relative name.
    pub(super) fn file(&self, name: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.name == name)
    }

    /// The nearest folder around that holds a file of one of these names, and which: up to the repository's own folder.
    pub(super) fn around(&self, names: &[&str]) -> Option<(PathBuf, String)> {
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        for around in path.ancestors().take(PROJECT_DEPTH) {
            if let Some(name) = names.iter().find(|name| around.join(name).exists()) {
                return Some((around.to_owned(), (*name).to_owned()));
            }
            if around.join(".git").exists() {
                break;
            }
        }
        None
    }

    /// Whether the folder's full path ends with these folders.
    pub(super) fn is_at(&self, end: &str) -> bool {
        std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()).ends_with(end)
    }
}

/// A project's own file is looked for in the folder of migrations and in this many around it.
const PROJECT_DEPTH: usize = 8;

impl Entry {
    fn read(name: String, path: PathBuf) -> Self {
        let is_text = path.extension().and_then(|e| e.to_str()).is_some_and(|e| TEXTS.contains(&e));
        if !is_text {
            return Self { name, path, text: None, marked: false, unreadable: None };
        }
        match SourceFile::read(&path) {
            Ok(SourceFile { text, .. }) => {
                let bare = text.strip_prefix('\u{feff}');
                let marked = bare.is_some();
                let text = bare.map(str::to_owned).unwrap_or(text);
                Self { name, path, text: Some(text), marked, unreadable: None }
            }
            Err(error) => Self { name, path, text: None, marked: false, unreadable: Some(error) },
        }
    }

    /// The file's own name.
    pub(super) fn own(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The folder it is in, relative; empty at the top.
    pub(super) fn parent(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The file with its text, empty where it is none.
    pub(super) fn source(&self) -> SourceFile {
        SourceFile { path: self.path.clone(), text: self.text.clone().unwrap_or_default() }
    }

    /// Its text, empty where it cannot be read.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

/// Lines of a text with their first byte, without their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

/// The digits that a name begins with, and what is behind them.
pub(super) fn leading_digits(name: &str) -> Option<(&str, &str)> {
    let end = name.bytes().take_while(u8::is_ascii_digit).count();
    (end > 0).then(|| name.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_places_whatever_ends_them() {
        let found: Vec<(usize, &str)> = lines("a\r\n\nbc").collect();
        assert_eq!(found, [(0, "a"), (3, ""), (4, "bc")]);
        assert_eq!(leading_digits("0012_x.sql"), Some(("0012", "_x.sql")));
        assert_eq!(leading_digits("x1.sql"), None);
    }

    #[test]
    fn a_folder_is_read_with_what_is_inside_and_without_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
        };
        write("b/up.sql", b"\xef\xbb\xbfSELECT 1");
        write("a.sql", b"\xff");
        write(".hidden/x.sql", b"");
        let read = Folder::read(folder.path()).unwrap();
        let names: Vec<&str> = read.files.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a.sql", "b/up.sql"]);
        assert!(read.files[0].unreadable.is_some());
        assert_eq!((read.files[1].text(), read.files[1].marked), ("SELECT 1", true));
        assert_eq!(read.folders, ["b"]);
    }
}

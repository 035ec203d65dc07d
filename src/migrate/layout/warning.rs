//! A mistake of a file that its tool accepts without a word. Must stop nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::diagnostic::Advice;

use serde::Serialize;

/// A mistake that a tool accepts silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Its stable name, such as `byte-order-mark`.
    pub name: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; none where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Warning {
    pub(super) fn new(name: &'static str, file: &Path, message: impl Into<String>) -> Self {
        Self { name, file: file.to_owned(), line: None, message: message.into(), help: None }
    }

    /// The same, at a byte of a text.
    pub(super) fn at(mut self, text: &str, byte: usize) -> Self {
        self.line = Some(text[..byte].matches('\n').count() + 1);
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        write!(f, "{}{line}: {} [{}]", self.file.display(), self.message, self.name)
    }
}

impl std::error::Error for Warning {}

impl Advice for Warning {
    fn help(&self) -> Option<String> {
        self.help.clone()
    }
}

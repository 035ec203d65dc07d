//! A mistake in a file: what is wrong, where, and what to do. Must not decide who made it or exit.

mod message;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use message::{Advice, Message};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One mistake, with its place as a byte range of the text it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, as a lowercase fragment without a full stop.
    pub message: String,
    /// Bytes of the text; `None` when the mistake is an absence in the whole file.
    pub span: Option<Range<usize>>,
    /// What to do about it.
    pub help: Option<String>,
    /// The table or column of a schema it is about, when no line of the file names it.
    pub subject: Option<String>,
}

/// Where what no file says stands.
pub const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

impl Diagnostic {
    /// A mistake at a place.
    #[must_use]
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), help: None, subject: None }
    }

    /// A mistake of the whole file.
    #[must_use]
    pub fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, help: None, subject: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, of a table or column that no line of the file names.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Whether no line of the file is at fault.
    #[must_use]
    pub fn is_placeless(&self) -> bool {
        self.span.as_ref().is_none_or(|span| *span == NOWHERE)
    }

    /// The same, moved: `offset` is where the inner text begins in the outer one.
    #[must_use]
    pub fn shifted(mut self, offset: usize) -> Self {
        self.span = self.span.map(|span| span.start + offset..span.end + offset);
        self
    }
}

/// A file as read, kept to draw mistakes against.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it was read from, as the user named it.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// A file that cannot be used, with every mistake found in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.draw())]
pub struct FileProblems {
    /// The file.
    pub file: SourceFile,
    /// At least one mistake, in the order they were found.
    pub problems: Vec<Diagnostic>,
}

impl FileProblems {
    /// Every mistake with its line, as plain text (no colour, so that logs and tests can hold it).
    #[must_use]
    pub fn draw(&self) -> String {
        let path = self.file.path.display().to_string();
        let renderer = Renderer::plain();
        let mut text = String::new();
        for (index, problem) in self.problems.iter().enumerate() {
            if index != 0 {
                text.push_str("\n\n");
            }
            let drawn = match &problem.span {
                Some(span) if *span != NOWHERE => {
                    let span = clamp(span, &self.file.text);
                    let title = Level::ERROR.primary_title(problem.message.as_str());
                    let snippet = Snippet::source(self.file.text.as_str())
                        .path(path.as_str())
                        .annotation(AnnotationKind::Primary.span(span));
                    let mut group = title.element(snippet);
                    if let Some(help) = &problem.help {
                        group = group.element(Level::HELP.message(help.as_str()));
                    }
                    renderer.render(&[group])
                }
                _ => {
                    let mut drawn = match &problem.subject {
                        Some(subject) => format!("error: `{subject}`: {}", problem.message),
                        None if problem.span.is_some() || path.is_empty() => format!("error: {}", problem.message),
                        None => format!("error: {}\n --> {path}", problem.message),
                    };
                    if let Some(help) = &problem.help {
                        let _ = write!(drawn, "\n  = help: {help}");
                    }
                    drawn
                }
            };
            text.push_str(drawn.trim_end());
        }
        text
    }
}

/// A file that could not be read as text.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is missing or unreadable.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The message of the system.
        source: std::io::Error,
        /// What to do.
        hint: Option<String>,
    },
    /// The file is not UTF-8.
    #[error("{} is not UTF-8: the byte at offset {offset} (line {line}) starts no character", path.display())]
    NotUtf8 {
        /// Which file.
        path: PathBuf,
        /// Bytes before the first bad one.
        offset: usize,
        /// The line of the bad byte, from 1.
        line: usize,
    },
}

impl Advice for ReadError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Io { hint, .. } => hint.clone(),
            Self::NotUtf8 { .. } => Some("save the file as UTF-8".to_owned()),
        }
    }
}

impl Advice for FileProblems {
    fn message(&self) -> Message {
        Message::drawn(self.draw())
    }
}

impl SourceFile {
    /// Reads a file whole.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let bytes =
            std::fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source, hint: None })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
            ReadError::NotUtf8 { path: path.to_owned(), offset, line }
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The mistakes found in this file, as one error.
    #[must_use]
    pub fn problems(self, problems: Vec<Diagnostic>) -> FileProblems {
        FileProblems { file: self, problems }
    }
}

/// The known word nearest to a mistyped one, when it is near enough to be meant.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (strsim::levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn clamp(span: &Range<usize>, text: &str) -> Range<usize> {
    let end = span.end.min(text.len());
    let mut start = span.start.min(end);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = end.max(start);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_drawn_with_its_line_and_advice() {
        let file = SourceFile { path: "scenarios/a.toml".into(), text: "name = \"a\"\nrate = 0\n".into() };
        let drawn = file.problems(vec![Diagnostic::at(18..19, "rate must be above 0").help("leave it out")]).draw();
        assert!(drawn.contains("scenarios/a.toml:2:8"), "{drawn}");
        assert!(drawn.contains("rate = 0"), "{drawn}");
        assert!(drawn.contains("help: leave it out"), "{drawn}");
    }

    #[test]
    fn a_mistake_of_the_schema_names_the_column_and_no_file() {
        let file = SourceFile { path: "seed/shop.toml".into(), text: "row-count = 5\n".into() };
        let problem = Diagnostic::at(NOWHERE, "nothing makes its rows differ").about("users.email").help("write email");
        let drawn = file.problems(vec![problem]).draw();
        assert_eq!(drawn, "error: `users.email`: nothing makes its rows differ\n  = help: write email");
    }

    #[test]
    fn the_nearest_word_is_offered_only_when_near() {
        assert_eq!(nearest("weigth", ["weight", "name"]), Some("weight"));
        assert_eq!(nearest("banana", ["weight", "name"]), None);
    }
}

//! What a person reads of an error: what failed, what to know beside it, and what to do next. Must be drawn here alone,
//! so that every error looks the same.

use std::fmt;

/// An error that knows what to do next, apart from what failed: its `Display` is the failure alone.
pub trait Advice: std::error::Error {
    /// The next command or step, as a fragment; that of the inner error where this one only wraps it.
    fn help(&self) -> Option<String> {
        self.inner().and_then(|inner| inner.help())
    }

    /// The error that this one only wraps.
    fn inner(&self) -> Option<&dyn Advice> {
        None
    }

    /// All of it, to be drawn.
    fn message(&self) -> Message {
        match self.inner() {
            Some(inner) => inner.message(),
            None => self.help().into_iter().fold(Message::new(self.to_string()), Message::help),
        }
    }
}

impl Advice for std::io::Error {}

impl Advice for serde_json::Error {}

/// An error, or a warning, with its advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    text: String,
    /// Lines below the text, in order: a label with what it says.
    lines: Vec<(&'static str, String)>,
    /// What else failed, after it.
    then: Vec<Message>,
    /// The text has its label already, as mistakes in files have.
    is_drawn: bool,
}

impl Message {
    /// What failed, as a lowercase fragment without a full stop.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), lines: Vec::new(), then: Vec::new(), is_drawn: false }
    }

    /// Mistakes in files, drawn against their lines.
    #[must_use]
    pub fn drawn(text: impl Into<String>) -> Self {
        Self { is_drawn: true, ..Self::new(text) }
    }

    /// The same with something to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.lines.push(("note", note.into()));
        self
    }

    /// The same with the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.lines.push(("help", help.into()));
        self
    }

    /// The same with what else failed, or what is left.
    #[must_use]
    pub fn then(mut self, other: Message) -> Self {
        self.then.push(other);
        self
    }

    /// Its lines behind a label: `error`, `warning`, `note`.
    #[must_use]
    pub fn draw(&self, label: &str) -> String {
        if self.is_drawn { self.body() } else { format!("{label}: {}", self.body()) }
    }

    /// Its lines without a label.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = self.text.clone();
        for (label, line) in &self.lines {
            body.push_str(&format!("\n  = {label}: {line}"));
        }
        for other in &self.then {
            body.push('\n');
            body.push_str(&other.body());
        }
        body
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Message {}

impl Advice for Message {
    fn help(&self) -> Option<String> {
        self.lines.iter().find(|(label, _)| *label == "help").map(|(_, line)| line.clone())
    }

    fn message(&self) -> Message {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error(transparent)]
        Wrapped(Inner),
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no server was named")]
    struct Inner;

    impl Advice for Inner {
        fn help(&self) -> Option<String> {
            Some("name one with --url".to_owned())
        }
    }

    impl Advice for Outer {
        fn inner(&self) -> Option<&dyn Advice> {
            let Self::Wrapped(inner) = self;
            Some(inner)
        }
    }

    #[test]
    fn an_error_is_drawn_with_the_advice_of_what_it_wraps() {
        let error = Outer::Wrapped(Inner);
        assert_eq!(error.to_string(), "no server was named");
        assert_eq!(error.help().as_deref(), Some("name one with --url"));
        let left = Message::new("2 databases are left").note("they are marked");
        let drawn = error.message().then(left).draw("error");
        insta::assert_snapshot!(drawn, @r"
        error: no server was named
          = help: name one with --url
        2 databases are left
          = note: they are marked
        ");
        assert_eq!(Message::drawn("error: `x` is no column").draw("error"), "error: `x` is no column");
    }
}

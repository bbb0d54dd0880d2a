//! How errors read: what could not be done, the cause, and the next thing to type, a line each.

use std::error::Error;
use std::fmt;

/// An error that knows what a person can do about it.
pub trait Help: Error {
    /// The next thing to type or to look at, one line.
    fn help(&self) -> Option<String> {
        None
    }
}

/// An error as a person is told it, at the edge of a program or in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What could not be done.
    pub what: String,
    /// Why, with the file, the line or the node.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl Told {
    /// Tells `error` and everything below it as the cause of `what`.
    pub fn new(what: impl Into<String>, error: &impl Help) -> Self {
        Self { what: what.into(), cause: causes(error), help: error.help().unwrap_or_default() }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, cause, help } = self;
        write!(f, "error: {}\ncause: {}", plain(what), plain(cause))?;
        if help.is_empty() { Ok(()) } else { write!(f, "\n help: {}", plain(help)) }
    }
}

impl Error for Told {}

impl Help for Told {
    fn help(&self) -> Option<String> {
        Some(self.help.clone())
    }
}

/// An error and its sources, joined by `: `, leaving out what its outer error has said already.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let line = error.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        below = error.source();
    }
    text
}

/// `text` without the control characters with which a name or a message from elsewhere could write to a terminal; line ends
/// stay, indented so that a cause of several lines (an excerpt of a file) reads as one.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => out.push_str("\n       "),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {path}")]
    struct Outer {
        path: &'static str,
        source: std::io::Error,
    }
    impl Help for Outer {
        fn help(&self) -> Option<String> {
            Some("look there".into())
        }
    }

    #[test]
    fn an_error_is_told_in_three_lines() {
        let error = Outer { path: "/x", source: std::io::Error::other("gone") };
        assert_eq!(
            Told::new("cannot join", &error).to_string(),
            "error: cannot join\ncause: cannot read /x: gone\n help: look there"
        );
    }

    #[test]
    fn a_foreign_name_cannot_write_to_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\rc"), "a\\u{1b}[2Jb\\rc");
    }
}

//! The one place that writes to the person: data to stdout, progress and errors to stderr. A closed
//! pipe is no failure.

use std::fmt::Display;
use std::io::{self, Write};

/// A line of data.
pub fn say(line: impl Display) {
    drop(writeln!(io::stdout().lock(), "{line}")); // a reader that has gone wants no more
}

/// A line of progress, or an error.
pub fn note(line: impl Display) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

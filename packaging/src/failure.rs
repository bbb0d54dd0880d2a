//! How a task fails: the three lines that a person reads.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// What could not be done, why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) cause: String,
    pub(crate) help: String,
}

impl Failure {
    pub(crate) fn new(
        what: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), cause: cause.into(), help: help.into() }
    }

    /// Tells it, and gives the exit code.
    pub(crate) fn tell(&self, code: u8) -> ExitCode {
        let Self { what, cause, help } = self;
        drop(writeln!(io::stderr(), "error: {what}\ncause: {cause}\n help: {help}")); // nobody left to tell
        ExitCode::from(code)
    }
}

/// Makes a failure of an error of the file system: `read(path)?` reads as
/// `fs::read(path).map_err(at("read", path))`.
pub(crate) fn at<E: Display>(verb: &str, path: &Path) -> impl FnOnce(E) -> Failure {
    move |error| {
        Failure::new(
            format!("cannot {verb} {}", path.display()),
            error.to_string(),
            "give a path that you may use, with room on its disk",
        )
    }
}

/// A line about progress, to stderr.
pub(crate) fn note(line: impl Display) {
    drop(writeln!(io::stderr(), "{line}")); // nobody left to tell
}

/// A line of data, to stdout.
pub(crate) fn say(line: impl Display) {
    drop(writeln!(io::stdout(), "{line}")); // a closed pipe is success
}

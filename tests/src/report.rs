//! The only place that prints: data to stdout; progress, notes and errors to stderr. A closed pipe is no failure.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use crate::error::LabError;

/// Data, one line to stdout.
pub fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Progress, a note or an error, one line to stderr.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Does one step, and says on stderr how long it took.
///
/// # Errors
/// Those of `step`.
pub fn step<T>(
    what: impl Display,
    step: impl FnOnce() -> Result<T, LabError>,
) -> Result<T, LabError> {
    let start = Instant::now();
    let done = step()?;
    note(format_args!("lab: {what} ({:.2} s)", start.elapsed().as_secs_f32()));
    Ok(done)
}

//! The only place that prints: data to stdout; progress, notes and errors to stderr. A closed pipe
//! is no failure.

use std::env;
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

/// Whether this is a run where nothing may be left out: `.ci/run` sets `PILASTER_CI`, and hosted
/// runners set `CI`.
pub fn is_ci() -> bool {
    env::var_os("PILASTER_CI").or_else(|| env::var_os("CI")).is_some()
}

/// Says that a test did not run: past libtest, which would keep what a passing test says to itself.
pub fn not_run(test: &str, why: &LabError) {
    note(format_args!("NOT RUN: {test}\n{}", why.told()));
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

//! How a command ends: what the person is told, and the exit code.

use pilaster_common::error::{Help, Told};

/// The agent's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The coordinator cannot be reached.
    Unreachable = 3,
    /// Wrong usage (BSD's `EX_USAGE`).
    Usage = 64,
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// What the person reads.
    pub told: Told,
    /// What a script reads.
    pub exit: Exit,
}

impl Failure {
    /// A failure that is told as `error` below `what`.
    pub(crate) fn new(what: &str, error: &impl Help) -> Self {
        Told::new(what, error).into()
    }
}

impl From<Told> for Failure {
    fn from(told: Told) -> Self {
        Self { told, exit: Exit::Failed }
    }
}

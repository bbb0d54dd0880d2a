//! The exit codes, and the error that carries one.

use std::process::ExitCode;

use pilaster_common::error::{Help, Told};
use pilaster_proto::status::told;
use tonic::{Code, Status};

/// How `coordctl` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// There are changes, or it is not healthy.
    NotHealthy = 2,
    /// The coordinator cannot be reached.
    Unreachable = 3,
    /// Refused because it is dangerous, or needs more than this command may do.
    Refused = 4,
    Usage = 64,
    TimedOut = 124,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error as a person is told it, and the code to end with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub exit: Exit,
    pub told: Told,
}

impl Failure {
    /// `error` is the cause of `what`.
    pub(crate) fn new(exit: Exit, what: &str, error: &impl Help) -> Self {
        Self { exit, told: Told::new(what, error) }
    }

    pub(crate) fn said(
        exit: Exit,
        what: &str,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (what, cause, help) = (what.into(), cause.into(), help.into());
        Self { exit, told: Told { what, cause, help, ..Told::default() } }
    }

    /// What the coordinator answered.
    pub(crate) fn answered(what: &str, status: &Status) -> Self {
        let exit = match status.code() {
            Code::Unavailable => Exit::Unreachable,
            Code::FailedPrecondition => Exit::Refused,
            _ => Exit::Failed,
        };
        let mut told = told(what, status);
        if told.help.is_empty() {
            told.help = "its log says more: it is on pilaster-coordinator's stderr".into();
        }
        Self { exit, told }
    }
}

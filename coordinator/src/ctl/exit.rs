//! The exit codes, and the error that carries one.

use std::process::ExitCode;

use pilaster_common::error::{Help, Told};

/// How `coordctl` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// There are changes, or it is not healthy.
    NotHealthy = 2,
    /// The coordinator cannot be reached.
    Unreachable = 3,
    /// Refused because it is dangerous, or needs more than this command may do.
    Refused = 4,
    /// Wrong usage.
    Usage = 64,
    /// Timed out.
    TimedOut = 124,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error as a person is told it, and the code to end with.
#[derive(Debug)]
pub(super) struct CtlError {
    pub(super) exit: Exit,
    pub(super) told: Told,
}

impl CtlError {
    pub(super) fn new(exit: Exit, what: &str, error: &impl Help) -> Self {
        Self { exit, told: Told::new(what, error) }
    }

    /// From words.
    pub(super) fn said(
        exit: Exit,
        what: &str,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { exit, told: Told { what: what.into(), cause: cause.into(), help: help.into() } }
    }

    /// What the coordinator answered: its message is the cause, its details are the help.
    pub(super) fn answered(what: &str, status: &tonic::Status) -> Self {
        let exit = match status.code() {
            tonic::Code::Unavailable => Exit::Unreachable,
            tonic::Code::FailedPrecondition => Exit::Refused,
            _ => Exit::Failed,
        };
        let help = String::from_utf8_lossy(status.details()).into_owned();
        let help = if help.is_empty() {
            "its log says more: it is on pilaster-coordinator's stderr".into()
        } else {
            help
        };
        Self::said(exit, what, status.message(), help)
    }
}

//! The service manager behind one narrow interface: what state a service is in, and a handful of verbs.
//!
//! Privileged, like `apply`. OpenRC is the only one for now; systemd, and hosts without an init, become further variants.

mod exec;
mod openrc;

use std::time::Duration;

use pilaster_common::error::{Code, Help, Told, code};
use pilaster_common::etcd_conf::ServiceManager;
use pilaster_proto::report::ServiceState;

pub(crate) use exec::run;

/// What drives the services of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    /// OpenRC with supervise-daemon.
    OpenRc,
}

/// What can be done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceVerb {
    /// Start it now.
    Start,
    /// Start it at each boot.
    Enable,
}

/// Why a verb did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("cannot run {command}")]
    Run { command: String, source: std::io::Error },
    #[error("{command} was not done within {} s{}", .after.as_secs(), said(.output))]
    Deadline { command: String, after: Duration, output: String },
    #[error("{command} ended with {status}{}", said(.output))]
    Failed { command: String, status: std::process::ExitStatus, output: String },
}

fn said(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

impl Help for ServiceError {
    fn help(&self) -> Option<String> {
        let (Self::Run { command, .. }
        | Self::Deadline { command, .. }
        | Self::Failed { command, .. }) = self;
        Some(format!("run it by hand and read what it says: {command}"))
    }

    fn code(&self) -> Code {
        code::STEP
    }
}

/// There is none: what cannot be done for that reason, and what to do.
pub(crate) fn no_service_manager(what: &str) -> Told {
    Told {
        code: code::OTHER,
        what: what.into(),
        cause: "this host has no service manager that Pilaster knows: OpenRC is missing or has not booted".into(),
        help: "run it on Alpine, or on Debian with the package openrc as its init".into(),
    }
}

impl Services {
    /// The one of this host; `None` where there is none that is known.
    pub(crate) fn detect() -> Option<Self> {
        openrc::is_here().then_some(Self::OpenRc)
    }

    /// As the rendered files know it.
    pub(crate) fn kind(self) -> ServiceManager {
        match self {
            Self::OpenRc => ServiceManager::OpenRc,
        }
    }

    /// How a service is. Reads a few small files and starts no process.
    pub(crate) fn state(self, service: &str) -> ServiceState {
        match self {
            Self::OpenRc => openrc::state(service),
        }
    }

    /// Whether a service is started at each boot.
    pub(crate) fn is_enabled(self, service: &str) -> bool {
        match self {
            Self::OpenRc => openrc::is_enabled(service),
        }
    }

    /// Does something to a service, and waits until it is done.
    pub(crate) async fn act(self, verb: ServiceVerb, service: &str) -> Result<(), ServiceError> {
        match self {
            Self::OpenRc => openrc::act(verb, service).await,
        }
    }
}

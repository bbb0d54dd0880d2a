//! The service manager behind one narrow interface: how a service is, and a handful of verbs.
//!
//! OpenRC is the only one for now; systemd, and hosts without an init, become further variants.

mod openrc;

use pilaster_common::clock::Clock;
use pilaster_common::error::Told;
use pilaster_common::etcd_conf::ServiceManager;
use serde::{Deserialize, Serialize};

use super::deed::ServiceVerb;
use super::exec::RunError;
use super::seen::SeenService;
use crate::node::told;

/// A service that the agent looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// etcd's.
    Etcd,
    /// The agent's own.
    Agent,
}

impl Service {
    /// As its script is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Agent => "pilaster-agent",
        }
    }
}

/// What drives the services of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Services {
    /// OpenRC with supervise-daemon.
    OpenRc,
}

/// Whether this host has a service manager that is known.
pub(crate) fn has_services() -> bool {
    Services::detect().is_some()
}

/// There is none: what cannot be done for that reason, and what to do.
pub(crate) fn no_service_manager(what: &str) -> Told {
    told(
        what,
        "this host has no service manager that Pilaster knows: OpenRC is missing or has not booted",
        "run it on Alpine, or on Debian with the package openrc as its init",
    )
}

impl Services {
    /// The ones of this host; `None` where there is no manager that is known.
    pub(super) fn detect() -> Option<Self> {
        openrc::is_here().then_some(Self::OpenRc)
    }

    /// As the rendered files know it.
    pub(super) fn kind(self) -> ServiceManager {
        match self {
            Self::OpenRc => ServiceManager::OpenRc,
        }
    }

    /// Reads a few small files and starts no process.
    pub(super) fn look(self, service: Service) -> SeenService {
        let (state, is_enabled) = match self {
            Self::OpenRc => (openrc::state(service.name()), openrc::is_enabled(service.name())),
        };
        SeenService { state, is_enabled }
    }

    /// Does something to a service, and waits until it is done.
    pub(super) async fn act(
        self,
        verb: ServiceVerb,
        service: Service,
        clock: &dyn Clock,
    ) -> Result<(), RunError> {
        match self {
            Self::OpenRc => openrc::act(verb, service.name(), clock).await,
        }
    }
}

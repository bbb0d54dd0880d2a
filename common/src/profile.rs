//! The kinds of certificate: what each may be used for, and where it lies on a node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The agent's own identity, signed by the control CA.
    Agent,
    /// etcd's client port, signed by the cluster's client CA.
    Server,
    /// etcd's peer port, signed by the cluster's peer CA: a CA of its own, so that a client is no
    /// peer (promise 4).
    Peer,
    /// A client of etcd, signed by the cluster's client CA.
    Client,
}

/// The profiles whose keys a node makes for etcd, in the order in which they are shown.
pub const LEAVES: [Profile; 3] = [Profile::Server, Profile::Peer, Profile::Client];

/// Which extended key usages (RFC 5280, 4.2.1.12) a certificate carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usages {
    /// May be presented by a server.
    pub server_auth: bool,
    /// May be presented by a client.
    pub client_auth: bool,
}

impl Profile {
    /// The usages of this profile. `server` is not a client; where etcd's gateway needs it, the
    /// coordinator adds it.
    pub fn usages(self) -> Usages {
        match self {
            Self::Agent | Self::Client => Usages { server_auth: false, client_auth: true },
            Self::Server => Usages { server_auth: true, client_auth: false },
            Self::Peer => Usages { server_auth: true, client_auth: true },
        }
    }

    /// As written in messages and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Server => "server",
            Self::Peer => "peer",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Agent, Self::Server, Self::Peer, Self::Client]
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| format!("{name:?} is no profile: agent, server, peer or client"))
    }
}

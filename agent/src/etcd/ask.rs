//! The one interface to the member on this host.

use std::fmt;
use std::net::Ipv4Addr;

use pilaster_common::profile::Profile;
use pilaster_proto::etcd_state::EtcdState;

use super::served::Served;

/// How the member on this host is asked.
#[tonic::async_trait]
pub trait AskEtcd: fmt::Debug + Send + Sync {
    /// How it is, by its own verdict; `None` where it does not answer.
    async fn state(&self) -> Option<EtcdState>;

    /// What it shows or takes of this profile's certificate, asked from `address`, the node's own.
    async fn served(&self, profile: Profile, address: Ipv4Addr) -> Served;
}

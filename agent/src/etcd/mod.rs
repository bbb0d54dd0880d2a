//! etcd on loopback ([`AskEtcd`]): is it healthy ([`health`]), what does it say of itself
//! ([`member`]), and which certificates do its ports show ([`served`]); asked again and again by
//! [`watch`].
//!
//! [`Loopback`] is the real one: it reads the node's own client certificate with its key, and
//! speaks to nobody but the member on this host. Nothing is changed.

mod health;
mod member;
mod messages;
mod served;
mod watch;

use std::fmt;
use std::net::Ipv4Addr;

use pilaster_common::profile::Profile;
use pilaster_proto::etcd_state::EtcdState;

pub(crate) use member::Loopback;
pub use served::Served;
pub(crate) use watch::{Pace, Watch};

/// How the member on this host is asked.
#[tonic::async_trait]
pub trait AskEtcd: fmt::Debug + Send + Sync {
    /// How it is, by its own verdict; `None` where it does not answer.
    async fn state(&self) -> Option<EtcdState>;

    /// What it shows or takes of this profile's certificate, asked from `address`, the node's own.
    async fn served(&self, profile: Profile, address: Ipv4Addr) -> Served;
}

//! etcd on loopback ([`AskEtcd`]): is it healthy ([`health`]), what does it say of itself
//! ([`member`]), and which certificates do its ports show ([`served`]); asked again and again by
//! [`watch`].
//!
//! [`Loopback`] is the real one: it reads the node's own client certificate with its key, and
//! speaks to nobody but the member on this host. Nothing is changed.

mod ask;
mod health;
mod member;
mod messages;
mod served;
mod watch;

pub use ask::AskEtcd;
pub(crate) use member::Loopback;
pub use served::Served;
pub(crate) use watch::{Pace, Watch};

//! etcd on loopback: is it healthy ([`health`]), what does it say of itself ([`member`]), asked again and again ([`watch`]);
//! and which certificates its ports show ([`served`]).

mod health;
mod member;
mod messages;
mod served;
mod watch;

pub(crate) use served::{Port, Served, ask, look};
pub(crate) use watch::{Pace, Watch};

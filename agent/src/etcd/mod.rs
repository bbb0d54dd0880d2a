//! etcd on loopback: is it healthy ([`health`]), what does it say of itself ([`member`]), asked again and again ([`watch`]).

mod health;
mod member;
mod messages;
mod watch;

pub(crate) use watch::{EtcdState, Pace, Watch};

//! Words that all rooms use: how long to be patient ([`Patience`]), whether a chain holds
//! ([`check_chain`]) and has served ([`has_served`]), whom to trust ([`Pins`]), and TLS over a
//! stream of our own ([`tls`]).
//!
//! Also how the coordinator is asked with a deadline ([`answer()`]). Imports no other room.

mod answer;
mod chain;
mod due;
mod patience;
mod pins;
pub(crate) mod tls;

pub(crate) use answer::{answer, told};
pub(crate) use chain::{BadChain, check_chain};
pub(crate) use due::has_served;
pub(crate) use patience::Patience;
pub(crate) use pins::Pins;

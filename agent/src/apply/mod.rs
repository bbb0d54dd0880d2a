//! The privileged half: the only code that writes under /etc, through one interface of fixed files and verbs ([`Host`]).
//!
//! What decides runs elsewhere (`reconcile::decide`) and hands [`Step`]s over ([`act()`]). Kept narrow so that the network half can become a process of its own.

mod act;
mod host;
mod output;
mod pin;
mod system;

pub(crate) use act::{Step, act};
#[cfg(test)]
pub(crate) use host::PlaceError;
pub(crate) use host::{Host, ManagedFile, Present};
#[cfg(test)]
pub(crate) use output::TrimError;
#[cfg(test)]
pub(crate) use pin::PinError;
pub(crate) use system::System;

//! The agent's own identity: its files ([`files`]), and how a token becomes one ([`join()`], after the checks of [`preflight`] and of
//! the coordinator's answer in [`reply`]), and the next one ([`renew()`]).

mod files;
mod join;
mod preflight;
mod renew;
mod reply;

pub(crate) use files::{Folder, Identity, IdentityError};
pub use join::join;
pub(crate) use renew::{RenewError, renew};
pub(crate) use reply::{known_good_first, listed};

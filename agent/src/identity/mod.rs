//! The agent's own identity: its files ([`folder`]), what is taken for an answer to a join or a
//! renewal ([`reply`]), and how the next one is got ([`renewal`]).
//!
//! Not here: how a token becomes one (`crate::join`), and which of two counts (`link`).

mod folder;
mod renewal;
mod reply;

pub use folder::Identity;
pub(crate) use folder::{Folder, IdentityError};
pub(crate) use renewal::{RenewError, is_due, renew};
pub(crate) use reply::{Asked, check as check_reply, known_good_first, listed};

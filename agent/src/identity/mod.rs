//! The agent's own identity: its files ([`files`]), and how a token becomes one ([`join`], after the checks of [`preflight`] and of
//! the coordinator's answer in [`reply`]). Renewal will stand beside `join` and install the next generation of the same folder.

mod files;
mod join;
mod preflight;
mod reply;

pub(crate) use files::{Folder, Identity, IdentityError};
pub use join::join;

//! Packages for nodes: a folder of `cargo xtask repository`, given out over plain HTTP on a port of
//! its own. Off unless a person names the folder.
//!
//! [`folder`] says what a request may name and opens it, [`server`] speaks HTTP, [`offer`] is what
//! `coordctl enroll` tells a person. Nothing here is secret, and nothing is trusted for having come
//! from here: apk verifies the index by the key, and a package by the index. The key's hash reaches
//! the person by the admin socket (promise 3's way: a hash first, the thing itself from anywhere).

mod folder;
mod offer;
mod server;

pub(crate) use folder::{PublicKey, Repository, RepositoryError};
pub(crate) use offer::{Offer, PackageSource};
pub(crate) use server::serve;

//! The agent: runs on each node, makes its keys, reports its facts, and brings the node to what the
//! coordinator wants.
//!
//! `main.rs` reads the arguments and calls one of three stories: [`join_command()`] (once, with a
//! token), [`run()`] (the daemon) and [`status()`].
//!
//! ```text
//!             link ──desired──▶ reconcile ──deeds──▶ host ──▶ /etc, service manager      (the privileged half)
//!  coordinator ◀──reports───────┘   ▲  └──Issue──▶ link
//!                                   └──state── etcd (loopback)
//! ```
//!
//! ARCHITECTURE.md has the rooms and which way they look. Three tasks live as long as the daemon
//! ([`spawn()`]): `link::keeper` keeps one stream to the coordinator, `reconcile::reconciler` owns
//! all that is done to the node, `etcd::watch` asks the member on loopback how it is. Latest state
//! travels between them in `watch` channels, so nothing queues up and nothing depends on a message
//! arriving once. What decides (`reconcile::decide`, `trial`) is pure. All that is outside comes in
//! as [`Parts`], so that a test runs the same agent in memory. Not here: which names a certificate
//! gets, and when etcd may start: the coordinator says so (promises 2, 5).

mod certificates;
mod console;
mod etcd;
mod exit;
mod host;
mod identity;
mod join;
mod link;
mod node;
mod preflight;
mod reconcile;
mod run;
mod settings;
mod status;
#[cfg(test)]
mod testing;
mod trial;

pub use console::{note, say};
pub use etcd::{AskEtcd, Served};
pub use exit::{Exit, Failure};
pub use host::{
    Deed, DeedError, Done, File, Host, Known, PortHolder, Seen, SeenFile, SeenService, Service,
    ServiceVerb,
};
pub use identity::Identity;
pub use join::{GIVE_UP_AFTER, JoinOptions, TokenSource, join, join_command};
pub use link::{BoxedStream, Dial, Stream};
pub use run::{Parts, harden, run, spawn, wait_for_identity};
pub use settings::Settings;
pub use status::status;

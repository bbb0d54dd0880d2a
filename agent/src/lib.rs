//! The agent: runs on each node, makes its keys, reports its facts, and brings the node to what the coordinator wants.
//!
//! `main.rs` reads the arguments and calls one of three stories: [`join()`] (once, with a token), [`run()`] (the daemon) and [`status()`].
//!
//! ```text
//!             link ──desired──▶ reconcile ──steps──▶ apply ──▶ /etc, service manager      (the privileged half: `apply`, `service`)
//!  coordinator ◀──reports───────┘   ▲  └──Issue──▶ link
//!                                   └──state── etcd (loopback)
//! ```
//!
//! Three tasks live as long as the daemon ([`run()`]): `link::attach` keeps one stream to the coordinator, `reconcile::reconciler` owns
//! all that is done to the node, `etcd::watch` asks the member on loopback how it is. Latest state travels between them in `watch`
//! channels, so nothing queues up and nothing depends on a message arriving once. What decides (`reconcile::decide`) is pure.
//! Not here: which names a certificate gets, and when etcd may start: the coordinator says so (promises 2, 5).

mod apply;
mod certificates;
mod config;
mod console;
mod etcd;
mod exit;
mod facts;
mod identity;
mod link;
mod reconcile;
mod run;
mod service;
mod status;
#[cfg(test)]
mod testing;
mod trust;

pub use config::{GIVE_UP_AFTER, JoinOptions, Settings, TokenSource};
pub use console::{note, say};
pub use exit::{Exit, Failure};
pub use identity::join;
pub use run::{harden, run};
pub use status::status;

//! The lab: real hosts on one machine. Real OpenRC, real etcd, real network namespaces, and nothing
//! of it left afterwards.
//!
//! [`Lab::up`] stands up a switch, a workstation (192.168.7.2) and hosts; [`Host`] runs programs in
//! a host, cuts its power and boots it again; [`Workstation`] runs what a person would run.
//! [`Binaries`] builds what the hosts run, [`packages`] makes what they install, [`wait_until`]
//! waits for a condition, [`search`] finds the bytes of a secret in files. [`stage`] is what the
//! tests begin with, [`journey`] what must come out right on the way of a person from bare hosts to
//! a healthy cluster, [`demo`] shows it, [`mod@bench`] measures, [`load`] writes and judges,
//! [`prove`] has the long proofs. [`cli`] is the program `lab`.
//!
//! A tour of [`mod@lab`]: `up_down` (the whole), `host`, `fault` (what breaks a host), `card` (what
//! it has written), `workstation`, `net`, `root` (the root file systems under the hosts: `debian`,
//! `alpine`), `etcd` (every minor version), `emulator` (hosts of another processor), `machine`
//! (what this machine must have), `journal` and `sweep` (what a dead run left is ended by the next;
//! nothing else is ever touched), `id` (every name and path), `process`.
#![expect(
    clippy::disallowed_methods,
    reason = "the machine that runs the lab has a power supply: plain writes do"
)]

pub mod bench;
mod binaries;
pub mod cli;
mod command;
pub mod demo;
mod error;
pub mod journey;
pub mod lab;
pub mod load;
pub mod packages;
pub mod prove;
pub mod report;
pub mod search;
pub mod stage;
mod wait;
pub mod world;

pub use binaries::Binaries;
pub use error::LabError;
pub use lab::etcd;
pub use lab::{
    Architecture, Cards, Host, HostSpec, Lab, LabOptions, LinkState, Root, Workstation, Written,
};
pub use wait::wait_until;

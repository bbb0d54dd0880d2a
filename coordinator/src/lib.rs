//! Keeps the CAs, the specs and the rollouts of etcd clusters; `coordctl` is how a person speaks to
//! it.
//!
//! A report comes in by [`agent_api`] and is kept in [`rollout::fleet`]; a pass of
//! [`rollout::driver`] makes each node's desired state ([`render`]), asks [`plan`] what happens
//! next, records it in [`store`] and sends the states down the streams. A person comes in by
//! [`admin_api`], from [`ctl`]. [`enrollment`] lets nodes in, [`ca`] signs, [`spec`] is what a
//! person wants; [`repository`] gives nodes their packages. [`run`] starts and stops it all.

pub mod admin_api;
mod agent_api;
pub mod audit;
pub mod ca;
pub mod config;
mod console;
pub mod coordinator;
pub mod ctl;
pub mod daemon;
mod enrollment;
pub mod listen;
pub mod plan;
mod render;
mod repository;
pub mod rollout;
pub mod run;
pub mod show;
pub mod spec;
pub mod store;

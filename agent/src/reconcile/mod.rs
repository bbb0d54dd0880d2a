//! Brings the node to what the coordinator wants: look ([`observe`]), decide ([`decide`], pure), act (`apply`), hold what etcd serves
//! against it ([`proof`]), report ([`report`]).
//!
//! [`reconciler`] is the one owner of all this; [`memory`] is what must survive a restart. Retry is the happy path: a step that
//! failed is decided again at the next look.

mod decide;
mod memory;
mod observe;
mod proof;
mod reconciler;
mod refusal;
mod report;

pub(crate) use memory::{Accepted, Memory, MemoryError};
pub(crate) use observe::{held_certificate, is_written_by_pilaster};
pub(crate) use reconciler::{Reconciler, Wires};

//! Brings the node to what the coordinator wants: look ([`observe`]), decide ([`decide`], pure), act (`apply`), report ([`report`]).
//!
//! [`reconciler`] is the one owner of all this; [`memory`] is what must survive a restart. Retry is the happy path: a step that
//! failed is decided again at the next look.

mod decide;
mod desired;
mod memory;
mod observe;
mod reconciler;
mod refusal;
mod report;

pub(crate) use desired::{Desired, WantedCertificate, WantedService};
pub(crate) use memory::{Accepted, Memory, MemoryError};
pub(crate) use observe::{held_certificate, is_written_by_pilaster};
pub(crate) use reconciler::{Own, Reconciler, Wires};
pub(crate) use report::Report;

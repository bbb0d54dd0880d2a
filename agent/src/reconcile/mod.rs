//! Brings the node to what the coordinator wants: look ([`observe`]), take over or refuse
//! ([`accept`]), decide ([`decide`]), act ([`act`]), report ([`report`]).
//!
//! [`reconciler`] is the one owner of all this; [`memory`] is what must survive a restart. What
//! decides is pure. Retry is the happy path: a step that failed is decided again at the next look.

mod accept;
mod act;
mod decide;
mod memory;
mod observe;
mod reconciler;
mod refusal;
mod report;

pub(crate) use memory::Memory;
pub(crate) use observe::held_certificate;
pub(crate) use reconciler::{Reconciler, Wires};
pub(crate) use report::STATUS_FILE;

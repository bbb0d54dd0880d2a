//! Load on a cluster that is being changed, with a history that can be judged: what etcd
//! acknowledged must be there at the end.
//!
//! [`mod@write`] and [`handshake`] are programs of their own (`lab load …`), since they run on the
//! workstation or on a host; each writes a history. [`judge`] decides whether a history is whole
//! (pure); it is first shown broken ones.

mod etcd;
pub mod handshake;
pub mod judge;
pub mod write;

//! What the two sides say to each other: the messages, and what they mean as types.
//!
//! The messages are generated from `proto/pilaster` ([`agent::v1`], [`admin::v1`]); they carry
//! bytes and strings from outside. Each has one type of ours here, and both conversions beside it:
//! what a node [`facts`] and its [`etcd_state`] are, its [`report`], its [`desired`] state, and how
//! it gets in ([`enrollment`]). A message that is not as agreed is a [`BadMessage`] that names the
//! field. Also here is what both ends of a connection must do alike: the [`names`] in certificates,
//! the identity's [`node_uri`], TLS 1.3 ([`tls`]), and an error as a [`status`]. Not here: whether
//! a state is acceptable (the agent's `reconcile`), and who may speak (the coordinator's
//! `agent_api`). No message type is named outside this crate, but where a service trait of tonic's
//! forces it.

/// Messages and services of the agent's interface.
pub mod agent {
    /// Version 1.
    #[expect(
        missing_docs,
        clippy::allow_attributes_without_reason,
        reason = "generated code; the .proto files have the documentation"
    )]
    pub mod v1 {
        tonic::include_proto!("pilaster.agent.v1");
    }
}

/// Messages and services of the admin socket.
pub mod admin {
    /// Version 1.
    #[expect(
        missing_docs,
        clippy::allow_attributes_without_reason,
        reason = "generated code; the .proto files have the documentation"
    )]
    pub mod v1 {
        tonic::include_proto!("pilaster.admin.v1");
    }
}

mod checked;
#[cfg(feature = "client")]
pub mod client;
pub mod desired;
pub mod enrollment;
pub mod etcd_state;
mod etcd_values;
pub mod facts;
pub mod names;
pub mod node_uri;
pub mod report;
pub mod status;
pub mod tls;

pub use checked::BadMessage;

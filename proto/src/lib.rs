//! The messages between agent, coordinator and coordctl, generated from `proto/pilaster`.
//!
//! What they mean stands in the `.proto` files. They carry bytes and strings from outside: each side turns them into its own
//! checked types in one place (`agent::link::wire`, `coordinator::agent_api::wire`) and uses nothing else of them further in.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the .proto files have the documentation"
)]

/// Messages and services of the agent's interface.
pub mod agent {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("pilaster.agent.v1");
    }
}

/// Messages and services of the admin socket.
pub mod admin {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("pilaster.admin.v1");
    }
}

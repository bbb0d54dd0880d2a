//! The command line of `coordctl`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::commands::{
    apply, approve, certs, client, enroll, env, hosts, init, node, plan, rotate, schema, status,
    validate,
};
use crate::config::default_socket;

/// Sets up and looks after etcd clusters.
#[derive(Debug, Parser)]
#[command(name = "coordctl", version)]
pub(super) struct Args {
    /// Where the coordinator listens
    #[arg(long, global = true, env = "PILASTER_SOCKET", default_value_os_t = default_socket(), value_name = "PATH")]
    pub(super) socket: PathBuf,
    /// Which cluster; may be left out when there is one
    #[arg(short, long, global = true, env = "PILASTER_CLUSTER", value_name = "NAME")]
    pub(super) cluster: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Init(init::Args),
    Validate(validate::Args),
    Schema(schema::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Enroll(enroll::Args),
    Approve(approve::Args),
    Node(node::Args),
    Status(status::Args),
    Certs(certs::Args),
    Rotate(rotate::Args),
    Client(client::Args),
    Env(env::Args),
    Hosts(hosts::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}

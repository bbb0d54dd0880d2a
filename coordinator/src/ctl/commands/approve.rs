//! `coordctl approve`: lets a node in by an address that the spec does not give it.

use std::net::Ipv4Addr;

use crate::admin_api::{Approve, Approved};
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::ctl::dial::Context;

/// Takes the address that a node has, where it differs from the spec
///
/// The node was refused before, and `coordctl status` says why. Its agent tries again by itself, or
/// is joined again.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The node, as in the spec
    node: String,
    /// Which address [default: the only one that its eth0 had]
    #[arg(long)]
    address: Option<Ipv4Addr>,
}

/// Approves it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { node, address } = args;
    let what = format!("cannot approve {node}");
    let command = Approve { cluster: context.cluster.clone(), node: node.clone(), address };
    let Approved { cluster, address } = context.call(&what, &command).await?;
    output::note(&format!(
        "{node} may join {cluster} as {address}: type the join line there again"
    ));
    Ok(Exit::Done)
}

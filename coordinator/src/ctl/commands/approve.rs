//! `coordctl approve`: lets a node in by an address that the spec does not give it.

use std::net::Ipv4Addr;

use pilaster_proto::admin::v1 as pb;

use super::Context;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;

/// Takes the address that a node has, where it differs from the spec
///
/// The node was refused before, and `coordctl status` says why. Its agent tries again by itself, or is joined again.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The node, as in the spec
    node: String,
    /// Which address [default: the only one that its eth0 had]
    #[arg(long)]
    address: Option<Ipv4Addr>,
}

/// Approves it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let Args { node, address } = args;
    let what = format!("cannot approve {node}");
    let mut admin = dial(&context.socket).await?;
    let request = pb::ApproveRequest {
        cluster: context.cluster.clone(),
        node: node.clone(),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
    };
    let reply =
        admin.approve(request).await.map_err(|status| CtlError::answered(&what, &status))?;
    let pb::ApproveReply { cluster, address } = reply.into_inner();
    output::note(&format!(
        "{node} may join {cluster} as {address}: type the join line there again"
    ));
    Ok(Exit::Done)
}

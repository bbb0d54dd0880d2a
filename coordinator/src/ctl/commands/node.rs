//! `coordctl node`: the nodes of a cluster, and ending the identity of one.

use pilaster_common::clock::Timestamp;
use pilaster_proto::admin::v1 as pb;

use super::Context;
use super::status::current;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;

/// Lists nodes, or ends the identity of one
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows who has an identity, and until when
    List,
    /// Ends a node's identity for good: its streams close within a second
    ///
    /// Its etcd goes on: certificates of etcd cannot be revoked. To make those useless, the member is removed and the CAs are rotated.
    Deny {
        /// The node
        node: String,
    },
}

/// Does what was typed.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    match args.command {
        Command::List => list(context).await,
        Command::Deny { node } => deny(context, &node).await,
    }
}

async fn list(context: &Context) -> Result<Exit, CtlError> {
    let state = current(context, "cannot tell the nodes").await?;
    let rows = state.nodes.iter().map(row).collect();
    output::data(&output::table(&["NODE", "ADDRESS", "STATE", "JOINED", "IDENTITY"], rows));
    Ok(Exit::Done)
}

fn row(node: &pb::NodeStatus) -> Vec<String> {
    let day = |seconds: i64| Timestamp::from_unix(seconds).date();
    let or_dash = |text: String| if text.is_empty() { "-".into() } else { text };
    let state = match node {
        node if node.denied => "denied",
        node if node.connected => "connected",
        node if node.joined > 0 => "not connected",
        node if !node.refusal.is_empty() => "refused",
        _ => "not joined",
    };
    let identity = node.identity.as_ref().map(|identity| {
        let renewing = if identity.renewing { ", a newer one is on its way" } else { "" };
        format!("ends {}{renewing}", day(identity.not_after))
    });
    let joined = if node.joined > 0 { day(node.joined) } else { String::new() };
    vec![
        node.name.clone(),
        or_dash(node.address.clone()),
        state.into(),
        or_dash(joined),
        or_dash(identity.unwrap_or_default()),
    ]
}

async fn deny(context: &Context, node: &str) -> Result<Exit, CtlError> {
    let what = format!("cannot deny {node}");
    let mut admin = dial(&context.socket).await?;
    let request = pb::DenyRequest { cluster: context.cluster.clone(), node: node.into() };
    let reply = admin.deny(request).await.map_err(|status| CtlError::answered(&what, &status))?;
    let pb::DenyReply { cluster, connected } = reply.into_inner();
    let stream = if connected { "; its stream was closed" } else { "" };
    output::note(&format!(
        "{node} of {cluster} is denied{stream}. Its etcd goes on with the certificates that it has"
    ));
    Ok(Exit::Done)
}

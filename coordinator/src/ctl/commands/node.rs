//! `coordctl node`: the nodes of a cluster, and ending the identity of one.

use crate::admin_api::{Denied, Deny};
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output::{self, Format};
use crate::ctl::dial::Context;
use crate::show::Nodes;

/// Lists nodes, or ends the identity of one
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows who has an identity, and until when
    List {
        /// How it is shown
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Ends a node's identity for good: its streams close within a second
    ///
    /// Its etcd goes on: certificates of etcd cannot be revoked. To make those useless, the member
    /// is removed and the CAs are rotated.
    Deny {
        /// The node
        node: String,
    },
}

/// Does what was typed.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::List { output } => list(context, output).await,
        Command::Deny { node } => deny(context, &node).await,
    }
}

async fn list(context: &Context, format: Format) -> Result<Exit, Failure> {
    let view: Nodes = context.show("cannot tell the nodes").await?;
    let _ = output::show(&view, format); // whoever closed the pipe has seen enough
    Ok(Exit::Done)
}

async fn deny(context: &Context, node: &str) -> Result<Exit, Failure> {
    let command = Deny { cluster: context.cluster.clone(), node: node.into() };
    let Denied { cluster, connected } =
        context.call(&format!("cannot deny {node}"), &command).await?;
    let stream = if connected { "; its stream was closed" } else { "" };
    output::note(&format!(
        "{node} of {cluster} is denied{stream}. Its etcd goes on with the certificates that it has"
    ));
    Ok(Exit::Done)
}

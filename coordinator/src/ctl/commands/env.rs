//! `coordctl env`: the variables of etcdctl.

use std::path::PathBuf;

use super::Context;
use super::status::current;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;
use crate::render::{Shell, client_env};

/// Prints the ETCDCTL_* variables, with all endpoints
///
/// For this shell: eval "$(coordctl env --certs DIR)"
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The folder with ca.pem and client.pem, as `coordctl client` writes it; on a node it is /etc/etcd
    #[arg(long, default_value = "/etc/etcd", value_name = "DIR")]
    certs: PathBuf,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    shell: Shell,
}

/// Prints the lines.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let state = current(context, "cannot tell the endpoints").await?;
    let folder = std::path::absolute(&args.certs).unwrap_or(args.certs);
    let certificate = folder.join("client.pem");
    let split = folder.join("client-key.pem");
    let key = if split.exists() { split } else { certificate.clone() };
    let text =
        client_env(args.shell, &state.client_endpoints, &folder.join("ca.pem"), &certificate, &key);
    output::data(&text);
    Ok(Exit::Done)
}

//! `coordctl env`: the variables of etcdctl.

use std::path::PathBuf;

use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output::{self, Format};
use crate::ctl::dial::Context;
use crate::ctl::text::Environment;
use crate::render::Shell;
use crate::show::Access;

/// Prints the ETCDCTL_* variables, with all endpoints
///
/// For this shell: eval "$(coordctl env --certs DIR)"
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The folder with ca.pem and client.pem, as `coordctl client` writes it; on a node it is
    /// /etc/etcd
    #[arg(long, default_value = "/etc/etcd", value_name = "DIR")]
    certs: PathBuf,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Shell::Sh)]
    shell: Shell,
    /// As such lines, or for a program
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Prints the lines.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let access: Access = context.show("cannot tell the endpoints").await?;
    let folder = std::path::absolute(&args.certs).unwrap_or(args.certs);
    let certificate_file = folder.join("client.pem");
    let split = folder.join("client-key.pem");
    let view = Environment {
        api_version: access.api_version,
        endpoints: access.endpoints,
        ca_file: folder.join("ca.pem"),
        key_file: if split.exists() { split } else { certificate_file.clone() },
        certificate_file,
        shell: args.shell,
    };
    let _ = output::show(&view, args.output); // whoever closed the pipe has seen enough
    Ok(Exit::Done)
}

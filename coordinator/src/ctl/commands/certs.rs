//! `coordctl certs`: every certificate of a cluster, worst first.

use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output::{self, Format};
use crate::ctl::dial::Context;
use crate::show::Certificates;

/// Shows every certificate: what is served, who signed it, when it ends and when it is renewed;
/// worst first
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Shows them.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let view: Certificates = context.show("cannot tell the certificates").await?;
    let _ = output::show(&view, args.output); // whoever closed the pipe has seen enough
    Ok(Exit::Done)
}

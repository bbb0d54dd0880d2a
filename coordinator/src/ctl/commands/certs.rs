//! `coordctl certs`: every certificate of a cluster, worst first.

use super::Context;
use super::status::current;
use crate::ctl::certs_view::CertsView;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output::{self, Format};

/// Shows every certificate: what is served, who signed it, when it ends and when it is renewed; worst first
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Shows them.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let view = CertsView::new(&current(context, "cannot tell the certificates").await?);
    match args.output {
        Format::Table => output::data(&view.to_text()),
        Format::Json => {
            let _ = output::json(&view);
        }
    }
    Ok(Exit::Done)
}

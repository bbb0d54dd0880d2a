//! `coordctl plan`: what a changed spec would do, as a diff.

use std::path::PathBuf;

use pilaster_proto::admin::v1 as pb;

use super::Context;
use super::validate::read_spec;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output::{self, Format};
use crate::ctl::plan_view::PlanView;

/// Shows what a spec would change, and changes nothing
///
/// For each node: its settings, its files as diff -u shows them, the names in its certificates, and whether its etcd would restart.
/// Exit code 0 when nothing would change, 2 when something would, 4 when `coordctl apply` would refuse it.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The spec; - is stdin
    file: PathBuf,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Checks the file here first, so that an error names it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let what = format!("cannot plan {}", args.file.display());
    let (text, _) = read_spec(&args.file).map_err(|cause| cause.of(&what))?;
    let mut admin = dial(&context.socket).await?;
    let reply = admin.plan(pb::PlanRequest { spec: text }).await;
    let reply = reply.map_err(|status| CtlError::answered(&what, &status))?.into_inner();
    let view = PlanView::new(&reply);
    let _ = match args.output {
        Format::Table => output::try_data(&view.to_text()),
        Format::Json => output::json(&view),
    };
    Ok(view.exit())
}

//! `coordctl plan`: what a changed spec would do, as a diff.

use std::path::PathBuf;

use super::validate::read_spec;
use crate::admin_api::PlanSpec;
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output::{self, Format};
use crate::ctl::dial::Context;
use crate::show::{Outcome, Plan};

/// Shows what a spec would change, and changes nothing
///
/// For each node: its settings, its files as diff -u shows them, the names in its certificates, and
/// whether its etcd would restart. Exit code 0 when nothing would change, 2 when something would, 4
/// when `coordctl apply` would refuse it.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The spec; - is stdin
    file: PathBuf,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Checks the file here first, so that an error names it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let what = format!("cannot plan {}", args.file.display());
    let (spec, _) = read_spec(&args.file).map_err(|cause| cause.of(&what))?;
    let plan = context.call(&what, &PlanSpec { spec }).await?;
    let _ = output::show(&plan, args.output); // whoever closed the pipe has seen enough
    Ok(exit(&plan))
}

/// 0 nothing changes, 2 something does, 4 it would be refused.
pub(in crate::ctl) fn exit(plan: &Plan) -> Exit {
    match plan.outcome {
        Outcome::None => Exit::Done,
        Outcome::Changes => Exit::NotHealthy,
        Outcome::Refused => Exit::Refused,
    }
}

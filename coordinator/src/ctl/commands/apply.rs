//! `coordctl apply`: makes a spec the wanted one.

use std::path::PathBuf;

use super::validate::read_spec;
use crate::admin_api::{Applied, Apply};
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::ctl::dial::Context;
use crate::ctl::text::summary;
use crate::store::records::Risk;

/// Makes a spec the wanted one
///
/// What would restart a member of a formed cluster is refused, with exit code 4; `coordctl plan`
/// shows it first.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The spec
    file: PathBuf,
    /// Accept this for the cluster of the spec; it is kept, and written to the audit log
    #[arg(long, value_enum, value_name = "RISK")]
    accept_risk: Vec<Risk>,
}

/// Checks the file here first, so that an error names it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let path = args.file.display();
    let what = format!("cannot apply {path}");
    let (spec, _) = read_spec(&args.file).map_err(|cause| cause.of(&what))?;
    let command = Apply { spec, accepted: args.accept_risk.into_iter().collect() };
    let Applied { cluster, members, plan } = context.call(&what, &command).await?;
    let Some(plan) = plan else {
        output::note(&format!("{cluster} is as in {path} already"));
        return Ok(Exit::Done);
    };
    summary(&plan).iter().for_each(|line| output::note(line));
    if !plan.formed {
        let names: Vec<&str> = members.iter().map(AsRef::as_ref).collect();
        let first = names.first().unwrap_or(&"NODE");
        output::note(&format!("{cluster}: {} members: {}", names.len(), names.join(", ")));
        output::note(&format!("next, for each of them: coordctl enroll {first}"));
    }
    Ok(Exit::Done)
}

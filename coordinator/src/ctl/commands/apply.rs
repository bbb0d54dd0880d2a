//! `coordctl apply`: makes a spec the wanted one.

use std::path::PathBuf;

use pilaster_proto::admin::v1 as pb;

use super::Context;
use super::validate::read_spec;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;
use crate::ctl::plan_view::PlanView;

/// Makes a spec the wanted one
///
/// What would restart a member of a formed cluster is refused, with exit code 4; `coordctl plan` shows it first.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The spec
    file: PathBuf,
    /// Accept this for the cluster of the spec; it is kept, and written to the audit log
    #[arg(long, value_enum, value_name = "RISK")]
    accept_risk: Vec<Risk>,
}

/// What a person may accept by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Risk {
    /// A release of etcd that is known to be bad
    KnownBadEtcd,
}

/// Checks the file here first, so that an error names it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let path = args.file.display();
    let what = format!("cannot apply {path}");
    let (text, _) = read_spec(&args.file).map_err(|cause| cause.of(&what))?;
    let mut admin = dial(&context.socket).await?;
    let accepted = args.accept_risk.iter().map(|risk| match risk {
        Risk::KnownBadEtcd => pb::Risk::KnownBadEtcd.into(),
    });
    let request = pb::ApplyRequest { spec: text, accepted: accepted.collect() };
    let pb::ApplyReply { cluster, changed, members, plan } = admin
        .apply(request)
        .await
        .map_err(|status| {
            let mut error = CtlError::answered(&what, &status);
            if status.code() == tonic::Code::InvalidArgument {
                // a coordinator of another version finds a mistake that this one does not know: it cannot know the file's name
                error.told.cause = format!("{path}: {}", error.told.cause);
            }
            error
        })?
        .into_inner();
    if !changed {
        output::note(&format!("{cluster} is as in {path} already"));
        return Ok(Exit::Done);
    }
    let plan = plan.unwrap_or_default();
    for line in PlanView::new(&plan).summary() {
        output::note(&line);
    }
    if plan.formed {
        return Ok(Exit::Done);
    }
    let first = members.first().map_or("NODE", String::as_str);
    output::note(&format!("{cluster}: {} members: {}", members.len(), members.join(", ")));
    output::note(&format!("next, for each of them: coordctl enroll {first}"));
    Ok(Exit::Done)
}

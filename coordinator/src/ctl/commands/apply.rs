//! `coordctl apply`: makes a spec the wanted one.

use std::path::PathBuf;

use pilaster_proto::admin::v1 as pb;

use super::Context;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;
use crate::spec;

/// Makes a spec the wanted one
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The spec
    file: PathBuf,
}

/// Checks the file here first, so that an error names it.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let path = args.file.display();
    let what = format!("cannot apply {path}");
    let text = std::fs::read_to_string(&args.file).map_err(|error| {
        CtlError::said(
            Exit::Failed,
            &what,
            format!("cannot read it: {error}"),
            "coordctl init NAME … writes a first one",
        )
    })?;
    spec::parse(&text).map_err(|error| {
        let mut error = CtlError::new(Exit::Failed, &what, &error);
        error.told.cause = format!("{path}: {}", error.told.cause);
        error
    })?;
    let mut admin = dial(&context.socket).await?;
    let reply = admin.apply(pb::ApplyRequest { spec: text }).await;
    let pb::ApplyReply { cluster, changed, members } =
        reply.map_err(|status| CtlError::answered(&what, &status))?.into_inner();
    if !changed {
        output::note(&format!("{cluster} is as in {path} already"));
        return Ok(Exit::Done);
    }
    let first = members.first().map_or("NODE", String::as_str);
    output::note(&format!("{cluster}: {} members: {}", members.len(), members.join(", ")));
    output::note(&format!("next, for each of them: coordctl enroll {first}"));
    Ok(Exit::Done)
}

//! `coordctl apply`: makes a spec the wanted one.

use std::path::PathBuf;

use pilaster_proto::admin::v1 as pb;

use super::Context;
use super::validate::read_spec;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;

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
    let (text, _) = read_spec(&args.file).map_err(|cause| cause.of(&what))?;
    let mut admin = dial(&context.socket).await?;
    let reply = admin.apply(pb::ApplyRequest { spec: text }).await;
    let pb::ApplyReply { cluster, changed, members } = reply
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
    let first = members.first().map_or("NODE", String::as_str);
    output::note(&format!("{cluster}: {} members: {}", members.len(), members.join(", ")));
    output::note(&format!("next, for each of them: coordctl enroll {first}"));
    Ok(Exit::Done)
}

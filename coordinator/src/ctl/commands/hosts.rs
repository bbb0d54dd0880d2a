//! `coordctl hosts`: the members' names for a machine that has no DNS for them.

use std::path::PathBuf;

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::hosts_block::{self, HostEntry};

use super::Context;
use super::status::current;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;

const WHAT: &str = "cannot write the members' names";

/// Prints the members' names as lines of /etc/hosts
///
/// The nodes have them already; this is for a workstation without DNS for them.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// Keep them in this file, in a marked block: the rest of it stays as it is
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

/// Prints the block, or puts it into a file.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    use std::os::unix::fs::MetadataExt;
    let state = current(context, "cannot tell the members' names").await?;
    let entries: Vec<HostEntry> = state
        .nodes
        .iter()
        .filter_map(|node| {
            let names = vec![node.host.clone(), node.name.clone(), state.service_name.clone()];
            Some(HostEntry { address: node.address.parse().ok()?, names })
        })
        .collect();
    let Some(path) = args.into else {
        output::data(&hosts_block::render(&entries));
        return Ok(Exit::Done);
    };
    let read = |error: std::io::Error| {
        CtlError::said(
            Exit::Failed,
            WHAT,
            format!("cannot read {}: {error}", path.display()),
            "name a file that is there",
        )
    };
    let present = std::fs::read_to_string(&path).map_err(read)?;
    let metadata = std::fs::metadata(&path).map_err(read)?;
    let access =
        Access { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777 };
    atomic_file::replace(&path, hosts_block::replace_in(&present, &entries).as_bytes(), access)
        .map_err(|error| CtlError::new(Exit::Failed, WHAT, &error))?;
    output::note(&format!("{} has the names of {} members", path.display(), entries.len()));
    Ok(Exit::Done)
}

//! `coordctl hosts`: the members' names for a machine that has no DNS for them.

use std::path::PathBuf;

use pilaster_common::atomic_file;
use pilaster_common::hosts_block;

use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output::{self, Format};
use crate::ctl::dial::Context;
use crate::ctl::text::Hosts;
use crate::show::Access;

const WHAT: &str = "cannot write the members' names";

/// Prints the members' names as lines of /etc/hosts
///
/// The nodes have them already; this is for a workstation without DNS for them.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// Keep them in this file, in a marked block: the rest of it stays as it is
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// As such lines, or for a program
    #[arg(short, long, value_enum, default_value_t = Format::Table, conflicts_with = "into")]
    output: Format,
}

/// Prints the block, or puts it into a file.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    use std::os::unix::fs::MetadataExt;
    let view: Access = context.show("cannot tell the members' names").await?;
    let entries = view.hosts.clone();
    let Some(path) = args.into else {
        let _ = output::show(&Hosts(view), args.output); // whoever closed the pipe has seen enough
        return Ok(Exit::Done);
    };
    let read = |error: std::io::Error| {
        Failure::said(
            Exit::Failed,
            WHAT,
            format!("cannot read {}: {error}", path.display()),
            "name a file that is there",
        )
    };
    let present = std::fs::read_to_string(&path).map_err(read)?;
    let metadata = std::fs::metadata(&path).map_err(read)?;
    let access = atomic_file::Access {
        uid: metadata.uid(),
        gid: metadata.gid(),
        mode: metadata.mode() & 0o7777,
    };
    atomic_file::replace(&path, hosts_block::replace_in(&present, &entries).as_bytes(), access)
        .map_err(|error| Failure::new(Exit::Failed, WHAT, &error))?;
    output::note(&format!("{} has the names of {} members", path.display(), entries.len()));
    Ok(Exit::Done)
}

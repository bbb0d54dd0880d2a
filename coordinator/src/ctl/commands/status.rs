//! `coordctl status`: one screen that says whether a cluster is well, and until when.

use std::time::Duration;

use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output::{self, Format, Reader};
use crate::ctl::dial::Context;
use crate::show::Status;
use crate::spec::parse_span;

const WHAT: &str = "cannot tell the state";

/// Shows whether a cluster is well, and until when
///
/// Exit code 0 when every member is healthy, else 2; 124 when --wait timed out.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// Show it again each time that something changes
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
    /// Wait until every member is healthy
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = parse_span, default_value = "10m", requires = "wait", value_name = "SPAN")]
    timeout: Duration,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Shows it once, or as long as asked.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let mut states = context.watch::<Status>(WHAT).await?;
    let mut status = states.next().await?;
    if args.wait {
        let waiting = async {
            while !status.is_healthy() {
                status = states.next().await?;
            }
            Ok::<(), Failure>(())
        };
        match tokio::time::timeout(args.timeout, waiting).await {
            Ok(waited) => waited?,
            Err(_) => {
                let _ = output::show(&status, args.output); // whoever closed the pipe has seen enough
                return Ok(Exit::TimedOut);
            }
        }
    }
    let mut reader = output::show(&status, args.output);
    while args.watch && reader == Reader::There {
        status = states.next().await?;
        reader = output::show(&status, args.output);
    }
    Ok(if args.watch || status.is_healthy() { Exit::Done } else { Exit::NotHealthy })
}

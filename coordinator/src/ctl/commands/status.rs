//! `coordctl status`: one screen that says whether a cluster is well, and until when.

use std::time::Duration;

use pilaster_proto::admin::v1 as pb;
use tonic::Streaming;

use super::Context;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output::{self, Format, Reader};
use crate::ctl::status_view::StatusView;
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
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let mut states = watch(context, WHAT).await?;
    let mut view = next(&mut states, WHAT).await?;
    if args.wait {
        let waiting = async {
            while !view.is_healthy() {
                view = next(&mut states, WHAT).await?;
            }
            Ok::<(), CtlError>(())
        };
        match tokio::time::timeout(args.timeout, waiting).await {
            Ok(waited) => waited?,
            Err(_) => {
                let _ = show(&view, args.output);
                return Ok(Exit::TimedOut);
            }
        }
    }
    let mut reader = show(&view, args.output);
    while args.watch && reader == Reader::There {
        view = next(&mut states, WHAT).await?;
        reader = show(&view, args.output);
    }
    Ok(if args.watch || view.is_healthy() { Exit::Done } else { Exit::NotHealthy })
}

/// The state of the cluster now.
pub(super) async fn current(context: &Context, what: &str) -> Result<pb::ClusterStatus, CtlError> {
    let mut states = watch(context, what).await?;
    next_state(&mut states, what).await
}

/// The state now, and each time that it changes.
pub(super) async fn watch(
    context: &Context,
    what: &str,
) -> Result<Streaming<pb::ClusterStatus>, CtlError> {
    let mut admin = dial(&context.socket).await?;
    let request = pb::WatchRequest { cluster: context.cluster.clone() };
    let reply = admin.watch(request).await.map_err(|status| CtlError::answered(what, &status))?;
    Ok(reply.into_inner())
}

/// The next state of a watch.
pub(super) async fn next_state(
    states: &mut Streaming<pb::ClusterStatus>,
    what: &str,
) -> Result<pb::ClusterStatus, CtlError> {
    match states.message().await {
        Ok(Some(state)) => Ok(state),
        Ok(None) => Err(CtlError::said(
            Exit::Unreachable,
            what,
            "the coordinator has stopped",
            "start it: pilaster-coordinator",
        )),
        Err(status) => Err(CtlError::answered(what, &status)),
    }
}

async fn next(
    states: &mut Streaming<pb::ClusterStatus>,
    what: &str,
) -> Result<StatusView, CtlError> {
    Ok(StatusView::new(&next_state(states, what).await?))
}

fn show(view: &StatusView, format: Format) -> Reader {
    match format {
        Format::Table => output::try_data(&view.to_text()),
        Format::Json => output::json(view),
    }
}

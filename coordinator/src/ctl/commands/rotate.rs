//! `coordctl rotate`: new keys and certificates, under the eyes of the person. Nothing restarts.

use std::time::Duration;

use pilaster_common::clock::{Clock, SystemClock};
use pilaster_common::profile::Profile;

use crate::admin_api::{Asked, Certificate, Rotate};
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::ctl::dial::Context;
use crate::ctl::text::told_line;
use crate::show::{Rotating, Rotation};
use crate::spec::parse_span;

const WHAT: &str = "cannot rotate";

/// Gives nodes new keys and certificates; nothing restarts
///
/// It ends when every port was seen to serve its new certificate. Exit code 124 when that did not
/// happen in time.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["nodes", "profiles", "all"]))]
pub(in crate::ctl) struct Args {
    /// Only this node; may be given several times
    #[arg(long = "node", value_name = "NODE", value_delimiter = ',')]
    nodes: Vec<String>,
    /// Only certificates of this kind: agent, server, peer or client; may be given several times
    #[arg(long = "profile", value_name = "PROFILE", value_delimiter = ',')]
    profiles: Vec<Profile>,
    /// All certificates of all nodes
    #[arg(long, conflicts_with_all = ["nodes", "profiles"])]
    all: bool,
    /// How long to wait
    #[arg(long, value_parser = parse_span, default_value = "2m", value_name = "SPAN")]
    timeout: Duration,
}

/// Asks for it, and follows until each new certificate is served.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let begun = SystemClock.boot();
    let command = Rotate {
        cluster: context.cluster.clone(),
        nodes: args.nodes,
        profiles: args.profiles.into_iter().collect(),
    };
    let Asked { cluster, certificates, skipped } = context.call(WHAT, &command).await?;
    for skipped in &skipped {
        output::note(&format!("passed over: {skipped}"));
    }
    let asked = certificates.len();
    let socket = context.socket.clone();
    let context = Context { socket, cluster: cluster.map(|cluster| cluster.to_string()) };
    let mut waiting = Waiting { left: certificates, told: vec![] };
    match tokio::time::timeout(args.timeout, follow(&context, &mut waiting)).await {
        Ok(followed) => followed?,
        Err(_) => {
            let names: Vec<String> = waiting.left.iter().map(name).collect();
            let cause = format!("not replaced within {:?}: {}", args.timeout, names.join(", "));
            let help =
                "coordctl status says what the nodes wait for; coordctl certs what is served";
            return Err(Failure::said(Exit::TimedOut, WHAT, cause, help));
        }
    }
    output::note(&format!(
        "{asked} certificates replaced in {:.1} s; nothing was restarted",
        SystemClock.boot().since(begun).as_secs_f32()
    ));
    Ok(if skipped.is_empty() { Exit::Done } else { Exit::NotHealthy })
}

/// What is waited for.
struct Waiting {
    left: Vec<Certificate>,
    /// What the nodes have said stands in the way; each is shown once.
    told: Vec<String>,
}

/// Takes each certificate off the list as soon as the new one is in use, and shows what its node
/// says stands in the way.
async fn follow(context: &Context, waiting: &mut Waiting) -> Result<(), Failure> {
    let mut states = context.watch::<Rotation>(WHAT).await?;
    while !waiting.left.is_empty() {
        let rotation = states.next().await?;
        waiting.left.retain(|certificate| {
            let goes_on = find(&rotation, certificate)
                .is_none_or(|rotating| rotating.serial == certificate.serial && !rotating.replaced);
            if !goes_on {
                output::note(&format!("{}: new", name(certificate)));
            }
            goes_on
        });
        let left = waiting.left.iter().filter_map(|certificate| find(&rotation, certificate));
        for rotating in left {
            for problem in &rotating.problems {
                let told = format!("{}: {}", rotating.node, told_line(problem));
                if !waiting.told.contains(&told) {
                    output::note(&told);
                    waiting.told.push(told);
                }
            }
        }
    }
    Ok(())
}

/// How far it is: with another serial where a later rotation asks for the one after this; `None`
/// where the node has left the spec, so that nothing replaces it.
fn find<'a>(rotation: &'a Rotation, of: &Certificate) -> Option<&'a Rotating> {
    let is_it = |rotating: &&Rotating| (&rotating.node, rotating.profile) == (&of.node, of.profile);
    rotation.rotating.iter().find(is_it)
}

fn name(certificate: &Certificate) -> String {
    format!("{} {}", certificate.node, certificate.profile)
}

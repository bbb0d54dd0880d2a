//! `coordctl rotate`: new keys and certificates, under the eyes of the person. Nothing restarts.

use std::time::{Duration, Instant};

use pilaster_common::profile::Profile;
use pilaster_proto::admin::v1 as pb;
use pilaster_proto::agent::v1::ServiceState;

use super::Context;
use super::status::{next_state, watch};
use crate::agent_api::wire;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;
use crate::ctl::status_view::problem_lines;
use crate::spec::parse_span;

const WHAT: &str = "cannot rotate";

/// Gives nodes new keys and certificates; nothing restarts
///
/// It ends when every port was seen to serve its new certificate. Exit code 124 when that did not happen in time.
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
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let start = Instant::now();
    let mut admin = dial(&context.socket).await?;
    let profiles = args.profiles.iter().map(|profile| wire::profile(*profile).into()).collect();
    let request =
        pb::RotateRequest { cluster: context.cluster.clone(), nodes: args.nodes, profiles };
    let reply = admin.rotate(request).await.map_err(|status| CtlError::answered(WHAT, &status))?;
    let pb::RotateReply { cluster, rotating, skipped } = reply.into_inner();
    for skipped in &skipped {
        output::note(&format!("passed over: {skipped}"));
    }
    let asked = rotating.len();
    let context = Context { socket: context.socket.clone(), cluster };
    let mut waiting = Waiting { left: rotating, told: vec![] };
    let followed = tokio::time::timeout(args.timeout, follow(&context, &mut waiting)).await;
    match followed {
        Ok(followed) => followed?,
        Err(_) => {
            let names: Vec<String> = waiting.left.iter().map(name).collect();
            let cause = format!("not replaced within {:?}: {}", args.timeout, names.join(", "));
            let help =
                "coordctl status says what the nodes wait for; coordctl certs what is served";
            return Err(CtlError::said(Exit::TimedOut, WHAT, cause, help));
        }
    }
    output::note(&format!(
        "{asked} certificates replaced in {:.1} s; nothing was restarted",
        start.elapsed().as_secs_f32()
    ));
    Ok(if skipped.is_empty() { Exit::Done } else { Exit::NotHealthy })
}

/// What is waited for.
struct Waiting {
    left: Vec<pb::Rotating>,
    /// What the nodes have said stands in the way; each is shown once.
    told: Vec<String>,
}

/// Takes each certificate off the list as soon as the new one is in use, and shows what its node says stands in the way.
async fn follow(context: &Context, waiting: &mut Waiting) -> Result<(), CtlError> {
    let mut states = watch(context, WHAT).await?;
    while !waiting.left.is_empty() {
        let state = next_state(&mut states, WHAT).await?;
        waiting.left.retain(|rotating| {
            let replaced = is_replaced(&state, rotating);
            if replaced {
                output::note(&format!("{}: new", name(rotating)));
            }
            !replaced
        });
        for told in in_the_way(&state, &waiting.left) {
            if !waiting.told.contains(&told) {
                output::note(&told);
                waiting.told.push(told);
            }
        }
    }
    Ok(())
}

/// What the nodes whose certificates are waited for say, a line each.
fn in_the_way(state: &pb::ClusterStatus, left: &[pb::Rotating]) -> Vec<String> {
    let waited_for = |node: &&pb::NodeStatus| left.iter().any(|waits| waits.node == node.name);
    let lines = |node: &pb::NodeStatus| {
        problem_lines(node)
            .into_iter()
            .map(|line| format!("{}: {line}", node.name))
            .collect::<Vec<_>>()
    };
    state.nodes.iter().filter(waited_for).flat_map(lines).collect()
}

fn name(rotating: &pb::Rotating) -> String {
    let profile = wire::any_profile(rotating.profile).map_or("certificate", Profile::name);
    format!("{} {profile}", rotating.node)
}

/// Whether the node holds another serial and, where etcd runs, was seen to serve it.
fn is_replaced(state: &pb::ClusterStatus, rotating: &pb::Rotating) -> bool {
    let Some(node) = state.nodes.iter().find(|node| node.name == rotating.node) else {
        return false;
    };
    if wire::any_profile(rotating.profile).is_ok_and(|profile| profile == Profile::Agent) {
        let current = node.identity.as_ref().map(|identity| &identity.serial);
        return node.connected && current.is_some_and(|serial| *serial != rotating.serial);
    }
    let Some(report) = &node.report else { return false };
    // asked of the service: an etcd that does not answer for a moment has served nothing yet
    let runs = report.service() == ServiceState::Started;
    report.certificates.iter().any(|held| {
        let served = !runs || held.served_serial == held.serial;
        held.profile == rotating.profile && held.serial != rotating.serial && served
    })
}

#[cfg(test)]
mod tests {
    use pilaster_proto::agent::v1 as agent;

    use super::*;

    #[test]
    fn a_certificate_counts_as_replaced_when_the_new_one_is_served() {
        let rotating = pb::Rotating {
            node: "m".into(),
            profile: agent::Profile::Server.into(),
            serial: vec![1],
        };
        let state = |serial: u8, served: u8, service: ServiceState, reachable| {
            let held = agent::HeldCertificate {
                profile: agent::Profile::Server.into(),
                serial: vec![serial],
                served_serial: vec![served],
                ..agent::HeldCertificate::default()
            };
            let etcd = Some(agent::EtcdState { reachable, ..agent::EtcdState::default() });
            let report = Some(agent::Report {
                certificates: vec![held],
                service: service.into(),
                etcd,
                ..agent::Report::default()
            });
            let node = pb::NodeStatus { name: "m".into(), report, ..pb::NodeStatus::default() };
            pb::ClusterStatus { nodes: vec![node], ..pb::ClusterStatus::default() }
        };
        let (started, stopped) = (ServiceState::Started, ServiceState::Stopped);
        assert!(is_replaced(&state(2, 2, started, true), &rotating));
        assert!(!is_replaced(&state(2, 1, started, true), &rotating));
        assert!(
            !is_replaced(&state(2, 1, started, false), &rotating),
            "it does not answer just now"
        );
        assert!(!is_replaced(&state(1, 1, started, true), &rotating));
        assert!(is_replaced(&state(2, 1, stopped, false), &rotating));
    }
}

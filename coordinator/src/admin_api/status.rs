//! How a cluster is: recorded and seen, put together for a person.

use std::net::Ipv4Addr;

use pilaster_common::clock::Timestamp;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_proto::admin::v1 as pb;

use crate::coordinator::Coordinator;
use crate::plan::view::{Report, ServiceState};
use crate::rollout::driver::AdvanceError;
use crate::spec::{ClusterSpec, Names};
use crate::store::records::{NodeRecord, Phase};

/// The state of a cluster now; `None` where it is not known.
///
/// # Errors
/// When the store or the CAs cannot be read.
pub(super) async fn status(
    coordinator: &Coordinator,
    cluster: &ClusterName,
) -> Result<Option<pb::ClusterStatus>, AdvanceError> {
    let Some(spec) = coordinator.store.spec(cluster).await? else { return Ok(None) };
    let formation = coordinator.store.formation(cluster).await?.map(|(record, _)| record.phase);
    let records = coordinator.store.nodes(cluster).await?;
    let record_of = |name: &NodeName| {
        records.iter().find(|(node, _)| node == name).map(|(_, (record, _))| record)
    };
    let authorities = coordinator.authorities(cluster)?;
    let nodes: Vec<_> = spec
        .members
        .iter()
        .map(|m| node_status(coordinator, &spec, &m.name, record_of(&m.name)))
        .collect();
    let leaves_end: Option<Vec<Timestamp>> = spec
        .members
        .iter()
        .map(|member| {
            coordinator
                .fleet
                .seen(cluster, &member.name)
                .report
                .and_then(|(report, _)| serving_ends(&report))
        })
        .collect(); // unknown unless every member has told
    let roots_end = [authorities.client.not_after(), authorities.peer.not_after()];
    let goes_on_until = leaves_end.and_then(|ends| ends.into_iter().chain(roots_end).min());
    let endpoints =
        spec.members.iter().map(|member| format!("https://{}:2379", spec.host(&member.name)));
    Ok(Some(pb::ClusterStatus {
        cluster: cluster.to_string(),
        domain: spec.domain.to_string(),
        service_name: spec.service.to_string(),
        nodes,
        formation: match formation {
            None | Some(Phase::Gathering) => pb::FormationPhase::Gathering,
            Some(Phase::Forming { .. }) => pb::FormationPhase::Forming,
            Some(Phase::Formed { .. }) => pb::FormationPhase::Formed,
        }
        .into(),
        waits: coordinator.fleet.waits(cluster),
        now: coordinator.now().unix(),
        goes_on_until: goes_on_until.map_or(0, Timestamp::unix),
        client_endpoints: endpoints.collect(),
        client_ca: pilaster_common::pem::encode_certificates([authorities.client.root()])
            .into_bytes(),
        names_by_dns: spec.names == Names::Dns,
        leaf_renew_before_seconds: spec.certificates.autonomy.as_secs(),
        identity_renew_before_seconds: spec.certificates.identity_renew_before().as_secs(),
        warnings: coordinator.fleet.warnings(cluster),
    }))
}

fn node_status(
    coordinator: &Coordinator,
    spec: &ClusterSpec,
    name: &NodeName,
    record: Option<&NodeRecord>,
) -> pb::NodeStatus {
    let seen = coordinator.fleet.seen(&spec.cluster, name);
    let desired_generation = record.map_or(0, |record| record.generation);
    let report = seen.report.as_ref().map(|(report, _)| report);
    pb::NodeStatus {
        name: name.to_string(),
        phase: phase(record.is_some(), report, desired_generation).into(),
        address: record
            .map(|record| record.address)
            .as_ref()
            .map(Ipv4Addr::to_string)
            .unwrap_or_default(),
        connected: seen.connected,
        reported: seen.report.as_ref().map_or(0, |(_, at)| at.unix()),
        desired_generation,
        refusal: seen.refusal.map(|refusal| refusal.why).unwrap_or_default(),
        host: spec.host(name),
        joined: record.map_or(0, |record| record.joined.unix()),
        report: seen.wire,
        notices: seen.notices,
        denied: record.is_some_and(|record| record.denied.is_some()),
        identity: record.map(|record| pb::HeldIdentity {
            serial: record.current.serial.clone(),
            not_after: record.current.not_after.unix(),
            renewing: record.pending.is_some(),
        }),
    }
}

/// How far a node has come.
fn phase(joined: bool, report: Option<&Report>, desired_generation: u64) -> pb::NodePhase {
    let Some(report) = report.filter(|_| joined) else {
        return if joined { pb::NodePhase::Joined } else { pb::NodePhase::Invited };
    };
    let holds = |profile: &Profile| report.certificates.iter().any(|held| held.profile == *profile);
    if report.etcd.as_ref().is_some_and(|etcd| etcd.healthy && !etcd.is_learner) {
        pb::NodePhase::Voting
    } else if report.service == ServiceState::Started {
        pb::NodePhase::Started
    } else if desired_generation > 0
        && report.generation == desired_generation
        && report.problems.is_empty()
    {
        pb::NodePhase::Ready
    } else if LEAVES.iter().all(holds) {
        pb::NodePhase::Certified
    } else {
        pb::NodePhase::Reporting
    }
}

/// Until when this node's ports are served: by what they were seen to serve, else by what lies in the files.
fn serving_ends(report: &Report) -> Option<Timestamp> {
    let serving = |profile| matches!(profile, Profile::Server | Profile::Peer);
    let ends = report.certificates.iter().filter(|held| serving(held.profile));
    ends.map(|held| held.served_not_after.unwrap_or(held.not_after)).min()
}

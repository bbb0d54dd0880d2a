//! `apply`: takes a spec over. Checks it against what there is, and records it as the wanted one.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, DomainName, NodeName};
use serde::{Deserialize, Serialize};
use tonic::Code;

use super::dispatch::{Act, Command, Done, Refused};
use crate::coordinator::Coordinator;
use crate::plan::Wait;
use crate::plan::addresses::given_away;
use crate::plan::changes::{NodeState, Planned, Refusal, SpecChange, spec_change};
use crate::plan::formation::different_minors;
use crate::plan::view::{ClusterView, NodeView};
use crate::show::Plan;
use crate::spec::{self, BadSpec, ClusterSpec};
use crate::store::Change;
use crate::store::records::{ClusterRecord, FormationRecord, Phase, Risk};

/// Makes a spec the wanted one of its cluster.
#[derive(Debug, Serialize, Deserialize)]
pub struct Apply {
    /// Its text.
    pub spec: String,
    /// What a person accepts by name; kept with the cluster, beside what was accepted before.
    pub accepted: BTreeSet<Risk>,
}

/// A spec was taken over.
#[derive(Debug, Serialize, Deserialize)]
pub struct Applied {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its members.
    pub members: Vec<NodeName>,
    /// What it changes; `None` where all of it was wanted already.
    pub plan: Option<Plan>,
}

/// Why a spec was not taken over. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// The service name leads to another cluster.
    #[error("the service name {service} belongs to the cluster {other}")]
    ServiceTaken { service: DomainName, other: ClusterName },
    /// A node that has joined is known by an address that the spec gives to others.
    #[error(
        "{node} has joined with the address {address}, which the spec puts into others' certificates"
    )]
    AddressTaken { node: NodeName, address: Ipv4Addr },
    /// A formed cluster cannot take it over while it runs, or a node cannot have it.
    #[error("{}{}", if needs_rollout(.reasons) { "needs a rollout: " } else { "" }, joined(.reasons))]
    Refused {
        /// Why; at least one.
        reasons: Vec<Refusal>,
    },
    /// Its members, as far as they have reported, could not form one cluster.
    #[error("{}", .0.what)]
    Minors(Wait),
}

impl Help for ApplyError {
    fn help(&self) -> Option<String> {
        match self {
            Self::ServiceTaken { .. } => Some("give this cluster another: service: NAME".into()),
            Self::AddressTaken { node, .. } => {
                Some(format!("take it out of extra_addresses or of the other member; an address belongs to {node} alone"))
            }
            Self::Refused { reasons } if needs_rollout(reasons) => {
                Some("the cluster has formed, and this version does not change a formed cluster that way: take it back; coordctl plan FILE shows it".into())
            }
            Self::Refused { .. } => Some("mend the spec; coordctl plan FILE shows what it would change".into()),
            Self::Minors(wait) => Some(format!("{}; then apply it again", wait.unblocks)),
        }
    }
}

fn needs_rollout(reasons: &[Refusal]) -> bool {
    reasons.iter().any(Refusal::needs_rollout)
}

fn joined(reasons: &[Refusal]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<ApplyError> for Refused {
    fn from(error: ApplyError) -> Self {
        Self::new(Code::FailedPrecondition, &error)
    }
}

/// A spec that is good in itself.
pub(super) struct GoodSpec(ClusterSpec);

impl fmt::Display for GoodSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cluster.fmt(f)
    }
}

impl Command for Apply {
    const NAME: &'static str = "apply";
    type Answer = Applied;
}

impl Act for Apply {
    type Target = GoodSpec;

    async fn target(&self, _: &Coordinator) -> Result<GoodSpec, Refused> {
        parse(&self.spec).map(GoodSpec)
    }

    async fn act(&self, spec: &GoodSpec, c: &Coordinator) -> Result<Done<Applied>, Refused> {
        let new = &spec.0;
        let (cluster, store) = (&new.cluster, &c.store);
        let Looked { view, formation, change } = look(c, new).await?;
        let present = view.as_ref().map(|view| &view.cluster.0);
        let before = present.map(|record| record.accepted.clone()).unwrap_or_default();
        let accepted: BTreeSet<Risk> = before.union(&self.accepted).copied().collect();
        let members = new.members.iter().map(|member| member.name.clone()).collect();
        let mut answer = Applied { cluster: cluster.clone(), members, plan: None };
        let is_wanted = |record: &ClusterRecord| record.spec == *new && record.accepted == accepted;
        if !present.is_some_and(is_wanted) {
            if !change.refused.is_empty() {
                return Err(ApplyError::Refused { reasons: change.refused }.into());
            }
            answer.plan = Some(Plan::new(cluster, &change, formation.has_begun()));
            let accepted = accepted.clone();
            let record = ClusterRecord { spec: new.clone(), text: self.spec.clone(), accepted };
            store.commit(to_change(c, &record, view.as_ref())?).await?;
        }
        let risks: Vec<&str> = self.accepted.iter().map(|risk| risk.name()).collect();
        let after = match &risks[..] {
            [] => String::new(),
            risks => format!("accepted: {}", risks.join(", ")),
        };
        Ok(Done { before: String::new(), after, answer })
    }
}

fn to_change(
    coordinator: &Coordinator,
    record: &ClusterRecord,
    present: Option<&ClusterView>,
) -> Result<Change, Refused> {
    let cluster = &record.spec.cluster;
    let change = Change::default();
    Ok(match present {
        // a formation that begins meanwhile begins with the old spec: then this one is looked at
        // again
        Some(ClusterView { cluster: (_, revision), formation: (_, of_formation), .. }) => change
            .put(cluster, record, Some(*revision))
            .expect::<FormationRecord>(cluster, Some(*of_formation)),
        None => {
            coordinator.authorities.of_new(cluster, coordinator.now())?;
            let token = formation_token(cluster)?;
            let formation = FormationRecord { token, phase: Phase::Gathering };
            change.put(cluster, record, None).put(cluster, &formation, None)
        }
    })
}

/// What is in the spec of this text.
pub(super) fn parse(text: &str) -> Result<ClusterSpec, Refused> {
    spec::parse(text).map_err(|error: BadSpec| Refused::new(Code::InvalidArgument, &error))
}

/// A spec beside what there is.
pub(super) struct Looked {
    view: Option<ClusterView>,
    pub(super) formation: Phase,
    pub(super) change: SpecChange,
}

/// Checks a spec against what there is.
pub(super) async fn look(coordinator: &Coordinator, new: &ClusterSpec) -> Result<Looked, Refused> {
    for (other, (record, _)) in coordinator.store.all::<ClusterRecord>().await? {
        if other != new.cluster && record.spec.service == new.service {
            let service = new.service.clone();
            return Err(ApplyError::ServiceTaken { service, other }.into());
        }
    }
    let view = coordinator.observe(&new.cluster).await?;
    let known: Vec<&NodeView> =
        view.iter().flat_map(|view| view.nodes.iter().chain(&view.gone)).collect();
    let nodes: Vec<NodeState> = known
        .iter()
        .filter_map(|node| {
            Some(NodeState {
                name: node.id.node.clone(),
                address: node.address()?,
                facts: node.report().map(|report| report.facts.clone()),
                configured: node.configured().cloned(),
            })
        })
        .collect();
    let stay = nodes.iter().filter(|node| new.member(&node.name).is_some());
    let joined: Vec<_> = stay.map(|node| (node.name.clone(), node.address)).collect();
    if let Some((node, address)) = given_away(new, &joined) {
        return Err(ApplyError::AddressTaken { node, address }.into());
    }
    let none_yet = FormationRecord { token: String::new(), phase: Phase::Gathering };
    let formation = view.as_ref().map_or(&none_yet, |view| &view.formation.0);
    let wanted = known.iter().filter(|node| new.member(&node.id.node).is_some());
    let versions = wanted
        .filter_map(|node| Some((&node.id.node, node.report()?.facts.etcd.as_ref()?.version)));
    if !formation.phase.has_begun()
        && let Some(wait) = different_minors(versions, coordinator.now())
    {
        return Err(ApplyError::Minors(wait).into());
    }
    let old = view.as_ref().map(|view| &view.cluster.0.spec);
    let change = spec_change(Planned { old, new, formation, nodes: &nodes });
    let formation = formation.phase.clone();
    Ok(Looked { view, formation, change })
}

/// `<cluster>-<128 random bits>`: a member of a dead cluster of the same name is then refused by
/// its ids.
fn formation_token(cluster: &ClusterName) -> Result<String, Refused> {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| Refused::no_random())?;
    Ok(format!("{cluster}-{}", data_encoding::HEXLOWER.encode(&bytes)))
}

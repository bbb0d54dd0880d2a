//! Which cluster and which node a person means.

use pilaster_common::name::{NodeId, NodeName};
use tonic::Code;

use super::dispatch::Refused;
use crate::coordinator::Coordinator;
use crate::spec::ClusterSpec;
use crate::store::records::ClusterRecord;

/// The named cluster or, where none was named, the only one; and what is wanted of it.
pub(super) async fn cluster(
    coordinator: &Coordinator,
    only_named: Option<&str>,
) -> Result<ClusterSpec, Refused> {
    let clusters = coordinator.store.all::<ClusterRecord>().await?;
    let names: Vec<String> = clusters.iter().map(|(name, _)| name.to_string()).collect();
    let found = match (only_named, &clusters[..]) {
        (None, []) => {
            let help = "write a spec and apply it: coordctl init NAME …";
            return Err(Refused::missing("there is no cluster yet", help));
        }
        (None, [_, _, ..]) => {
            let help = format!("choose one: -c {}", names.join(", -c "));
            return Err(Refused::missing("there is more than one cluster", help));
        }
        (None, [only]) => Some(only),
        (Some(named), all) => all.iter().find(|(name, _)| name.as_ref() == named),
    };
    found.map(|(_, (record, _))| record.spec.clone()).ok_or_else(|| {
        let known = if names.is_empty() { "none".into() } else { names.join(", ") };
        let named = only_named.unwrap_or_default();
        Refused::missing(format!("there is no cluster {named:?}"), format!("those known: {known}"))
    })
}

/// A node of that cluster, in its spec or not.
pub(super) async fn node(
    coordinator: &Coordinator,
    only_named: Option<&str>,
    node: &str,
) -> Result<(NodeId, ClusterSpec), Refused> {
    let spec = cluster(coordinator, only_named).await?;
    let node: NodeName =
        node.parse().map_err(|error| Refused::new(Code::InvalidArgument, &error))?;
    Ok((NodeId::new(&spec.cluster, &node), spec))
}

/// A member of that cluster's spec.
pub(super) async fn member(
    coordinator: &Coordinator,
    only_named: Option<&str>,
    named: &str,
) -> Result<NodeId, Refused> {
    let (id, spec) = node(coordinator, only_named, named).await?;
    if spec.member(&id.node).is_none() {
        let NodeId { cluster, node } = id;
        let help = format!("add it to the members of the spec, then coordctl apply {cluster}.yml");
        return Err(Refused::missing(format!("{node} is not a member of {cluster}"), help));
    }
    Ok(id)
}

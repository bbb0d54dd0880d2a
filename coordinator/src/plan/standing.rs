//! What is known against the etcd of a cluster's nodes, in words. Pure.

use pilaster_common::etcd_conf::{EtcdVersion, Standing};
use pilaster_common::name::NodeName;

/// A line for each release that is old or bad, with the nodes that have it.
pub(super) fn warnings<'a>(
    versions: impl Iterator<Item = (&'a NodeName, EtcdVersion)>,
) -> impl Iterator<Item = String> {
    let mut by_version: Vec<(EtcdVersion, Vec<&NodeName>)> = Vec::new();
    for (node, version) in versions {
        match by_version.iter_mut().find(|(other, _)| *other == version) {
            Some((_, nodes)) => nodes.push(node),
            None => by_version.push((version, vec![node])),
        }
    }
    by_version.into_iter().filter_map(|(version, nodes)| {
        let (Standing::Old { why, .. } | Standing::Blocked { why }) = version.standing() else {
            return None;
        };
        let has = if nodes.len() == 1 { "has" } else { "have" };
        let (nodes, floor) = (list(&nodes), version.floor());
        Some(format!("{nodes} {has} etcd {version}: {why}; install {floor} or later"))
    })
}

/// `m-1`, `m-1 and m-2`, `m-1, m-2 and m-3`.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [only] => only.as_ref().into(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_the_same_old_etcd_share_a_line() {
        let nodes: Vec<NodeName> =
            ["m-1", "m-2", "m-3", "m-4"].map(|name| name.parse().expect("good")).to_vec();
        let versions = ["3.5.16", "3.5.33", "3.5.16", "3.5.2"].map(|v| v.parse().expect("known"));
        let told: Vec<String> = warnings(nodes.iter().zip(versions)).collect();
        assert_eq!(
            told,
            [
                "m-1 and m-3 have etcd 3.5.16: a defragmentation while a snapshot arrives damages its data; install 3.5.33 or later",
                "m-4 has etcd 3.5.2: it damages its data when it is killed under load; install 3.5.33 or later",
            ]
        );
    }
}

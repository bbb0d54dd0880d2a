//! What a changed spec would change of a formed cluster that takes more than new files.
//!
//! Pure. Until there is a rollout that does it one member at a time, such a change is refused with these words.

use super::ClusterSpec;

/// What of `new` a formed cluster cannot take over while it runs; empty where all of it converges at once.
pub fn needs_rollout(old: &ClusterSpec, new: &ClusterSpec) -> Vec<String> {
    let names = |spec: &ClusterSpec| {
        spec.members.iter().map(|member| member.name.clone()).collect::<Vec<_>>()
    };
    let (before, after) = (names(old), names(new));
    let mut found = Vec::new();
    if old.domain != new.domain {
        found.push(format!(
            "domain: {} becomes {}: the members' URLs change",
            old.domain, new.domain
        ));
    }
    for name in before.iter().filter(|name| !after.contains(name)) {
        found.push(format!("members: {name} goes: it would have to leave the cluster first"));
    }
    for name in after.iter().filter(|name| !before.contains(name)) {
        found.push(format!("members: {name} is new: it would have to be added as a learner"));
    }
    for member in &new.members {
        if let Some(was) = old.member(&member.name).filter(|was| was.address != member.address) {
            let text = |address: Option<std::net::Ipv4Addr>| {
                address.map_or("none".into(), |a| a.to_string())
            };
            let (was, is) = (text(was.address), text(member.address));
            found.push(format!(
                "members: the address of {} changes: {was} becomes {is}",
                member.name
            ));
        }
    }
    if old.etcd != new.etcd {
        found.push("etcd: its settings change, and etcd reads them only when it starts".into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str =
        "cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{name: m-1}, {name: m-2}]\n";

    #[track_caller]
    fn check(new: &str, outcome: &str) {
        let parse = |text: &str| crate::spec::parse(text).expect(text);
        let found = needs_rollout(&parse(SPEC), &parse(new)).join("; ");
        assert!(found.contains(outcome), "{found}");
    }

    #[test]
    fn what_restarts_or_moves_a_member_needs_a_rollout() {
        check(&SPEC.replace("a.b", "a.c"), "domain");
        check(&SPEC.replace(", {name: m-2}", ""), "m-2 goes");
        check(&SPEC.replace("]", ", {name: m-3}]"), "m-3 is new");
        check(&SPEC.replace("m-2", "m-2, address: 10.0.0.5"), "none becomes 10.0.0.5");
        check(&format!("{SPEC}etcd: {{storage: ssd}}\n"), "settings");
        let parse = |text: &str| crate::spec::parse(text).expect(text);
        let names = parse(&format!("{SPEC}names: dns\nservice: db.a.b\n"));
        assert!(needs_rollout(&parse(SPEC), &names).is_empty());
    }
}

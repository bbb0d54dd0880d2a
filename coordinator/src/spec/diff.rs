//! What a changed spec would change of a formed cluster that takes more than new files.
//!
//! Pure. What stands only in certificates (`service`, `extra_names`, `extra_addresses`, a member's further `addresses`, lifetimes) is not
//! among it: leaves are renewed while etcd runs. `network` and `names` concern what joins or is read later. Until there is a rollout that does it one member at a time, such a change is refused with these words.

use std::net::Ipv4Addr;

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
        let Some(was) = old.member(&member.name) else { continue };
        if was.address != member.address {
            let text = |address: Option<Ipv4Addr>| address.map_or("none".into(), |a| a.to_string());
            let (was, is) = (text(was.address), text(member.address));
            found.push(format!(
                "members: the address of {} changes: {was} becomes {is}",
                member.name
            ));
        }
        if was.interface != member.interface {
            let (name, was, is) = (&member.name, &was.interface, &member.interface);
            found.push(format!("members: the interface of {name} changes: {was} becomes {is}"));
        }
    }
    let settings = old.etcd.written().into_iter().zip(new.etcd.written());
    for ((key, was), (_, is)) in settings.filter(|((_, was), (_, is))| was != is) {
        let text = |value: Option<String>| value.unwrap_or_else(|| "the default".into());
        let (was, is) = (text(was), text(is));
        found.push(format!("etcd: {key}: {was} becomes {is}, and etcd reads it when it starts"));
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
        check(&SPEC.replace("m-2", "m-2, interface: end0"), "eth0 becomes end0");
        check(&format!("{SPEC}etcd: {{storage: ssd}}\n"), "storage: sdcard becomes ssd");
        check(&format!("{SPEC}etcd: {{quota: 1GiB}}\n"), "quota: the default becomes 1GiB");
    }

    #[test]
    fn what_only_certificates_say_converges_while_etcd_runs() {
        let parse = |text: &str| crate::spec::parse(text).expect(text);
        for more in [
            "names: dns",
            "service: db.a.b",
            "extra_names: [lb.a.b]",
            "extra_addresses: [10.0.0.9]",
            "certificates: {leaf: 400d}",
        ] {
            let new = parse(&format!("{SPEC}{more}\n"));
            assert_eq!(needs_rollout(&parse(SPEC), &new), [""; 0], "{more}");
        }
        let new = parse(&SPEC.replace("m-2", "m-2, addresses: [fd00::2]"));
        assert_eq!(needs_rollout(&parse(SPEC), &new), [""; 0]);
    }
}

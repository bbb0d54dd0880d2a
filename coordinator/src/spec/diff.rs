//! What is different between two specs, key by key, in the words of the spec. Pure.
//!
//! Not here: what a difference does to nodes that run (`plan::spec_change`).

use pilaster_common::etcd_conf::LogLevel;
use pilaster_common::name::NodeName;

use super::{ClusterSpec, MemberSpec};

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `etcd.storage`, `members.x-k3s-m-1.address`.
    pub key: String,
    /// Empty where nothing was said.
    pub from: String,
    /// Empty where nothing is said now.
    pub to: String,
}

/// All that differ, in the order of a spec.
pub fn differences(old: &ClusterSpec, new: &ClusterSpec) -> Vec<Difference> {
    let mut found = Vec::new();
    for (was, is) in old.written().into_iter().zip(new.written()) {
        match was.0 {
            "members" => members(old, new, &mut found),
            "etcd" => section("etcd.", old.etcd.written(), new.etcd.written(), &mut found),
            "certificates" => section(
                "certificates.",
                old.certificates.written(),
                new.certificates.written(),
                &mut found,
            ),
            _ => section("", vec![was], vec![is], &mut found),
        }
    }
    found
}

/// Keys and values as they are written.
type Written = Vec<(&'static str, Option<String>)>;

fn members(old: &ClusterSpec, new: &ClusterSpec, found: &mut Vec<Difference>) {
    let only = |name: &NodeName| vec![("members", Some(name.to_string()))];
    let none = || vec![("members", None)];
    for MemberSpec { name, .. } in old.members.iter().filter(|was| new.member(&was.name).is_none())
    {
        section("", only(name), none(), found);
    }
    for is in &new.members {
        match old.member(&is.name) {
            Some(was) => {
                section(&format!("members.{}.", is.name), was.written(), is.written(), found);
            }
            None => section("", none(), only(&is.name), found),
        }
    }
}

fn section(before: &str, old: Written, new: Written, found: &mut Vec<Difference>) {
    for ((key, from), (_, to)) in old.into_iter().zip(new).filter(|(old, new)| old != new) {
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        found.push(Difference { key: format!("{before}{key}"), from, to });
    }
}

/// What a spec brings that a person may not expect; no mistakes.
pub fn warnings(spec: &ClusterSpec) -> Vec<String> {
    match spec.etcd.log_level {
        Some(LogLevel::Debug) => vec![
            "log_level: debug opens /debug/pprof and /debug/requests to every client certificate \
             (etcd 3.5 and later)"
                .into(),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str =
        "cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{name: m-1}, {name: m-2}]\n";

    #[track_caller]
    fn check(new: &str, expected: &str) {
        let parse = |text: &str| crate::spec::parse(text).expect(text);
        let found = differences(&parse(SPEC), &parse(new));
        let told: Vec<String> =
            found.iter().map(|d| format!("{}: {:?} > {:?}", d.key, d.from, d.to)).collect();
        assert_eq!(told.join("; "), expected);
    }

    #[test]
    fn each_key_that_differs_is_named_and_no_other() {
        check(SPEC, "");
        check(&SPEC.replace("10.0.0.0", "10.1.0.0"), "network: \"10.0.0.0/24\" > \"10.1.0.0/24\"");
        check(&SPEC.replace(", {name: m-2}", ""), "members: \"m-2\" > \"\"");
        check(&SPEC.replace("]", ", {name: m-3}]"), "members: \"\" > \"m-3\"");
        check(
            &SPEC.replace("m-2", "m-2, interface: end0, addresses: [10.9.0.1]"),
            "members.m-2.addresses: \"\" > \"10.9.0.1\"; members.m-2.interface: \"eth0\" > \"end0\"",
        );
        check(
            &format!("{SPEC}etcd: {{storage: ssd, quota: 1GiB}}\n"),
            "etcd.storage: \"sdcard\" > \"ssd\"; etcd.quota: \"\" > \"1GiB\"",
        );
        check(&format!("{SPEC}extra_names: [lb.a.b]\n"), "extra_names: \"\" > \"lb.a.b\"");
        check(
            &format!("{SPEC}certificates: {{leaf: 400d}}\n"),
            "certificates.leaf: \"365d\" > \"400d\"",
        );
    }

    #[test]
    fn a_debug_log_is_warned_of() {
        let parse = |text: &str| crate::spec::parse(text).expect(text);
        assert!(warnings(&parse(SPEC)).is_empty());
        let told = warnings(&parse(&format!("{SPEC}etcd: {{log_level: debug}}\n")));
        assert!(told[0].contains("/debug/pprof"), "{told:?}");
    }
}

//! What is different between two specs, key by key, in the words of the spec. Pure.
//!
//! Not here: what a difference does to nodes that run (`plan::spec_change`).

use super::{ClusterSpec, MemberSpec, span_text};

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
    let mut differ = |key: &str, from: String, to: String| {
        if from != to {
            found.push(Difference { key: key.into(), from, to });
        }
    };
    differ("domain", old.domain.to_string(), new.domain.to_string());
    differ("service", old.service.to_string(), new.service.to_string());
    differ("network", or_empty(old.network), or_empty(new.network));
    differ("names", old.names.to_string(), new.names.to_string());
    for member in &old.members {
        if new.member(&member.name).is_none() {
            differ("members", member.name.to_string(), String::new());
        }
    }
    for member in &new.members {
        let Some(was) = old.member(&member.name) else {
            differ("members", String::new(), member.name.to_string());
            continue;
        };
        for (key, value) in MEMBER_KEYS {
            differ(&format!("members.{}.{key}", member.name), value(was), value(member));
        }
    }
    differ("extra_names", listed(&old.extra_names), listed(&new.extra_names));
    differ("extra_addresses", listed(&old.extra_addresses), listed(&new.extra_addresses));
    for ((key, from), (_, to)) in old.etcd.written().into_iter().zip(new.etcd.written()) {
        differ(&format!("etcd.{key}"), or_empty(from), or_empty(to));
    }
    let (was, is) = (old.certificates, new.certificates);
    differ("certificates.leaf", span_text(was.leaf), span_text(is.leaf));
    differ("certificates.autonomy", span_text(was.autonomy), span_text(is.autonomy));
    differ("certificates.identity", span_text(was.identity), span_text(is.identity));
    found
}

/// A key of a member, and how its value is written.
type MemberKey = (&'static str, fn(&MemberSpec) -> String);

const MEMBER_KEYS: [MemberKey; 3] = [
    ("address", |member| or_empty(member.address)),
    ("addresses", |member| listed(&member.addresses)),
    ("interface", |member| member.interface.to_string()),
];

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn listed(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a spec brings that a person may not expect; no mistakes.
pub fn warnings(spec: &ClusterSpec) -> Vec<String> {
    let debug = spec.etcd.log_level == Some(super::LogLevel::Debug);
    debug
        .then(|| {
            "log_level: debug opens /debug/pprof and /debug/requests to every client certificate (etcd 3.5 and later)"
                .into()
        })
        .into_iter()
        .collect()
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

//! `conf.yml` from typed values: never by replacing text, so that nothing can be left unset.

use super::keys::GROUPS;
use super::value::EtcdConf;
use super::yaml::write_entry;

/// The whole text of `/etc/etcd/conf.yml` for the release that `conf` names. The same values give the same text.
pub fn render_conf_yml(conf: &EtcdConf) -> String {
    let mut out = format!(
        "# etcd {}, member {} of {}. Written by Pilaster from the cluster's spec: changes by hand are replaced.\n",
        conf.version, conf.node, conf.cluster
    );
    for group in GROUPS {
        let entries: Vec<_> = group
            .keys
            .iter()
            .filter(|key| key.exists_in(conf.version))
            .filter_map(|key| (key.value)(conf).map(|value| (key.name, value)))
            .collect();
        if entries.is_empty() {
            continue;
        }
        out.push_str(&format!("\n# {}\n", group.comment));
        for (name, value) in &entries {
            write_entry(&mut out, name, value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd_conf::{InitialState, Member};

    pub(crate) fn conf(version: &str) -> EtcdConf {
        let members = ["x-k3s-m-1", "x-k3s-m-2", "x-k3s-m-3"]
            .map(|name| Member {
                name: name.parse().expect("good"),
                host: format!("{name}.edge.huatai.me"),
            })
            .to_vec();
        EtcdConf {
            version: version.parse().expect("known"),
            cluster: "x-k3s".parse().expect("good"),
            domain: "edge.huatai.me".parse().expect("good"),
            node: "x-k3s-m-1".parse().expect("good"),
            address: [192, 168, 7, 11].into(),
            members,
            token: "x-k3s-3f9c0e6d1b7a4852a6c1d0e9f8b73524".into(),
            initial_state: InitialState::New,
            heartbeat_ms: 500,
            election_ms: 5000,
            snapshot_count: 10_000,
            quota_bytes: 536_870_912,
            compaction_retention_seconds: 3600,
            architecture: "aarch64".into(),
            memory_limit_bytes: Some(300 * 1024 * 1024),
        }
    }

    #[test]
    fn conf_yml_is_as_reviewed_for_each_minor() {
        for version in ["3.4.23", "3.5.16", "3.6.15", "3.7.2"] {
            let path = format!("{}/testdata/conf-{version}.yml", env!("CARGO_MANIFEST_DIR"));
            crate::golden(&path, &render_conf_yml(&conf(version)));
        }
    }

    #[test]
    fn what_the_hand_procedure_got_wrong_is_never_rendered() {
        for version in ["3.4.23", "3.5.16", "3.5.33", "3.6.15", "3.7.2"] {
            let text = render_conf_yml(&conf(version));
            for never in [
                "auto-tls",
                "enable-v2",
                "proxy",
                "discovery",
                "INIT",
                "debug",
                "http://192",
                "max-wals",
            ] {
                assert!(!text.contains(never), "{version}: {never}");
            }
            let value: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
            assert_eq!(value["strict-reconfig-check"], serde_yaml::Value::Bool(true));
            assert_eq!(
                value["peer-transport-security"]["trusted-ca-file"],
                "/etc/etcd/peer-ca.pem"
            );
        }
        assert!(!render_conf_yml(&conf("3.6.15")).contains("experimental-"));
    }

    #[test]
    fn a_name_that_yaml_takes_for_a_bool_is_quoted() {
        let mut conf = conf("3.5.16");
        conf.node = "no".parse().expect("good");
        assert!(render_conf_yml(&conf).contains("\nname: \"no\"\n"));
    }
}

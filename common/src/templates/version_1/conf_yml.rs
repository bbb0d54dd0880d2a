//! `conf.yml` from typed values: never by replacing text, so that nothing can be left unset.

use super::keys::GROUPS;
use crate::etcd_conf::EtcdConf;
use crate::etcd_conf::yaml::write_entry;

/// The whole text of `/etc/etcd/conf.yml` for the release that `conf` names. The same values give the same text.
pub(crate) fn render_conf_yml(conf: &EtcdConf) -> String {
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

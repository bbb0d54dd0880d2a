//! The spec that `coordctl init` writes: a person reads it, keeps it in git and edits it.

use ipnet::Ipv4Net;
use pilaster_common::name::{ClusterName, DomainName, NodeName};

/// A commented spec; [`super::parse()`] takes it as it is.
pub fn template(
    cluster: &ClusterName,
    domain: &DomainName,
    network: Ipv4Net,
    members: &[NodeName],
) -> String {
    let members: String = members.iter().map(|name| format!("  - name: {name}\n")).collect();
    format!(
        "\
# One etcd cluster, as Pilaster keeps it. After a change: coordctl validate {cluster}.yml, then coordctl apply {cluster}.yml
# Every key there is, with its default: coordctl schema
cluster: {cluster}

# Members are <name>.{domain}; etcd.{domain} leads to all of them (another name: service: NAME).
domain: {domain}

# A member's address is the one that its eth0 has, if it lies in here; or write it beside its name:
#   - name: NAME
#     address: {example}
network: {network}
members:
{members}
# hosts: the agents keep the members' names in /etc/hosts, so the cluster starts while the router still boots.
# dns: you keep them in DNS.
names: hosts

etcd:
  # What the data lies on: sdcard (slow timing, no needless elections) or ssd.
  storage: sdcard
  # How large the database may grow [default: 512MiB where a node has less than 1.5 GiB of memory, else 2GiB].
  # quota: 1GiB

# What stands before all members, such as a load balancer or a virtual IP: in the server certificate of each.
# extra_names: [etcd-lb.{domain}]
# extra_addresses: [ADDRESS]
",
        example = network.hosts().next().unwrap_or(network.addr()),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_spec_is_taken_as_it_is() {
        let names = ["x-k3s-m-1", "x-k3s-m-2"].map(|name| name.parse().expect("good"));
        let text = super::template(
            &"x-k3s".parse().expect("good"),
            &"edge.huatai.me".parse().expect("good"),
            "192.168.7.0/24".parse().expect("good"),
            &names,
        );
        let spec = crate::spec::parse(&text).expect("own text");
        assert_eq!(spec.members.len(), 2);
    }
}

//! Every path on a node, written once.
//!
//! A message never carries a path: it names a file by its kind, and the agent looks the path up
//! here (promise 13).

use std::path::{Path, PathBuf};

use crate::name::NodeName;

/// The configuration that etcd reads.
pub const ETCD_CONF: &str = "/etc/etcd/conf.yml";
/// Settings of the etcd service.
pub const SERVICE_CONF: &str = "/etc/conf.d/etcd";
/// The OpenRC script of the etcd service.
pub const SERVICE_SCRIPT: &str = "/etc/init.d/etcd";
/// The systemd unit of the etcd service; stands before the distribution's own.
pub const SYSTEMD_UNIT: &str = "/etc/systemd/system/etcd.service";
/// What systemd gives etcd as its environment. Not in `/etc/default`, where Debian's package keeps
/// a file of its own.
pub const SYSTEMD_ENVIRONMENT: &str = "/etc/etcd/etcd.env";
/// Where names are made to work.
pub const HOSTS: &str = "/etc/hosts";
/// etcd's folder for configuration and certificates.
pub const ETCD_FOLDER: &str = "/etc/etcd";
/// What etcd's client port trusts.
pub const CLIENT_CA: &str = "/etc/etcd/ca.pem";
/// What etcd's peer port trusts.
pub const PEER_CA: &str = "/etc/etcd/peer-ca.pem";
/// Chain and key of etcd's client port.
pub const SERVER_LEAF: &str = "/etc/etcd/server.pem";
/// Chain and key with which the agent, and root with etcdctl, speak to etcd.
pub const CLIENT_LEAF: &str = "/etc/etcd/client.pem";
/// etcd's data.
pub const ETCD_DATA: &str = "/var/lib/etcd";
/// etcd's logs.
pub const ETCD_LOGS: &str = "/var/log/etcd";
/// The file that etcd writes and rotates.
pub const ETCD_LOG: &str = "/var/log/etcd/etcd.log";
/// What etcd says outside its log: panics, and everything of a version that cannot rotate.
pub const ETCD_OUTPUT: &str = "/var/log/etcd/etcd.out";
/// The end of that which was there before.
pub const ETCD_OUTPUT_BEFORE: &str = "/var/log/etcd/etcd.out.1";
/// What the agent says, by its service.
pub const AGENT_LOG: &str = "/var/log/pilaster-agent.log";
/// The end of that which was there before.
pub const AGENT_LOG_BEFORE: &str = "/var/log/pilaster-agent.log.1";
/// The etcd program, where Debian's and Alpine's packages put it.
pub const ETCD_BINARY: &str = "/usr/bin/etcd";
/// The packages that a person has asked apk for, one constraint a line (apk-world(5)).
pub const APK_WORLD: &str = "/etc/apk/world";
/// The agent's own state, 0700 root.
pub const AGENT_STATE: &str = "/var/lib/pilaster";

/// Chain and key of etcd's peer port: `/etc/etcd/<node>.pem`.
pub fn peer_leaf(node: &NodeName) -> PathBuf {
    Path::new(ETCD_FOLDER).join(format!("{node}.pem"))
}

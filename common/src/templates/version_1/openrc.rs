//! OpenRC: `/etc/init.d/etcd` and `/etc/conf.d/etcd`.

use crate::etcd_conf::EtcdConf;
use crate::paths;

/// `/etc/init.d/etcd`.
///
/// `want net` and `after localmount`, and not `need`: where no service provides one, etcd starts all the same. A failed start is tried again every
/// 5 s without end, so that half a second of a wrong file or a late address leaves no member down; a leader that stops
/// hands over first, within 5 s and two election timeouts (etcd: server/config, `ReqTimeout`), so it gets 60 s.
pub(crate) fn render_service_script(conf: &EtcdConf) -> String {
    let (binary, conf_yml) = (paths::ETCD_BINARY, paths::ETCD_CONF);
    let (data, logs, output) = (paths::ETCD_DATA, paths::ETCD_LOGS, paths::ETCD_OUTPUT);
    let (node, cluster) = (&conf.node, &conf.cluster);
    format!(
        r#"#!/sbin/openrc-run
# Written by Pilaster: changes by hand are replaced. Settings stand in /etc/conf.d/etcd.

name="etcd"
description="etcd, member {node} of {cluster}"

supervisor=supervise-daemon
command={binary}
command_args="--config-file={conf_yml}"
command_user="etcd:etcd"
supervise_daemon_args="--chdir {data}"
output_log="{output}"
error_log="{output}"

respawn_delay=5
respawn_max=0
retry="TERM/60/KILL/5"
rc_ulimit="${{rc_ulimit:--n 65536}}"

depend() {{
	want net
	use dns logger
	after localmount bootmisc firewall ntp-client ntpd chronyd swclock pilaster-agent
}}

start_pre() {{
	checkpath -d -m 0700 -o "$command_user" "{data}"
	checkpath -d -m 0755 -o "$command_user" "{logs}"
}}
"#
    )
}

/// `/etc/conf.d/etcd`: what etcd takes from its environment, since a configuration file leaves no other flag in force.
pub(crate) fn render_service_conf(conf: &EtcdConf) -> String {
    let mut out = format!(
        "# Settings of the etcd service, member {} of {}. Written by Pilaster: changes by hand are replaced.\n",
        conf.node, conf.cluster
    );
    if let Some(arch) = unsupported_arch(conf) {
        out.push_str("\n# etcd does not start on this processor without it.\n");
        out.push_str(&format!("export ETCD_UNSUPPORTED_ARCH={arch}\n"));
    }
    if let Some(bytes) = conf.memory_limit_bytes {
        out.push_str("\n# A small machine: Go's collector keeps the heap within bounds (pages of the database are not counted).\n");
        out.push_str(&format!("export GOMEMLIMIT={}MiB\nexport GOGC=75\n", bytes / (1024 * 1024)));
    }
    out
}

/// What etcd wants to hear on a processor that it does not support (etcd: server/etcdmain/etcd.go, `checkSupportArch`).
fn unsupported_arch(conf: &EtcdConf) -> Option<&'static str> {
    match conf.architecture.as_str() {
        "armv6l" | "armv7l" => Some("arm"),
        "aarch64" if conf.version.minor < 5 => Some("arm64"),
        "i586" | "i686" => Some("386"),
        _ => None,
    }
}

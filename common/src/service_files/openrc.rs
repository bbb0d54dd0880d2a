//! OpenRC: `/etc/init.d/etcd` and `/etc/conf.d/etcd`.

use super::environment::variables;
use crate::etcd_conf::EtcdConf;
use crate::paths;

/// Above this a start begins `etcd.out` anew. While etcd runs the agent keeps it small.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// `/etc/init.d/etcd`.
///
/// `want net` and `after localmount`, and not `need`: where no service provides one, etcd starts
/// all the same. A failed start is tried again every 5 s without end, so that half a second of a
/// wrong file or a late address leaves no member down; a leader that stops hands over first, within
/// 5 s and two election timeouts (etcd: server/config, `ReqTimeout`), so it gets 60 s.
pub(super) fn render_service_script(conf: &EtcdConf) -> String {
    let (binary, conf_yml) = (paths::ETCD_BINARY, paths::ETCD_CONF);
    let (data, logs) = (paths::ETCD_DATA, paths::ETCD_LOGS);
    let (output, before) = (paths::ETCD_OUTPUT, paths::ETCD_OUTPUT_BEFORE);
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

# Panics, and what etcd says before its own log is open. An etcd that cannot rotate its log writes all of it here.
output_log="{output}"
error_log="{output}"

# After a failure again, without end; a leader gets the time to hand over.
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
	if [ -f "{output}" ] && [ "$(stat -c %s "{output}")" -gt {OUTPUT_BYTES_MAX} ]; then
		mv -fT "{output}" "{before}" # not into a folder that somebody links there
	fi
	return 0
}}
"#
    )
}

/// `/etc/conf.d/etcd`.
pub(super) fn render_service_conf(conf: &EtcdConf) -> String {
    let mut out = format!(
        "# Settings of the etcd service, member {} of {}. Written by Pilaster: changes by hand are replaced.\n",
        conf.node, conf.cluster
    );
    for variable in variables(conf) {
        let (comment, name, value) = (variable.comment, variable.name, variable.value);
        out.push_str(&format!("\n# {comment}\nexport {name}={value}\n"));
    }
    out
}

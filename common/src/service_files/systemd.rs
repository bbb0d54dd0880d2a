//! systemd: `/etc/systemd/system/etcd.service` and `/etc/etcd/etcd.env`.

use super::environment::variables;
use crate::etcd_conf::EtcdConf;
use crate::paths;

/// `etcd.service`.
///
/// etcd says itself when it is ready, which at a formation is when a quorum has come together: no
/// start is given up. As with OpenRC a failed start is tried again every 5 s without end, and a
/// leader that stops gets 60 s to hand over. What etcd says outside its log goes to the journal,
/// which keeps itself small.
pub(super) fn render_unit(conf: &EtcdConf) -> String {
    let (binary, conf_yml) = (paths::ETCD_BINARY, paths::ETCD_CONF);
    let (data, environment) = (paths::ETCD_DATA, paths::SYSTEMD_ENVIRONMENT);
    let (node, cluster) = (&conf.node, &conf.cluster);
    format!(
        r#"# Written by Pilaster: changes by hand are replaced. Settings stand in {environment}.

[Unit]
Description=etcd, member {node} of {cluster}
Documentation=https://etcd.io/docs/
Wants=network-online.target
After=network-online.target nss-lookup.target time-sync.target pilaster-agent.service
# Tried again without end.
StartLimitIntervalSec=0

[Service]
Type=notify
User=etcd
Group=etcd
EnvironmentFile={environment}
ExecStart={binary} --config-file={conf_yml}
Restart=always
RestartSec=5
# A formation is ready when a quorum has come together; a leader gets the time to hand over.
TimeoutStartSec=infinity
TimeoutStopSec=60
LimitNOFILE=65536
OOMScoreAdjust=-900
StateDirectory=etcd
StateDirectoryMode=0700
LogsDirectory=etcd
LogsDirectoryMode=0755
WorkingDirectory={data}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes

[Install]
WantedBy=multi-user.target
"#
    )
}

/// `etcd.env`: `NAME=value` lines, as systemd reads them.
pub(super) fn render_environment(conf: &EtcdConf) -> String {
    let mut out = format!(
        "# Environment of etcd, member {} of {}. Written by Pilaster: changes by hand are replaced.\n",
        conf.node, conf.cluster
    );
    for variable in variables(conf) {
        let (comment, name, value) = (variable.comment, variable.name, variable.value);
        out.push_str(&format!("\n# {comment}\n{name}={value}\n"));
    }
    out
}

//! One member on a host: its files in the rendered places, its etcd of a chosen release as a
//! service of the rendered script.

use std::time::Duration;

use lab::etcd::EtcdBinaries;
use lab::{Host, Lab, LabError, wait_until};
use pilaster_common::etcd_conf::EtcdConf;
use pilaster_common::node_file::NodeFile;

use crate::confs::file;
use crate::pki::Pki;
use crate::told::Log;

/// An election takes at most two timeouts of 5 s; the machine may be slow.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Member<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) host: &'a Host,
    pub(crate) pki: &'a Pki,
    pub(crate) conf: &'a EtcdConf,
}

impl Member<'_> {
    /// An empty card with this release: nothing of the member before.
    pub(crate) fn prepare(&self, binaries: &EtcdBinaries) -> Result<(), LabError> {
        self.host.install(&binaries.etcd, "/usr/bin/etcd", 0o755)?;
        self.host.write("/etc/init.d/etcd", file(self.conf, NodeFile::ServiceScript), 0o755)?;
        self.host.write("/etc/conf.d/etcd", file(self.conf, NodeFile::ServiceConf), 0o644)?;
        let server =
            if self.conf.tuning.grpc_gateway { "server-gateway.pem" } else { "server.pem" };
        let peer = format!("/etc/etcd/{}.pem", self.conf.node);
        for (name, path) in [
            ("ca.pem", "/etc/etcd/ca.pem"),
            ("peer-ca.pem", "/etc/etcd/peer-ca.pem"),
            (server, "/etc/etcd/server.pem"),
            ("peer.pem", peer.as_str()),
            ("client.pem", "/etc/etcd/client.pem"),
        ] {
            self.host.write(path, self.pki.read(name), 0o600)?;
        }
        self.host.exec_ok(["chown", "-R", "etcd:etcd", "/etc/etcd"])?;
        self.host.exec_ok(["rm", "-rf", "/var/lib/etcd", "/var/log/etcd"]).map(drop)
    }

    /// Starts it with this file.
    pub(crate) fn start(&self, conf_yml: &str) -> Result<(), LabError> {
        self.host.write("/etc/etcd/conf.yml", conf_yml, 0o644)?;
        self.host.exec_ok(["rm", "-rf", "/var/log/etcd"])?; // each start has a log of its own
        self.host.exec_ok(["rc-service", "--quiet", "etcd", "start"]).map(drop)
    }

    /// Waits until it answers that it is healthy; an etcd that does not come up is told with all
    /// that it said.
    pub(crate) fn await_healthy(&self) -> Result<(), LabError> {
        let health = ["busybox", "wget", "-qO-", "http://127.0.0.1:2381/health"];
        let waited = wait_until("a healthy member", LIMIT, || {
            let said = self.host.exec(health)?;
            Ok(String::from_utf8_lossy(&said.stdout).contains(r#""health":"true""#))
        });
        waited.map_err(|error| {
            let log = self.log().map(|log| log.text).unwrap_or_default();
            LabError::NotYet(format!("etcd {}: {error}\n{log}", self.conf.version))
        })
    }

    /// Waits until its log says with what it starts.
    pub(crate) fn await_told(&self) -> Result<Log, LabError> {
        wait_until("etcd telling its configuration", LIMIT, || {
            Ok(self.log()?.line("starting an etcd server").is_some())
        })?;
        self.log()
    }

    pub(crate) fn stop(&self) -> Result<(), LabError> {
        self.host.exec_ok(["rc-service", "--quiet", "etcd", "stop"]).map(drop)
    }

    /// Its log and what it said beside it.
    pub(crate) fn log(&self) -> Result<Log, LabError> {
        let words =
            ["sh", "-c", "cat /var/log/etcd/etcd.log /var/log/etcd/etcd.out 2>/dev/null; :"];
        self.host.exec_ok(words).map(Log::parse)
    }

    /// The status of an HTTPS request with the client's certificate; 0 where the connection was
    /// refused.
    pub(crate) fn status_of(&self, words: &[&str], path: &str) -> Result<u16, LabError> {
        let url = format!("https://192.168.7.11:2379{path}");
        let (ca, client) = (self.pki.path("ca.pem"), self.pki.path("client.pem"));
        let mut all = vec!["curl", "--silent", "--output", "/dev/null", "--write-out"];
        all.extend(["%{http_code}", "--max-time", "10", "--cacert", &ca]);
        all.extend(["--cert", &client, "--key", &client]);
        all.extend(words);
        all.push(&url);
        let said = self.lab.workstation().exec(all)?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().parse().unwrap_or(0))
    }

    pub(crate) fn metrics(&self) -> Result<String, LabError> {
        self.host.exec_ok(["busybox", "wget", "-qO-", "http://127.0.0.1:2381/metrics"])
    }

    /// Runs etcdctl in the host by a shell line; answers all that it said, whether it worked or
    /// not.
    pub(crate) fn etcdctl(&self, line: &str) -> Result<String, LabError> {
        let script = format!(
            "export ETCDCTL_API=3 ETCDCTL_CACERT=/etc/etcd/ca.pem ETCDCTL_CERT=/etc/etcd/client.pem ETCDCTL_KEY=/etc/etcd/client.pem\n{line}"
        );
        let said = self.host.exec(["sh", "-c", &script])?;
        Ok([said.stdout, said.stderr]
            .map(|said| String::from_utf8_lossy(&said).into_owned())
            .concat())
    }
}

//! How long etcd alone needs, in the same lab and run, from byte-identical files: what Pilaster is
//! measured against.
//!
//! On each host the agent and etcd are stopped, the data is put aside, and the `conf.yml` of the
//! formation is put back: it differs from today's in one word, and its SHA-256 must be the one that
//! the agent logged when it wrote it. Then all three are started by hand at once.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ring::digest;

use crate::error::LabError;
use crate::lab::Host;
use crate::stage::Stage;
use crate::wait::wait_until;

/// An election at the slow timing takes some seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts etcd by hand on every host, and answers how long it took until all were healthy.
/// Afterwards the cluster is as before.
///
/// # Errors
/// A file is not the one of the formation, or etcd does not become healthy.
pub fn time(stage: &Stage) -> Result<Duration, LabError> {
    let hosts = stage.hosts();
    for host in hosts {
        put_aside(host)?;
    }
    let start = Instant::now();
    let mut processes: Vec<Child> = hosts.iter().map(start_by_hand).collect::<Result<_, _>>()?;
    let healthy = await_healthy(hosts);
    let took = start.elapsed();
    for process in &mut processes {
        let _ = process.kill(); // one that ended by itself has been told by `await_healthy`
        let _ = process.wait();
    }
    for host in hosts {
        put_back(host)?;
    }
    healthy.map(|()| took)
}

/// Waits until etcd on every host says that it is healthy, asked on the host itself.
fn await_healthy(hosts: &[Host]) -> Result<(), LabError> {
    wait_until("etcd alone is healthy on every host", LIMIT, || {
        for host in hosts {
            let said =
                host.exec_ok(["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:2381/health"])?;
            if !said.contains(r#""health":"true""#) {
                return Err(LabError::NotYet(format!("{}: {said}", host.name())));
            }
        }
        Ok(true)
    })
}

fn put_aside(host: &Host) -> Result<(), LabError> {
    host.exec_ok(["rc-service", "pilaster-agent", "stop"])?;
    host.exec_ok(["rc-service", "etcd", "stop"])?;
    let now = host.exec_ok(["cat", "/etc/etcd/conf.yml"])?;
    let of_the_formation =
        now.replacen("initial-cluster-state: \"existing\"", "initial-cluster-state: \"new\"", 1);
    let hash: String = digest::digest(&digest::SHA256, of_the_formation.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let log = host.exec_ok(["cat", "/var/log/pilaster-agent.log"])?;
    if !log.lines().any(|line| line.contains("/etc/etcd/conf.yml") && line.contains(&hash)) {
        let wanted = format!("{}: the agent's log has no conf.yml with sha256 {hash}", host.name());
        return Err(LabError::NotYet(wanted));
    }
    host.exec_ok(["mv", "/var/lib/etcd", "/var/lib/etcd.aside"])?;
    host.exec_ok(["install", "-d", "-o", "etcd", "-g", "etcd", "-m", "0700", "/var/lib/etcd"])?;
    host.exec_ok(["cp", "/etc/etcd/conf.yml", "/etc/etcd/conf.yml.aside"])?;
    host.write("/etc/etcd/conf.yml", of_the_formation, 0o644)
}

fn start_by_hand(host: &Host) -> Result<Child, LabError> {
    let words = [
        "setpriv",
        "--reuid=etcd",
        "--regid=etcd",
        "--clear-groups",
        "/usr/bin/etcd",
        "--config-file=/etc/etcd/conf.yml",
    ];
    let mut command = host.command(words)?;
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.map_err(|source| LabError::Start { line: words.join(" "), source })
}

fn put_back(host: &Host) -> Result<(), LabError> {
    host.exec_ok(["rm", "-r", "/var/lib/etcd"])?;
    host.exec_ok(["mv", "/var/lib/etcd.aside", "/var/lib/etcd"])?;
    host.exec_ok(["mv", "/etc/etcd/conf.yml.aside", "/etc/etcd/conf.yml"])?;
    host.exec_ok(["rc-service", "etcd", "start"])?;
    host.exec_ok(["rc-service", "pilaster-agent", "start"]).map(drop)
}

//! One node's leaves are replaced again and again while another host dials both of its ports
//! without end.
//!
//! Goal: at most one failure in 100,000 handshakes, none on a connection that stands; etcd is never
//! restarted.
//!
//! etcd reads the file twice for each handshake, for the certificate and for the key (Go:
//! crypto/tls, `LoadX509KeyPair`): the handshake whose two reads a swap falls between fails. So a
//! swap costs a fixed chance, and how often there is one in how many handshakes is told.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::load::handshake::Counts;
use crate::report;
use crate::stage::{DOMAIN, Stage};

/// Of these at most one may fail.
const HANDSHAKES_FOR_A_FAILURE: u64 = 100_000;

/// What came of it.
#[derive(Debug)]
pub struct Proof {
    /// Rotations of the node's leaves.
    pub renewals: u32,
    /// Handshakes meanwhile.
    pub counts: Counts,
    /// Restarts of its etcd.
    pub restarts: u32,
    /// How long it took.
    pub took: Duration,
}

impl Proof {
    /// Of both ports.
    pub fn handshakes(&self) -> u64 {
        self.counts.client + self.counts.peer
    }

    /// Whether no more failed than may.
    pub fn is_within_goal(&self) -> bool {
        self.restarts == 0
            && self.counts.failed.len() as u64 * HANDSHAKES_FOR_A_FAILURE <= self.handshakes()
    }

    /// As a person reads it.
    pub fn print(&self) {
        let failed = self.counts.failed.len();
        report::line(format_args!(
            "{} renewals of server, peer and client in {:.1} s; {} handshakes with 2379 and {} with 2380 meanwhile; {failed} failed \
             (goal: at most 1 in {HANDSHAKES_FOR_A_FAILURE}; {:.1} in 1000 renewals); etcd restarted {} times",
            self.renewals,
            self.took.as_secs_f32(),
            self.counts.client,
            self.counts.peer,
            failed as f64 * 1000.0 / f64::from(self.renewals),
            self.restarts
        ));
        for failure in self.counts.failed.iter().take(10) {
            report::line(format_args!("  {failure}"));
        }
    }
}

/// Forms a cluster of two hosts and renews the first one's leaves `renewals` times, at most once in
/// `every`. `program` is `lab`, for the host that dials.
///
/// # Errors
/// A program failed.
pub fn run(renewals: u32, every: Duration, program: &Path) -> Result<Proof, LabError> {
    let stage = Stage::formed(2)?;
    let [renewed, dialler] = stage.hosts() else { unreachable!("two hosts were asked for") };
    let pid = || renewed.pid_of("etcd");
    let pid_before = pid()?;
    dialler.install(program, "/usr/bin/lab", 0o755)?;
    let host = format!("{}.{DOMAIN}", renewed.name());
    let peer = format!("/etc/etcd/{}.pem", dialler.name());
    let words = [
        "lab",
        "load",
        "handshake",
        "--host",
        &host,
        "--client-ca",
        "/etc/etcd/ca.pem",
        "--client",
        "/etc/etcd/client.pem",
        "--peer-ca",
        "/etc/etcd/peer-ca.pem",
        "--peer",
        &peer,
        "--until",
        "/tmp/end",
        "--counts",
        "/tmp/counts",
    ];
    let mut command = dialler.command(words)?;
    let load = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let mut load = load.map_err(|source| LabError::Start { line: words.join(" "), source })?;
    let start = Instant::now();
    for done in 0..renewals {
        thread::sleep((start + every * done).saturating_duration_since(Instant::now())); // the pace, and no wait for something
        stage.ctl(["rotate", "--node", renewed.name(), "--profile", "server,peer,client"])?;
    }
    let took = start.elapsed();
    dialler.exec_ok(["touch", "/tmp/end"])?;
    let ended = load.wait().map_err(|source| LabError::Start { line: words.join(" "), source })?;
    if !ended.success() {
        return Err(LabError::NotYet(format!("the handshakes ended with {ended}")));
    }
    let counts = dialler.exec_ok(["cat", "/tmp/counts"])?;
    let counts =
        serde_json::from_str(&counts).map_err(|error| LabError::NotYet(error.to_string()))?;
    let restarts = u32::from(pid()? != pid_before);
    Ok(Proof { renewals, counts, restarts, took })
}

//! Handshakes without end against a member's two ports, counted: how many fail while its
//! certificates are replaced.

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use super::etcd::tls;
use crate::error::{LabError, at};

/// What the load is told.
#[derive(Debug, Clone, clap::Args)]
pub struct HandshakeLoad {
    /// The member's host
    #[arg(long)]
    host: String,
    /// What the client port's certificate is verified by
    #[arg(long)]
    client_ca: PathBuf,
    /// Certificate and key for the client port
    #[arg(long)]
    client: PathBuf,
    /// What the peer port's certificate is verified by
    #[arg(long)]
    peer_ca: PathBuf,
    /// Certificate and key for the peer port
    #[arg(long)]
    peer: PathBuf,
    /// Ends when this file is there
    #[arg(long)]
    until: PathBuf,
    /// Where the counts go
    #[arg(long)]
    counts: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Handshakes with the client port.
    pub client: u64,
    /// Handshakes with the peer port.
    pub peer: u64,
    /// Those that failed, and why.
    pub failed: Vec<String>,
    /// How long it went on.
    pub milliseconds: u64,
}

/// Shakes hands until told to end, and leaves the counts.
///
/// # Errors
/// The counts cannot be written.
pub fn run(load: &HandshakeLoad) -> Result<(), LabError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let counts = runtime.expect("the system gives an epoll").block_on(shake(load));
    let text = serde_json::to_vec(&counts).expect("plain data");
    std::fs::write(&load.counts, text).map_err(at("write", &load.counts))
}

async fn shake(load: &HandshakeLoad) -> Counts {
    let start = Instant::now();
    let mut counts = Counts::default();
    while !load.until.exists() {
        for (port, ca, pair) in
            [(2379, &load.client_ca, &load.client), (2380, &load.peer_ca, &load.peer)]
        {
            match tls(&load.host, port, ca, pair, pair).await {
                Ok(mut stream) => {
                    let _ = stream.shutdown().await; // close_notify; what the other end makes of it is its business
                    if port == 2379 { counts.client += 1 } else { counts.peer += 1 }
                }
                Err(error) => counts.failed.push(format!("{port}: {error}")),
            }
        }
    }
    counts.milliseconds = start.elapsed().as_millis() as u64;
    counts
}

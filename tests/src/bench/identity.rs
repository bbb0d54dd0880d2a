//! `lab bench identity`: enrollments a second, memory of an idle agent, seconds for a rotation of
//! all leaves.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use pilaster_common::pem::Pair;
use pilaster_common::secret::PrivateKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::bare::Bare;
use super::nodes::{self, Idle, failed};
use super::served::{self, Served};
use crate::error::LabError;
use crate::stage::Stage;
use crate::{Binaries, report};

/// Nodes that join and attach: what memory is measured at.
const NODES: usize = 2000;
/// Members of a cluster; a spec each.
const MEMBERS: usize = 5;
/// Joins at once: well below what the coordinator lets one address have.
const AT_ONCE: usize = 32;
/// Rounds of each figure; the median is quoted.
const ROUNDS: usize = 3;

/// Measures and prints.
///
/// # Errors
/// A server does not start, or a node does not get in.
pub fn identity() -> Result<(), LabError> {
    if cfg!(debug_assertions) {
        return Err(LabError::NotRelease {
            line: "cargo run --release --package pilaster-tests --bin lab -- bench identity",
        });
    }
    served::raise_descriptors();
    let binaries = Binaries::build()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("the system gives two threads");
    let folder = tempfile::tempdir().map_err(crate::error::at("make", std::env::temp_dir()))?;
    runtime.block_on(on_loopback(&binaries, folder.path()))?;
    rotation()
}

async fn on_loopback(binaries: &Binaries, folder: &Path) -> Result<(), LabError> {
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    let mut last = None;
    for round in 0..ROUNDS {
        let here = folder.join(round.to_string());
        std::fs::create_dir_all(&here).map_err(crate::error::at("make", &here))?;
        let server = Served::bare(Bare::Enroll, &here)?;
        bare.push(rate(enroll_bare(server.address).await?));
        drop(server);
        let server = Served::coordinator(&binaries.coordinator, &here)?;
        let tokens = tokens(&here).await?;
        let (took, identities) = enroll(server.address, tokens).await?;
        ours.push(rate(took));
        last = Some((server, identities));
    }
    let (ours, bare) = (median(ours), median(bare));
    report::line(format_args!(
        "enrollments: {ours:.0} a second; bare, the same handshakes, signatures and durable commits: {bare:.0} a second; \
         ratio {:.0} % (goal: at least 60 %)",
        100.0 * ours / bare
    ));
    let (server, identities) = last.expect("there is at least one round");
    let ours = memory(&server, &identities).await?;
    drop(server);
    let bare = memory(&Served::bare(Bare::Hold, folder)?, &identities).await?;
    report::line(format_args!(
        "memory of an idle agent's connection, of {NODES}: {:.1} kB; a bare tonic connection: {:.1} kB; \
         ratio {:.2}× (goals: at most 50 kB, at most 1.3×)",
        ours / 1000.0,
        bare / 1000.0,
        ours / bare
    ));
    Ok(())
}

/// A spec for every five nodes, and a token for each node.
async fn tokens(folder: &Path) -> Result<Vec<(String, String)>, LabError> {
    let mut client = served::admin(folder).await?;
    let mut tokens = Vec::with_capacity(NODES);
    for first in (1..=NODES).step_by(MEMBERS) {
        let names: Vec<String> =
            (first..first + MEMBERS).map(|number| format!("n-{number}")).collect();
        let cluster = format!("c-{first}");
        let members: String = names.iter().map(|name| format!("  - name: {name}\n")).collect();
        let spec = format!(
            "cluster: {cluster}\ndomain: {cluster}.example\nnetwork: 10.0.0.0/8\nmembers:\n{members}"
        );
        served::apply(&mut client, &spec).await?;
        for node in names {
            let token = served::token(&mut client, &cluster, &node).await?;
            tokens.push((node, token));
        }
    }
    Ok(tokens)
}

async fn enroll(
    address: SocketAddr,
    tokens: Vec<(String, String)>,
) -> Result<(Duration, Vec<(String, Pair)>), LabError> {
    let start = Instant::now();
    let mut identities = Vec::with_capacity(tokens.len());
    let mut under_way = JoinSet::new();
    for (node, token) in tokens {
        if under_way.len() >= AT_ONCE {
            identities.extend(ended(&mut under_way).await?);
        }
        under_way.spawn(async move {
            let identity = nodes::join(address, &node, &token).await?;
            Ok((node, identity))
        });
    }
    while !under_way.is_empty() {
        identities.extend(ended(&mut under_way).await?);
    }
    Ok((start.elapsed(), identities))
}

async fn enroll_bare(address: SocketAddr) -> Result<Duration, LabError> {
    let start = Instant::now();
    let mut under_way = JoinSet::new();
    for _ in 0..NODES {
        if under_way.len() >= AT_ONCE {
            ended(&mut under_way).await?;
        }
        under_way.spawn(enroll_one_bare(address));
    }
    while !under_way.is_empty() {
        ended(&mut under_way).await?;
    }
    Ok(start.elapsed())
}

async fn enroll_one_bare(address: SocketAddr) -> Result<(), LabError> {
    let io = |error: std::io::Error| failed("bare enrollment")(&error);
    let key = PrivateKey::generate().map_err(|error| failed("key")(&error))?;
    let csr = key.to_csr().map_err(|error| failed("CSR")(&error))?;
    let mut stream = nodes::tls(address, pilaster_proto::names::JOIN, None).await?;
    stream.write_u16(csr.len() as u16).await.map_err(io)?;
    stream.write_all(&csr).await.map_err(io)?;
    stream.flush().await.map_err(io)?;
    let mut leaf = vec![0; stream.read_u16().await.map_err(io)?.into()];
    stream.read_exact(&mut leaf).await.map_err(io)?;
    if nodes::is_certificate(&leaf) {
        Ok(())
    } else {
        Err(LabError::NotYet("no certificate".into()))
    }
}

/// Bytes of resident memory for each connection.
async fn memory(server: &Served, identities: &[(String, Pair)]) -> Result<f64, LabError> {
    let before = server.resident()?;
    let mut held: Vec<Idle> = Vec::with_capacity(identities.len());
    for (node, identity) in identities {
        held.push(nodes::attach(server.address, node, identity).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await; // let what was begun end: this is about idle ones
    let grown = server.resident()?.saturating_sub(before);
    Ok(grown as f64 / held.len() as f64)
}

async fn ended<T: 'static>(
    under_way: &mut JoinSet<Result<T, LabError>>,
) -> Result<Option<T>, LabError> {
    match under_way.join_next().await {
        None => Ok(None),
        Some(Ok(ended)) => ended.map(Some),
        Some(Err(error)) => Err(failed("a simulated node")(&error)),
    }
}

/// In the lab: three hosts, a cluster, `coordctl rotate --all`.
fn rotation() -> Result<(), LabError> {
    let stage = Stage::formed(3)?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        stage.ctl(["rotate", "--all"])?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    report::line(format_args!(
        "rotation of all certificates of 3 nodes: {:.2} s (goal: at most 2 s; by hand 9.3 s and three restarts)",
        median(seconds)
    ));
    Ok(())
}

fn rate(took: Duration) -> f64 {
    NODES as f64 / took.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

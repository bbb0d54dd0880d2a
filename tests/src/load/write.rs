//! A writer that knows all endpoints: at least fifty writes a second, a new connection for each
//! tenth, until it is told to end.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::etcd::Member;
use super::judge::{History, Write};
use crate::command::line_of;
use crate::error::{LabError, at};
use crate::stage::{DOMAIN, Stage};

/// Fifty writes a second and a few more.
const EVERY: Duration = Duration::from_millis(15);
/// A write is tried on each endpoint, twice around, before it counts as failed.
const ROUNDS: usize = 2;
/// Writes over one connection.
const WRITES_A_CONNECTION: usize = 10;

/// What the writer is told.
#[derive(Debug, Clone, clap::Args)]
pub struct WriteLoad {
    /// Hosts of the members
    #[arg(long, value_delimiter = ',', required = true)]
    hosts: Vec<String>,
    /// The folder with ca.pem and client.pem
    #[arg(long)]
    certs: PathBuf,
    /// Ends when this file is there
    #[arg(long)]
    until: PathBuf,
    /// Where the history goes
    #[arg(long)]
    history: PathBuf,
}

/// A writer that runs on the workstation.
#[derive(Debug)]
pub struct Writer {
    child: Child,
    until: PathBuf,
    history: PathBuf,
}

/// Starts a writer on the workstation of a stage, which must be prepared. `program` is `lab`.
///
/// # Errors
/// It cannot be started.
pub fn start(stage: &Stage, program: &Path) -> Result<Writer, LabError> {
    let workstation = stage.workstation();
    let folder = workstation.dir();
    let (until, history) = (folder.join("writer.end"), folder.join("writer.json"));
    for left in [&until, &history] {
        let _ = std::fs::remove_file(left); // of a writer before
    }
    let hosts = stage.hosts().iter().map(|host| format!("{}.{DOMAIN}", host.name()));
    let mut command = workstation.command([program]);
    command.args([
        "load",
        "write",
        "--certs",
        ".",
        "--hosts",
        &hosts.collect::<Vec<_>>().join(","),
    ]);
    command.arg("--until").arg(&until).arg("--history").arg(&history);
    let line = line_of(&command);
    let child = command.stdin(Stdio::null()).spawn();
    let child = child.map_err(|source| LabError::Start { line, source })?;
    Ok(Writer { child, until, history })
}

impl Writer {
    /// Ends it, and answers what it wrote.
    ///
    /// # Errors
    /// It failed, or left no history.
    pub fn finish(mut self) -> Result<History, LabError> {
        std::fs::write(&self.until, "").map_err(at("write", &self.until))?;
        let ended = self.child.wait();
        let ended =
            ended.map_err(|source| LabError::Start { line: "lab load write".into(), source })?;
        if !ended.success() {
            return Err(LabError::NotYet(format!("the writer ended with {ended}")));
        }
        let text = std::fs::read(&self.history).map_err(at("read", &self.history))?;
        serde_json::from_slice(&text).map_err(|error| LabError::NotYet(error.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended by itself, unless a test failed
        let _ = self.child.wait();
    }
}

/// Writes until told to end, reads all back, and leaves the history.
///
/// # Errors
/// The history cannot be written, or nothing can be read at the end.
pub fn run(load: &WriteLoad) -> Result<(), LabError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let history = runtime.expect("the system gives an epoll").block_on(write(load))?;
    let text = serde_json::to_vec(&history).expect("plain data");
    std::fs::write(&load.history, text).map_err(at("write", &load.history))
}

async fn write(load: &WriteLoad) -> Result<History, LabError> {
    let mut history = History::default();
    let mut member = None;
    let mut tick = tokio::time::interval(EVERY);
    while !load.until.exists() {
        tick.tick().await;
        let number = history.writes.len();
        if number.is_multiple_of(WRITES_A_CONNECTION) {
            member = None;
        }
        history.writes.push(one_write(load, &mut member, number).await);
    }
    let mut last = "no host".to_owned();
    for host in &load.hosts {
        match read_all(host, &load.certs).await {
            Ok(found) => {
                history.found = found
                    .into_iter()
                    .map(|(key, value, revision)| (key, (value, revision)))
                    .collect();
                return Ok(history);
            }
            Err(error) => last = format!("{host}: {error}"),
        }
    }
    Err(LabError::NotYet(format!("nothing could be read at the end: {last}")))
}

async fn read_all(host: &str, certs: &Path) -> Result<Vec<(String, String, i64)>, String> {
    Member::dial(host, certs).await?.all("w/").await
}

async fn one_write(load: &WriteLoad, member: &mut Option<Member>, number: usize) -> Write {
    let (key, value) = (format!("w/{number:08}"), format!("value {number}"));
    let start = Instant::now();
    let mut failed_tries = Vec::new();
    for host in
        load.hosts.iter().cycle().skip(number / WRITES_A_CONNECTION).take(ROUNDS * load.hosts.len())
    {
        let written = match member.take() {
            Some(mut open) => open.put(&key, &value).await.map(|revision| (open, revision)),
            None => dial_and_put(host, &load.certs, &key, &value).await,
        };
        match written {
            Ok((open, revision)) => {
                *member = Some(open);
                let milliseconds = start.elapsed().as_millis() as u64;
                return Write {
                    key,
                    value,
                    acknowledged: Some(revision),
                    failed_tries,
                    milliseconds,
                };
            }
            Err(error) => failed_tries.push(format!("{host}: {error}")),
        }
    }
    Write {
        key,
        value,
        acknowledged: None,
        failed_tries,
        milliseconds: start.elapsed().as_millis() as u64,
    }
}

async fn dial_and_put(
    host: &str,
    certs: &Path,
    key: &str,
    value: &str,
) -> Result<(Member, i64), String> {
    let mut member = Member::dial(host, certs).await?;
    let revision = member.put(key, value).await?;
    Ok((member, revision))
}

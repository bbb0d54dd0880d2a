//! The audit log: who did what to what, as lines of JSON in a file that is only ever appended to.
//!
//! Kept apart from the store, so that restoring an old store does not forget a denial. One task
//! writes; what waits shares one sync. Acts of people are on the disk before they are answered;
//! joining and renewing do not wait.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// Entries that wait; more wait at the door.
const QUEUE: usize = 1024;

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the audit log {path}", path = .path.display())]
pub struct OpenAuditError {
    path: PathBuf,
    source: std::io::Error,
}

impl Help for OpenAuditError {
    fn help(&self) -> Option<String> {
        Some(format!("look at it: ls -l {}", self.path.display()))
    }
}

/// One act.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// When, by the coordinator's clock.
    pub at: String,
    /// Who: `root (uid 0, pid 4711)`, or `node x-k3s-m-1`.
    pub who: String,
    /// The act, a verb.
    pub did: &'static str,
    /// On what: `x-k3s/x-k3s-m-1`.
    pub what: String,
    /// How it was.
    pub before: String,
    /// How it is.
    pub after: String,
    /// `done`, or why not.
    pub result: String,
}

impl Entry {
    /// An act at `now`; `before` and `after` are empty.
    pub fn new(
        now: Timestamp,
        who: impl Into<String>,
        did: &'static str,
        what: impl Into<String>,
    ) -> Self {
        Self {
            at: now.to_string(),
            who: who.into(),
            did,
            what: what.into(),
            before: String::new(),
            after: String::new(),
            result: "done".into(),
        }
    }
}

/// The log.
#[derive(Debug)]
pub struct AuditLog {
    queue: mpsc::Sender<(Entry, Option<oneshot::Sender<()>>)>,
}

impl AuditLog {
    /// Opens the log for appending, 0600, and starts the task that writes it: it ends with the log.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, OpenAuditError> {
        let fail = |source| OpenAuditError { path: path.into(), source };
        let file =
            OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(fail)?;
        let (queue, entries) = mpsc::channel(QUEUE);
        tokio::spawn(write_loop(Arc::new(file), entries));
        Ok(Self { queue })
    }

    /// Writes an entry and waits until it is on the disk.
    pub async fn write(&self, entry: Entry) {
        let (written, done) = oneshot::channel();
        drop(self.queue.send((entry, Some(written))).await); // the task ends with the log
        drop(done.await);
    }

    /// Writes an entry with the next ones.
    pub async fn note(&self, entry: Entry) {
        drop(self.queue.send((entry, None)).await); // the task ends with the log
    }
}

async fn write_loop(
    file: Arc<File>,
    mut entries: mpsc::Receiver<(Entry, Option<oneshot::Sender<()>>)>,
) {
    while let Some(first) = entries.recv().await {
        let mut lines = String::new();
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some((entry, written)) = next {
            lines += &serde_json::to_string(&entry).expect("plain data");
            lines.push('\n');
            waiting.extend(written);
            next = entries.try_recv().ok();
        }
        let file = Arc::clone(&file);
        let write = move || {
            if let Err(error) = (&*file).write_all(lines.as_bytes()).and_then(|()| file.sync_data())
            {
                tracing::error!("cannot write the audit log: {error}; lost: {lines}");
            }
        };
        drop(tokio::task::spawn_blocking(write).await); // it does not panic
        for written in waiting {
            let _ = written.send(()); // one who no longer waits has lost nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn entries_are_appended_and_there_when_answered() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("audit.log");
        for who in ["root", "admin"] {
            let log = AuditLog::open(&path).expect("opens");
            log.write(Entry::new(Timestamp::from_unix(0), who, "deny", "c/m\n")).await;
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["who"], &lines[1]["who"]), (&"root".into(), &"admin".into()));
        assert_eq!(lines[0]["what"], "c/m\n");
    }
}

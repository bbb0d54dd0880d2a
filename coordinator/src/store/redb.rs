//! The embedded store: redb, two-phase commits, one writer thread that puts waiting transactions
//! into one commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use pilaster_common::error::Help;
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};
use tokio::sync::{mpsc, oneshot};

use super::kv::{Failed, KeyValue, Outcome, Transaction, Versioned};
use super::watch::{Watch, Watchers};

/// Key → revision (8 bytes, big-endian) and value.
const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");
/// `format` and `revision`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Layout of keys and values. An older binary refuses a newer store.
const FORMAT: u64 = 1;
/// Waiting transactions; more wait at the door.
const QUEUE: usize = 1024;
/// Transactions in one commit: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 256;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The file is there, but damaged, locked or unreadable.
    #[error("cannot open the store {path}", path = .path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        source: redb::Error,
    },
    /// Written by a newer Pilaster.
    #[error("the store {path} has format {found}, this pilaster-coordinator knows up to {FORMAT}", path = .path.display())]
    Newer {
        /// Where.
        path: PathBuf,
        /// What it has.
        found: u64,
    },
    /// Not a store of Pilaster's.
    #[error("the store {path} has no format number", path = .path.display())]
    NoFormat {
        /// Where.
        path: PathBuf,
    },
}

impl Help for OpenStoreError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Open { source: redb::Error::DatabaseAlreadyOpen, .. } => {
                "another pilaster-coordinator runs on it: stop that one first".into()
            }
            Self::Open { .. } | Self::NoFormat { .. } => {
                "put the file back from a backup; it is never replaced by an empty one".into()
            }
            Self::Newer { .. } => "install the newer pilaster-coordinator again".into(),
        })
    }
}

/// The store in one file.
#[derive(Debug)]
pub struct RedbStore {
    database: Arc<Database>,
    queue: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    watchers: Arc<Watchers>,
}

type Reply = oneshot::Sender<Result<Outcome, Failed>>;
type Request = (Transaction, Reply);

impl RedbStore {
    /// Opens the store, or makes it where the file is missing. A damaged file is an error, never an
    /// empty store.
    ///
    /// # Errors
    /// See [`OpenStoreError`].
    pub fn open(path: &Path) -> Result<Self, OpenStoreError> {
        let fail = |source| OpenStoreError::Open { path: path.into(), source };
        if !path.exists() {
            create(path).map_err(fail)?;
        }
        // looked through when opened: without it a damaged file is noticed by a panic, later
        let database = Builder::new()
            .set_check_integrity_on_open(true)
            .open(path)
            .map_err(|error| fail(error.into()))?;
        check_format(&database, path)?;
        let database = Arc::new(database);
        let (queue, requests) = mpsc::channel(QUEUE);
        let watchers = Arc::new(Watchers::default());
        let writer = std::thread::Builder::new()
            .name("store".into())
            .spawn({
                let (database, watchers) = (Arc::clone(&database), Arc::clone(&watchers));
                move || write_loop(&database, &watchers, requests)
            })
            .map_err(|source| fail(redb::Error::Io(source)))?;
        Ok(Self { database, queue: Some(queue), writer: Some(writer), watchers })
    }
}

impl Drop for RedbStore {
    /// Waits until what was queued is on the disk.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            drop(writer.join()); // a panic of the writer has been answered to every waiting commit
        }
    }
}

#[tonic::async_trait]
impl KeyValue for RedbStore {
    async fn value(&self, key: &str) -> Result<Option<Versioned>, Failed> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(VALUES)?;
            Ok(table.get(key)?.map(|stored| decode(stored.value())))
        };
        read().map_err(failed)
    }

    async fn range(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, Failed> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(VALUES)?;
            let mut found = Vec::new();
            for entry in table.range(prefix..)? {
                let (key, stored) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                found.push((key.value().to_owned(), decode(stored.value())));
            }
            Ok(found)
        };
        read().map_err(failed)
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Failed> {
        let stopped = || Failed("the store has stopped".into());
        let (reply, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().expect("taken only when dropped");
        queue.send((transaction, reply)).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.watchers.watch(prefix)
    }
}

/// Makes a store under another name first, so that a first start that is cut short leaves none,
/// rather than one without a format.
fn create(path: &Path) -> Result<(), redb::Error> {
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let database = Builder::new().create(&new)?;
    let mut write = database.begin_write()?;
    write.set_two_phase_commit(true);
    write.open_table(VALUES)?;
    let mut meta = write.open_table(META)?;
    meta.insert("format", FORMAT)?;
    meta.insert("revision", 0)?;
    drop(meta);
    write.commit()?;
    drop(database);
    std::fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

fn check_format(database: &Database, path: &Path) -> Result<(), OpenStoreError> {
    let read = || -> Result<Option<u64>, redb::Error> {
        let table = match database.begin_read()?.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        Ok(table.get("format")?.map(|format| format.value()))
    };
    match read().map_err(|source| OpenStoreError::Open { path: path.into(), source })? {
        None => Err(OpenStoreError::NoFormat { path: path.into() }),
        Some(found) if found > FORMAT => Err(OpenStoreError::Newer { path: path.into(), found }),
        Some(_) => Ok(()),
    }
}

/// Takes what is waiting, commits it at once, answers each; ends when the store is dropped.
fn write_loop(database: &Database, watchers: &Watchers, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        let (transactions, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match write(database, &transactions) {
            Ok(outcomes) => {
                for ((reply, outcome), done) in replies.into_iter().zip(outcomes).zip(&transactions)
                {
                    if matches!(outcome, Outcome::Committed(_)) {
                        watchers.tell(done.keys());
                    }
                    drop(reply.send(Ok(outcome))); // one who no longer waits has lost nothing
                }
            }
            Err(error) => {
                let error = failed(error);
                for reply in replies {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }
}

fn write(database: &Database, transactions: &[Transaction]) -> Result<Vec<Outcome>, redb::Error> {
    let mut write = database.begin_write()?;
    write.set_two_phase_commit(true); // a crash during recovery cannot corrupt it (redb 4.2's notes)
    let outcomes = apply_all(&write, transactions)?;
    if outcomes.iter().all(|outcome| matches!(outcome, Outcome::Conflict(_))) {
        write.abort()?;
    } else {
        write.commit()?;
    }
    Ok(outcomes)
}

fn apply_all(
    write: &WriteTransaction,
    transactions: &[Transaction],
) -> Result<Vec<Outcome>, redb::Error> {
    let mut values = write.open_table(VALUES)?;
    let mut meta = write.open_table(META)?;
    let mut revision = meta.get("revision")?.map_or(0, |revision| revision.value());
    let mut outcomes = Vec::with_capacity(transactions.len());
    for Transaction { expect, put, delete } in transactions {
        let mut conflict = None;
        for (key, expected) in expect {
            let present = values.get(key.as_str())?.map(|stored| decode(stored.value()).revision);
            if !expected.holds(present) {
                conflict = Some(Outcome::Conflict(key.clone()));
                break;
            }
        }
        if let Some(conflict) = conflict {
            outcomes.push(conflict);
            continue;
        }
        revision += 1;
        for (key, value) in put {
            values.insert(
                key.as_str(),
                [&revision.to_be_bytes(), value.as_slice()].concat().as_slice(),
            )?;
        }
        for key in delete {
            values.remove(key.as_str())?;
        }
        outcomes.push(Outcome::Committed(revision));
    }
    meta.insert("revision", revision)?;
    Ok(outcomes)
}

fn decode(stored: &[u8]) -> Versioned {
    let (revision, value) = stored.split_at(8);
    let revision = u64::from_be_bytes(revision.try_into().expect("8 bytes were split off"));
    Versioned { value: value.to_vec(), revision }
}

fn failed(error: impl Into<redb::Error>) -> Failed {
    Failed(error.into().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn redb_conforms() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Arc::new(RedbStore::open(&folder.path().join("store.redb")).expect("opens"));
        conformance::check(store).await;
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("store.redb");
        let put = Transaction { put: vec![("a".into(), b"1".to_vec())], ..Transaction::default() };
        let store = RedbStore::open(&path).expect("opens");
        assert_eq!(store.commit(put).await, Ok(Outcome::Committed(1)));
        assert!(RedbStore::open(&path).is_err(), "two at once");
        drop(store);
        let store = RedbStore::open(&path).expect("opens again");
        assert_eq!(
            store.value("a").await,
            Ok(Some(Versioned { value: b"1".to_vec(), revision: 1 }))
        );
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a torn file is what this is about")]
    fn a_damaged_or_newer_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("store.redb");
        for content in [b"".as_slice(), b"not a database"] {
            std::fs::write(&path, content).expect("writes");
            assert!(RedbStore::open(&path).is_err(), "{content:?}");
            assert_eq!(std::fs::read(&path).expect("reads"), content);
        }
        std::fs::remove_file(&path).expect("removes");
        drop(RedbStore::open(&path).expect("makes"));
        let database = Builder::new().open(&path).expect("opens");
        let write = database.begin_write().expect("begins");
        write.open_table(META).expect("opens").insert("format", FORMAT + 1).expect("inserts");
        write.commit().expect("commits");
        drop(database);
        assert!(matches!(RedbStore::open(&path), Err(OpenStoreError::Newer { found: 2, .. })));
    }
}

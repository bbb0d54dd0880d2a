//! What a record is: its room, its key and its value, declared once.

use pilaster_common::name::{ClusterName, NodeId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value in the store, as JSON. A record is written by one part of the coordinator alone, which
/// its documentation names.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// What all its keys begin with. A later layout gets a room of another name beside it.
    const ROOM: &'static str;
    /// What tells one from another.
    type Key: RecordKey;

    /// Its key in the store.
    fn key(of: &Self::Key) -> String {
        format!("{}/{}", Self::ROOM, of.path())
    }
}

/// What tells records of one room apart.
pub trait RecordKey: Sized + Send {
    /// Below the room.
    fn path(&self) -> String;

    /// `None` for what is none of ours.
    fn parse(path: &str) -> Option<Self>;
}

/// There is one such record.
impl RecordKey for () {
    fn path(&self) -> String {
        "only".into()
    }

    fn parse(path: &str) -> Option<Self> {
        (path == "only").then_some(())
    }
}

impl RecordKey for ClusterName {
    fn path(&self) -> String {
        self.to_string()
    }

    fn parse(path: &str) -> Option<Self> {
        path.parse().ok()
    }
}

impl RecordKey for NodeId {
    fn path(&self) -> String {
        self.to_string()
    }

    fn parse(path: &str) -> Option<Self> {
        let (cluster, node) = path.split_once('/')?;
        Some(Self { cluster: cluster.parse().ok()?, node: node.parse().ok()? })
    }
}

/// An id or a hash.
impl<const N: usize> RecordKey for [u8; N] {
    fn path(&self) -> String {
        data_encoding::HEXLOWER.encode(self)
    }

    fn parse(path: &str) -> Option<Self> {
        data_encoding::HEXLOWER.decode(path.as_bytes()).ok()?.try_into().ok()
    }
}

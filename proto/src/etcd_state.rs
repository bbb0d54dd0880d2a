//! What a member says of itself and of its cluster.

use crate::agent::v1 as pb;

/// A member that answered on loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdState {
    /// By its own verdict: it has a leader, no alarm, and answered a linearizable read.
    pub healthy: bool,
    /// Its id.
    pub member_id: u64,
    /// Its cluster's id.
    pub cluster_id: u64,
    /// The leader's id; 0 for none.
    pub leader_id: u64,
    /// Raft's term.
    pub raft_term: u64,
    /// Raft's commit index.
    pub raft_index: u64,
    /// How far it has applied what is committed.
    pub raft_applied_index: u64,
    /// The database's file.
    pub db_size_bytes: u64,
    /// What of it is in use.
    pub db_size_in_use_bytes: u64,
    /// It does not vote.
    pub is_learner: bool,
    /// Of the running process, in its own words.
    pub version: String,
    /// Errors that it reports, alarms among them.
    pub errors: Vec<String>,
    /// All members, as it knows them.
    pub members: Vec<EtcdMember>,
}

/// A member, as another one knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdMember {
    /// Its id.
    pub id: u64,
    /// Empty while it has never started.
    pub name: String,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty while it has never started.
    pub client_urls: Vec<String>,
    /// It does not vote.
    pub is_learner: bool,
}

/// Both directions of a message all of whose fields have the types and names of ours.
macro_rules! same_fields {
    ($ours:ident, $theirs:ident: $($field:ident),* ; $($many:ident),*) => {
        impl From<pb::$theirs> for $ours {
            fn from(message: pb::$theirs) -> Self {
                let pb::$theirs { $($field,)* $($many,)* } = message;
                Self { $($field,)* $($many: $many.into_iter().map(Into::into).collect(),)* }
            }
        }

        impl From<$ours> for pb::$theirs {
            fn from(ours: $ours) -> Self {
                let $ours { $($field,)* $($many,)* } = ours;
                Self { $($field,)* $($many: $many.into_iter().map(Into::into).collect(),)* }
            }
        }
    };
}

same_fields!(EtcdState, EtcdState: healthy, member_id, cluster_id, leader_id, raft_term, raft_index,
    raft_applied_index, db_size_bytes, db_size_in_use_bytes, is_learner, version, errors; members);
same_fields!(EtcdMember, Member: id, name, peer_urls, client_urls, is_learner;);

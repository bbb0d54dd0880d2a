//! Members in memory, a fake: they form by what their files say, have etcd's ids, and are healthy
//! as long as a quorum of them runs. They hold no data.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use pilaster_common::etcd_conf::ids;
use pilaster_proto::etcd_state::{EtcdMember, EtcdState};
use serde::Deserialize;

/// Every member that was ever started; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Members(Arc<Mutex<BTreeMap<String, Member>>>);

/// What a member was started with.
#[derive(Debug, Clone)]
struct Member {
    token: String,
    /// Names and peer URLs.
    initial: Vec<(String, String)>,
    runs: bool,
}

/// What etcd reads of its file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ConfYml {
    name: String,
    initial_cluster: String,
    initial_cluster_token: String,
}

impl Members {
    /// Starts the member whose configuration this is. Data that is there counts, as with etcd.
    ///
    /// # Panics
    /// etcd would not take it.
    pub(super) fn start(&self, conf_yml: &[u8]) -> String {
        let conf: ConfYml = serde_yaml::from_slice(conf_yml).expect("etcd takes its file");
        let initial = conf.initial_cluster.split(',').map(|member| {
            let (name, url) = member.split_once('=').expect("name=url");
            (name.to_owned(), url.to_owned())
        });
        let (initial, token) = (initial.collect(), conf.initial_cluster_token);
        let member = Member { token, initial, runs: true };
        self.lock().entry(conf.name.clone()).or_insert(member).runs = true;
        conf.name
    }

    /// Ends a member, as by `kill -9`.
    pub fn stop(&self, name: &str) {
        if let Some(member) = self.lock().get_mut(name) {
            member.runs = false;
        }
    }

    /// How a member is, by its own verdict.
    pub(super) fn state(&self, name: &str) -> Option<EtcdState> {
        let members = self.lock();
        let own = members.get(name).filter(|member| member.runs)?;
        let runs = |other: &&(String, String)| {
            let other = members.get(&other.0);
            other.is_some_and(|other| other.runs && other.token == own.token)
        };
        let up: Vec<&(String, String)> = own.initial.iter().filter(runs).collect();
        let id = |url: &str| ids::member_id(url, &own.token);
        let all: Vec<u64> = own.initial.iter().map(|(_, url)| id(url)).collect();
        let has_quorum = up.len() > own.initial.len() / 2;
        let leader_id = up.first().filter(|_| has_quorum).map_or(0, |(_, url)| id(url));
        let own_url = own.initial.iter().find(|(other, _)| other == name);
        Some(EtcdState {
            healthy: has_quorum,
            member_id: own_url.map_or(0, |(_, url)| id(url)),
            cluster_id: ids::cluster_id(&all),
            leader_id,
            version: super::host::ETCD.into(),
            members: own
                .initial
                .iter()
                .map(|(name, url)| EtcdMember {
                    id: id(url),
                    name: name.clone(),
                    peer_urls: vec![url.clone()],
                    client_urls: vec![url.replace(":2380", ":2379")],
                    is_learner: false,
                })
                .collect(),
            ..EtcdState::default()
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.0.lock().expect("no holder panics")
    }
}

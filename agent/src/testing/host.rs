//! A host in memory with its etcd, and a list of what was done to it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use pilaster_common::certificate::{self, CertificateFacts};
use pilaster_common::error::{Told, code};
use pilaster_common::etcd_conf::{Processor, ServiceManager};
use pilaster_common::pem::{self, Pair};
use pilaster_common::profile::Profile;
use pilaster_common::secret::PrivateKey;
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::facts::{Facts, InstalledEtcd};
use pilaster_proto::report::{ServedCertificate, ServiceState};

use crate::etcd::{AskEtcd, Served};
use crate::host::{
    Deed, DeedError, Done, File, Host, Known, Seen, SeenFile, SeenService, Service, ServiceVerb,
};

/// The host; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct TestHost(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<File, Vec<u8>>,
    pub(crate) before: BTreeMap<File, Vec<u8>>,
    pub(crate) done: Vec<String>,
    /// What etcd shows; a profile that is not here shows the leaf in its file.
    pub(crate) served: BTreeMap<Profile, Served>,
    /// What etcd says of itself.
    pub(crate) etcd: Option<EtcdState>,
    keys: BTreeMap<Profile, PrivateKey>,
    folder: bool,
    services: [SeenService; 2],
    /// What its packages may do, and whether they can be told not to.
    pub(crate) may_jump: bool,
    pub(crate) pin_fails: bool,
}

impl Default for TestHost {
    /// The packages are installed, and nothing runs.
    fn default() -> Self {
        let stopped = SeenService { state: ServiceState::Stopped, is_enabled: false };
        Self(Arc::new(Mutex::new(State { services: [stopped; 2], ..State::default() })))
    }
}

impl TestHost {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this")
    }

    /// What was done since the last question.
    pub(crate) fn take_done(&self) -> Vec<String> {
        std::mem::take(&mut self.state().done)
    }

    /// The leaf in the file of this profile.
    pub(crate) fn leaf(&self, profile: Profile) -> Option<CertificateFacts> {
        let pair = Pair::from_pem(self.state().files.get(&File::Leaf(profile))?).ok()?;
        certificate::read(pair.leaf()).ok()
    }
}

fn seen((file, content): (&File, &Vec<u8>)) -> (File, SeenFile) {
    let public = pem::public_part(std::str::from_utf8(content).expect("text"));
    (*file, SeenFile { content: public.into(), in_order: true })
}

#[tonic::async_trait]
impl Host for TestHost {
    async fn facts(&self) -> Known {
        let etcd = InstalledEtcd {
            version: "3.5.16".parse().expect("known"),
            processor: Processor::Amd64,
        };
        let facts = Facts {
            hostname: "m-1".into(),
            addresses: vec!["192.168.7.11/24".parse().expect("good")],
            etcd: Some(etcd),
            service_manager: Some(ServiceManager::OpenRc),
            ..Facts::default()
        };
        Known { facts, ..Known::default() }
    }

    async fn look(&self) -> Seen {
        let state = self.state();
        let hosts = state.files.get(&File::Hosts).cloned().unwrap_or_default();
        let [etcd, agent] = state.services;
        Seen {
            folder_in_order: state.folder,
            files: state.files.iter().map(seen).collect(),
            before: state.before.iter().map(seen).collect(),
            hosts: String::from_utf8(hosts).ok(),
            etcd,
            agent,
            etcd_user: true,
            etcd_may_jump: state.may_jump,
            ..Seen::default()
        }
    }

    async fn perform(&self, deed: Deed) -> Result<Done, DeedError> {
        let mut state = self.state();
        let state = &mut *state;
        match deed {
            Deed::MakeFolder => state.folder = true,
            Deed::Place { file, content } => {
                state.done.push(format!("{file:?}"));
                state.files.insert(file, content.into());
            }
            Deed::MakeKeys { profiles } => {
                let make = |profile| {
                    let key = PrivateKey::generate().expect("random bytes");
                    let csr = key.to_csr().expect("signs");
                    state.keys.insert(profile, key);
                    (profile, csr)
                };
                return Ok(Done::Requests(profiles.into_iter().map(make).collect()));
            }
            Deed::InstallLeaf { profile, chain } => {
                let key = state.keys.remove(&profile).expect("was made");
                let pair = Pair::new(chain.into_iter().map(Into::into).collect(), key);
                let file = File::Leaf(profile);
                state.done.push(format!("{file:?}"));
                state.files.insert(file, pair.expect("its own").to_pem().as_bytes().into());
            }
            Deed::Keep(file) => {
                state.done.push(format!("keep {file:?}"));
                state.before.insert(file, state.files[&file].clone());
            }
            Deed::PutBack(file) => {
                state.done.push(format!("put back {file:?}"));
                state.files.insert(file, state.before.remove(&file).expect("was kept"));
            }
            Deed::EraseBefore(file) => {
                state.done.push(format!("erase before {file:?}"));
                state.before.remove(&file);
            }
            Deed::Service { service, verb } => {
                state.done.push(format!("{verb:?}"));
                let [etcd, agent] = &mut state.services;
                let service = if service == Service::Etcd { etcd } else { agent };
                match verb {
                    ServiceVerb::Start => service.state = ServiceState::Started,
                    ServiceVerb::Enable => service.is_enabled = true,
                }
            }
            Deed::Pin(version) => {
                state.done.push(format!("pin {version}"));
                state.may_jump = state.pin_fails;
                if state.pin_fails {
                    let cause = "(1/1) Purging".into();
                    let told = Told { code: code::NOT_PINNED, cause, ..Told::default() };
                    return Err(DeedError::from(told));
                }
            }
            Deed::TrimOutputs => {}
        }
        Ok(Done::Done)
    }
}

#[tonic::async_trait]
impl AskEtcd for TestHost {
    async fn state(&self) -> Option<EtcdState> {
        TestHost::state(self).etcd.clone()
    }

    async fn served(&self, profile: Profile, _: Ipv4Addr) -> Served {
        let leaf = self.leaf(profile);
        let state = TestHost::state(self);
        let runs = state.services[0].state == ServiceState::Started;
        match (state.served.get(&profile), leaf) {
            (Some(served), _) => served.clone(),
            (None, Some(leaf)) if runs => {
                Served::Shown(ServedCertificate { serial: leaf.serial, not_after: leaf.not_after })
            }
            _ => Served::Unreachable,
        }
    }
}

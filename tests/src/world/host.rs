//! A host in memory, a fake: what an agent does to it is done to a map of files, and noted.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::Ipv4Net;
use pilaster_agent::{
    AskEtcd, Deed, DeedError, Done, File, Host, Known, Seen, SeenFile, SeenService, Served,
    Service, ServiceVerb,
};
use pilaster_common::certificate::{self, CertificateFacts};
use pilaster_common::etcd_conf::{Processor, ServiceManager};
use pilaster_common::node_file::NodeFile;
use pilaster_common::pem::{self, Pair};
use pilaster_common::profile::Profile;
use pilaster_common::secret::PrivateKey;
use pilaster_common::templates::TEMPLATES;
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::facts::{Facts, InstalledEtcd};
use pilaster_proto::report::{ServedCertificate, ServiceState};

use super::etcd::Members;

/// The release on every host.
pub(super) const ETCD: &str = "3.6.13";

/// A host; clones are the same one.
#[derive(Debug, Clone)]
pub struct MemoryHost(Arc<Mutex<State>>, Members);

#[derive(Debug, Default)]
struct State {
    facts: Facts,
    files: BTreeMap<File, Vec<u8>>,
    before: BTreeMap<File, Vec<u8>>,
    keys: BTreeMap<Profile, PrivateKey>,
    deeds: Vec<String>,
    has_folder: bool,
    etcd: SeenService,
    agent: SeenService,
    member: Option<String>,
}

impl MemoryHost {
    /// `m-N` with the address `192.168.7.1N`, switched on, with etcd's package.
    pub(super) fn new(number: u8, members: Members) -> Self {
        let address = Ipv4Addr::new(192, 168, 7, 10 + number);
        let facts = Facts {
            hostname: format!("m-{number}"),
            addresses: vec![Ipv4Net::new(address, 24).expect("a prefix")],
            architecture: "aarch64".into(),
            etcd: Some(InstalledEtcd {
                version: ETCD.parse().expect("a version"),
                processor: Processor::Arm64,
            }),
            memory_bytes: 4 << 30,
            template_versions: TEMPLATES.versions(),
            service_manager: Some(ServiceManager::OpenRc),
            ..Facts::default()
        };
        let stopped = SeenService { state: ServiceState::Stopped, is_enabled: false };
        let state = State { facts, etcd: stopped, agent: stopped, ..State::default() };
        Self(Arc::new(Mutex::new(state)), members)
    }

    /// What was done to it since this was asked last.
    pub fn take_deeds(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().deeds)
    }

    /// A file, as it lies there.
    pub fn file(&self, file: File) -> Option<String> {
        let content = self.lock().files.get(&file).cloned()?;
        Some(String::from_utf8(content).expect("text"))
    }

    /// The leaf in the file of this profile.
    pub fn leaf(&self, profile: Profile) -> Option<CertificateFacts> {
        let pair = Pair::from_pem(self.lock().files.get(&File::Leaf(profile))?).ok()?;
        certificate::read(pair.leaf()).ok()
    }

    /// Its own address.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.lock().facts.addresses[0].addr()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

fn seen((file, content): (&File, &Vec<u8>)) -> (File, SeenFile) {
    let public = pem::public_part(std::str::from_utf8(content).expect("text"));
    (*file, SeenFile { content: public.into(), in_order: true })
}

#[tonic::async_trait]
impl Host for MemoryHost {
    async fn facts(&self) -> Known {
        Known { facts: self.lock().facts.clone(), boot_id: "boot".into(), ..Known::default() }
    }

    async fn look(&self) -> Seen {
        let state = self.lock();
        let hosts = state.files.get(&File::Hosts).cloned().unwrap_or_default();
        Seen {
            folder_in_order: state.has_folder,
            files: state.files.iter().map(seen).collect(),
            before: state.before.iter().map(seen).collect(),
            hosts: String::from_utf8(hosts).ok(),
            etcd: state.etcd,
            agent: state.agent,
            etcd_user: true,
            ..Seen::default()
        }
    }

    async fn perform(&self, deed: Deed) -> Result<Done, DeedError> {
        let mut state = self.lock();
        let state = &mut *state;
        match deed {
            Deed::MakeFolder => state.has_folder = true,
            Deed::Place { file, content } => {
                state.deeds.push(format!("place {file:?}"));
                state.files.insert(file, content.into());
            }
            Deed::MakeKeys { profiles } => {
                let made = profiles.into_iter().map(|profile| {
                    let key = PrivateKey::generate().expect("random bytes");
                    let request = key.to_csr().expect("it signs");
                    state.keys.insert(profile, key);
                    (profile, request)
                });
                return Ok(Done::Requests(made.collect()));
            }
            Deed::InstallLeaf { profile, chain } => {
                let key = state.keys.remove(&profile).expect("its key was made");
                let chain = chain.into_iter().map(Into::into).collect();
                let pair = Pair::new(chain, key).expect("the chain is for its key");
                state.deeds.push(format!("install {profile}"));
                state.files.insert(File::Leaf(profile), pair.to_pem().as_bytes().into());
            }
            Deed::Keep(file) => drop(state.before.insert(file, state.files[&file].clone())),
            Deed::PutBack(file) => {
                let kept = state.before.remove(&file).expect("it was kept");
                state.files.insert(file, kept);
            }
            Deed::EraseBefore(file) => drop(state.before.remove(&file)),
            Deed::Service { service, verb } => {
                state.deeds.push(format!("{verb:?} {service:?}"));
                let of = if service == Service::Etcd { &mut state.etcd } else { &mut state.agent };
                match verb {
                    ServiceVerb::Start => of.state = ServiceState::Started,
                    ServiceVerb::Enable => of.is_enabled = true,
                }
                if service == Service::Etcd && verb == ServiceVerb::Start {
                    let conf = &state.files[&File::Text(NodeFile::EtcdConf)];
                    state.member = Some(self.1.start(conf));
                }
            }
            Deed::Pin(version) => state.deeds.push(format!("pin {version}")),
            Deed::TrimOutputs => {}
        }
        Ok(Done::Done)
    }
}

#[tonic::async_trait]
impl AskEtcd for MemoryHost {
    async fn state(&self) -> Option<EtcdState> {
        let member = self.lock().member.clone()?;
        self.1.state(&member)
    }

    /// etcd reads its leaf anew for each handshake.
    async fn served(&self, profile: Profile, _: Ipv4Addr) -> Served {
        match (AskEtcd::state(self).await, self.leaf(profile)) {
            (Some(_), Some(leaf)) => {
                Served::Shown(ServedCertificate { serial: leaf.serial, not_after: leaf.not_after })
            }
            _ => Served::Unreachable,
        }
    }
}

//! A host in memory, with a list of what was done to it.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use pilaster_common::atomic_file::Replaced;
use pilaster_common::profile::Profile;
use pilaster_proto::facts::{Facts, InstalledEtcd};
use pilaster_proto::report::{ServedCertificate, ServiceState};
use zeroize::Zeroizing;

use crate::apply::{Host, ManagedFile, PinError, PlaceError, Present, TrimError};
use crate::etcd::Served;
use crate::facts::{Known, PortHolder};
use crate::reconcile::held_certificate;
use crate::service::{ServiceError, ServiceVerb};
use pilaster_common::etcd_conf::{EtcdVersion, Processor};

/// The host; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct TestHost(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<ManagedFile, Vec<u8>>,
    pub(crate) done: Vec<String>,
    /// What etcd shows; a profile that is not here shows the leaf in its file.
    pub(crate) served: BTreeMap<Profile, Served>,
    folder: bool,
    running: bool,
    enabled: bool,
    /// What its packages may do, and whether they can be told not to.
    pub(crate) may_jump: bool,
    pub(crate) pin_fails: bool,
}

impl TestHost {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this")
    }

    /// What was done since the last question.
    pub(crate) fn take_done(&self) -> Vec<String> {
        std::mem::take(&mut self.state().done)
    }
}

impl Host for TestHost {
    async fn facts(&mut self) -> Known {
        let facts = Facts {
            hostname: "m-1".into(),
            addresses: vec!["192.168.7.11/24".parse().expect("good")],
            etcd: Some(InstalledEtcd {
                version: "3.5.16".parse().expect("known"),
                processor: Processor::Amd64,
            }),
            service_manager: Some(pilaster_common::etcd_conf::ServiceManager::OpenRc),
            ..Facts::default()
        };
        Known { facts, no_etcd: None }
    }

    fn read(&self, file: ManagedFile) -> io::Result<Option<Present>> {
        let content = self.state().files.get(&file).cloned();
        Ok(content.map(|content| Present { content: Zeroizing::new(content), in_order: true }))
    }

    fn place(&self, file: ManagedFile, content: &[u8]) -> Result<Replaced, PlaceError> {
        let mut state = self.state();
        state.done.push(format!("{file:?}"));
        state.files.insert(file, content.into());
        Ok(Replaced::Changed)
    }

    fn trim_outputs(&self) -> Vec<(&'static str, Result<bool, TrimError>)> {
        Vec::new()
    }

    fn erase(&self, file: ManagedFile) -> Result<(), PlaceError> {
        let mut state = self.state();
        state.done.push(format!("erase {file:?}"));
        state.files.remove(&file);
        Ok(())
    }

    async fn served(&self, profile: Profile, _: Ipv4Addr) -> Served {
        let state = self.state();
        let in_file = || held_certificate(state.files.get(&ManagedFile::Leaf(profile))?);
        match (state.served.get(&profile), in_file()) {
            (Some(served), _) => served.clone(),
            (None, Some(leaf)) if state.running => {
                Served::Shown(ServedCertificate { serial: leaf.serial, not_after: leaf.not_after })
            }
            _ => Served::Unreachable,
        }
    }

    fn folder_in_order(&self) -> bool {
        self.state().folder
    }

    fn make_folder(&self) -> Result<(), PlaceError> {
        self.state().folder = true;
        Ok(())
    }

    fn service(&self) -> ServiceState {
        if self.state().running { ServiceState::Started } else { ServiceState::Stopped }
    }

    fn is_enabled(&self) -> bool {
        self.state().enabled
    }

    async fn act_on_service(&self, verb: ServiceVerb) -> Result<(), ServiceError> {
        let mut state = self.state();
        state.done.push(format!("{verb:?}"));
        match verb {
            ServiceVerb::Start => state.running = true,
            ServiceVerb::Enable => state.enabled = true,
        }
        Ok(())
    }

    fn etcd_may_jump(&self) -> bool {
        self.state().may_jump
    }

    async fn pin_etcd(&self, version: EtcdVersion) -> Result<(), PinError> {
        let mut state = self.state();
        state.done.push(format!("pin {version}"));
        state.may_jump = state.pin_fails;
        if state.pin_fails { Err(PinError::More { would: "(1/1) Purging".into() }) } else { Ok(()) }
    }

    fn port_holders(&self, _: &[Ipv4Addr]) -> Vec<PortHolder> {
        Vec::new()
    }

    fn etcd_user(&self) -> Option<(u32, u32)> {
        Some((7, 7))
    }
}

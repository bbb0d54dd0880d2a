//! A whole lab: stood up, found again, taken down.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::cgroup::Cgroup;
use super::etcd::{self, EtcdRelease};
use super::host::{Host, HostSpec};
use super::id::{LabId, RUN_DIR};
use super::image::Cards;
use super::journal::{Journal, all_labs, lock};
use super::process::ProcessId;
use super::root::Root;
use super::workstation::Workstation;
use super::{machine, net, root, sweep};
use crate::error::{LabError, at};
use crate::report;

/// What lab to stand up.
#[derive(Debug, Clone, Default)]
pub struct LabOptions {
    /// Its id; a random one where `None`.
    pub id: Option<String>,
    /// Its hosts.
    pub hosts: Vec<HostSpec>,
    /// The memory of each host, in bytes; as much as there is where `None`.
    pub memory_limit: Option<u64>,
    /// Whether it outlives this process, until [`Lab::down`].
    pub kept: bool,
    /// What the hosts write on.
    pub cards: Cards,
}

impl LabOptions {
    /// Hosts `x-k3s-m-1` (192.168.7.11), `x-k3s-m-2` … on these.
    pub fn on(roots: &[Root]) -> Self {
        let host = |(n, root): (usize, &Root)| {
            HostSpec::new(format!("x-k3s-m-{n}"), format!("192.168.7.{}/24", 10 + n)).on(*root)
        };
        Self { hosts: (1..).zip(roots).map(host).collect(), ..Self::default() }
    }
}

/// A lab that stands. Dropped, it is taken down, unless it is kept.
#[derive(Debug)]
pub struct Lab {
    journal: Journal,
    dir: PathBuf,
    hosts: Vec<Host>,
    workstation: Workstation,
    /// Whether dropping leaves it standing.
    stays: bool,
}

impl Lab {
    /// Ends what dead runs left, then stands up the switch, the workstation and the hosts, and
    /// waits until they have booted.
    ///
    /// # Errors
    /// Whatever cannot be made; nothing is left then.
    pub fn up(options: LabOptions) -> Result<Self, LabError> {
        let LabOptions { id, hosts, memory_limit, kept, cards } = options;
        machine::prepare()?;
        hosts.iter().try_for_each(HostSpec::check)?;
        let root = root::ensure(Root::Debian)?;
        let host_roots: Vec<PathBuf> =
            hosts.iter().map(|host| root::ensure(host.root)).collect::<Result<_, _>>()?;
        let id = id.map_or_else(|| Ok(LabId::random()), |id| id.parse())?;

        let owner = ProcessId::own();
        let journal = Journal { id, owner, kept: false, root, host_roots, hosts, memory_limit };
        let among_all_runs = lock(RUN_DIR)?;
        sweep::sweep()?;
        journal.create()?;
        drop(among_all_runs);

        let mut lab = Self::described(journal);
        lab.stays = false; // what is half made goes when an error drops it
        lab.create(cards)?;
        if kept {
            lab.keep()?;
        }
        Ok(lab)
    }

    /// Stands up `x-k3s-m-1` (192.168.7.11), `x-k3s-m-2` … on Debian.
    ///
    /// # Errors
    /// As [`Lab::up`].
    pub fn of(hosts: usize) -> Result<Self, LabError> {
        Self::up(LabOptions::on(&vec![Root::Debian; hosts]))
    }

    /// Stands up `x-k3s-m-1` … on these roots; `None` where etcd 3.6 cannot be made, and `test` is
    /// told not to have run.
    ///
    /// # Errors
    /// As [`Lab::up`]; in CI also where etcd 3.6 cannot be made.
    pub fn with_etcd_3_6(roots: &[Root], test: &str) -> Result<Option<Self>, LabError> {
        let etcd = etcd::ensure_or_say_not_run(EtcdRelease::V3_6, test)?;
        etcd.map(|_| Self::up(LabOptions::on(roots))).transpose()
    }

    /// Finds a lab that stands; it stays when this is dropped. `only_id` may be `None` where there
    /// is but one.
    ///
    /// # Errors
    /// There is no such lab, or more than one to choose from.
    pub fn open(only_id: Option<&str>) -> Result<Self, LabError> {
        let mut labs = all_labs()?;
        let known = labs.iter().map(|lab| lab.id.to_string()).collect::<Vec<_>>().join(", ");
        labs.retain(|lab| only_id.is_none_or(|id| lab.id.to_string() == id));
        match (labs.pop(), only_id) {
            (Some(journal), _) if labs.is_empty() => Ok(Self::described(journal)),
            (_, Some(id)) => Err(LabError::Unknown { kind: "lab", name: id.to_owned(), known }),
            (_, None) => Err(LabError::WhichLab { known }),
        }
    }

    /// Its id.
    pub fn id(&self) -> &LabId {
        &self.journal.id
    }

    /// Its folder: the hosts' disks, the workstation's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// One host by name.
    ///
    /// # Panics
    /// There is no such host: a mistake in the test. See [`Lab::find_host`].
    pub fn host(&self, name: &str) -> &Host {
        self.find_host(name).unwrap_or_else(|error| panic!("{}", error.told()))
    }

    /// One host by name.
    ///
    /// # Errors
    /// There is no such host.
    pub fn find_host(&self, name: &str) -> Result<&Host, LabError> {
        self.hosts.iter().find(|host| host.name() == name).ok_or_else(|| {
            let known = self.hosts.iter().map(Host::name).collect::<Vec<_>>().join(", ");
            LabError::Unknown { kind: "host", name: name.to_owned(), known }
        })
    }

    /// The workstation.
    pub fn workstation(&self) -> &Workstation {
        &self.workstation
    }

    /// Leaves it standing, also when this process ends, until somebody takes it down.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn keep(&mut self) -> Result<(), LabError> {
        self.journal.kept = true;
        self.journal.save()?;
        self.stays = true;
        Ok(())
    }

    /// Takes it down, kept or not.
    ///
    /// # Errors
    /// What cannot be ended.
    pub fn down(mut self) -> Result<(), LabError> {
        self.stays = true; // not once more when dropped
        sweep::take_down(&self.journal.id)
    }

    fn described(journal: Journal) -> Self {
        let host = |(index, (spec, root)): (usize, (&HostSpec, &PathBuf))| Host {
            id: journal.id.clone(),
            spec: spec.clone(),
            port: net::port_name(index + 1),
            root: root.clone(),
            cgroup: journal.memory_limit.map(|_| Cgroup::named(&journal.id.node(&spec.name))),
        };
        let hosts = journal.hosts.iter().zip(&journal.host_roots).enumerate().map(host).collect();
        let workstation = Workstation::new(journal.id.clone());
        Self { dir: journal.id.state_dir(), journal, hosts, workstation, stays: true }
    }

    fn create(&self, cards: Cards) -> Result<(), LabError> {
        fs::create_dir_all(&self.dir).map_err(at("make", &self.dir))?;
        net::create_switch(self.id())?;
        self.workstation.create(&self.journal.root)?;
        for (index, host) in self.hosts.iter().enumerate() {
            net::plug_in(self.id(), host.name(), index + 1, &host.spec.address)?;
            if let (Some(cgroup), Some(limit)) = (&host.cgroup, self.journal.memory_limit) {
                cgroup.create(limit)?;
            }
            if cards == Cards::Images {
                host.make_image()?;
            }
        }
        thread::scope(|scope| {
            let boots: Vec<_> = self.hosts.iter().map(|host| scope.spawn(|| host.boot())).collect();
            boots
                .into_iter()
                .try_for_each(|boot| boot.join().expect("a boot answers, it does not panic"))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = sweep::take_down(&self.journal.id) {
            report::note(format_args!(
                "lab {}: not all of it is gone\n{}",
                self.journal.id,
                error.told()
            ));
        }
    }
}

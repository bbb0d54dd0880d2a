//! Installs the programs, starts the coordinator on the workstation, asks it.

use std::cell::RefCell;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::LIMIT;
use crate::Binaries;
use crate::command::{line_of, output, output_ok};
use crate::error::{LabError, at};
use crate::lab::{Cards, Host, Lab, LabOptions, Root};
use crate::packages;
use crate::wait::wait_until;

/// The cluster of a stage.
pub const CLUSTER: &str = "x-k3s";
/// Its domain.
pub const DOMAIN: &str = "edge.huatai.me";
/// Its service name.
pub const SERVICE: &str = "etcd.edge.huatai.me";

/// Forming takes some seconds at the slow timing of SD cards; a busy machine gets ten times that.
const FORMED_LIMIT: &str = "90s";

/// A lab in which a cluster is in the making: the coordinator runs on the workstation, the agent is
/// installed on each host. The coordinator goes before the lab does.
#[derive(Debug)]
pub struct Stage {
    lab: Lab,
    binaries: Binaries,
    /// The packages that the coordinator gives out.
    pub(super) only_repository: Option<PathBuf>,
    coordinator: RefCell<Option<Child>>,
}

impl Stage {
    /// New hosts, as many as asked for.
    ///
    /// # Errors
    /// As [`Lab::up`] and [`Stage::begin`].
    pub fn of(hosts: usize) -> Result<Self, LabError> {
        Self::begin(Lab::of(hosts)?, &Binaries::build()?)
    }

    /// A healthy cluster on new hosts.
    ///
    /// # Errors
    /// As [`Stage::of`], or what the programs say.
    pub fn formed(hosts: usize) -> Result<Self, LabError> {
        let stage = Self::of(hosts)?;
        stage.apply()?;
        stage.form()?;
        Ok(stage)
    }

    /// The same, once every `conf.yml` is the one of a formed cluster, and the cluster is healthy.
    ///
    /// # Errors
    /// It was not so in time.
    pub fn settled(self) -> Result<Self, LabError> {
        for host in self.hosts() {
            wait_until("conf.yml says existing", LIMIT, || {
                let conf = host.exec_ok(["cat", "/etc/etcd/conf.yml"])?;
                Ok(conf.contains("\ninitial-cluster-state: \"existing\"\n"))
            })?;
        }
        self.await_healthy()?;
        Ok(self)
    }

    /// One host, and programs that can be killed at points of theirs and whose traffic can be seen.
    ///
    /// # Errors
    /// As [`Stage::of`].
    pub fn instrumented(cards: Cards) -> Result<Self, LabError> {
        let lab = Lab::up(LabOptions { cards, ..LabOptions::on(&[Root::Debian]) })?;
        Self::begin(lab, &Binaries::instrumented()?)
    }

    /// Installs what a package would install, and starts the coordinator.
    ///
    /// # Errors
    /// A program cannot be installed, or the coordinator does not start.
    pub fn begin(lab: Lab, binaries: &Binaries) -> Result<Self, LabError> {
        let stage = Self::on_workstation(lab, binaries, None)?;
        stage.hosts().iter().try_for_each(|host| stage.install_agent(host))?;
        stage.start_coordinator()?;
        Ok(stage)
    }

    /// Starts the coordinator and leaves the hosts bare. It gives out the packages of
    /// `only_repository`, from where [`Stage::enroll`] installs; without one a test installs by
    /// other means.
    ///
    /// # Errors
    /// A program cannot be installed, or the coordinator does not start.
    pub fn begin_bare(lab: Lab, only_repository: Option<&Path>) -> Result<Self, LabError> {
        let stage = Self::on_workstation(lab, &Binaries::build()?, only_repository)?;
        stage.start_coordinator()?;
        Ok(stage)
    }

    fn on_workstation(
        lab: Lab,
        binaries: &Binaries,
        only_repository: Option<&Path>,
    ) -> Result<Self, LabError> {
        for program in [&binaries.coordinator, &binaries.coordctl] {
            lab.workstation().install(program)?;
        }
        let only_repository = only_repository.map(Path::to_owned);
        Ok(Self { lab, binaries: binaries.clone(), only_repository, coordinator: None.into() })
    }

    /// Leaves the lab standing, without its coordinator. See [`Lab::keep`].
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn keep(&mut self) -> Result<(), LabError> {
        self.lab.keep()
    }

    /// Installs on a host what the agent's package installs.
    ///
    /// # Errors
    /// The host is off, or the files cannot be laid out.
    pub fn install_agent(&self, host: &Host) -> Result<(), LabError> {
        let stage = self.dir().join("stage");
        let mut xtask = Command::new(&self.binaries.xtask);
        let root = host.stands_on();
        let agent = match root.is_alpine() {
            false => self.binaries.agent.clone(),
            true => packages::agent(root.architecture().into(), 0)?.binary,
        };
        xtask.arg("stage").arg(&stage).arg("--agent").arg(agent);
        let line = line_of(&xtask);
        output_ok(&mut xtask, line)?;
        for path in files_below(&stage)? {
            let mode = fs::metadata(&path).map_err(at("look at", &path))?.permissions().mode();
            let target = path.strip_prefix(&stage).expect("listed below it");
            host.install(&path, &format!("/{}", target.display()), mode & 0o7777)?;
        }
        Ok(())
    }

    /// Starts the coordinator on the workstation, and waits until it answers.
    ///
    /// # Errors
    /// It does not answer; its log is `coordinator.log` on the workstation.
    pub fn start_coordinator(&self) -> Result<(), LabError> {
        self.start_coordinator_with(&[])
    }

    /// Kills the coordinator and starts it again with a variable in its environment.
    ///
    /// # Errors
    /// As [`Stage::start_coordinator`].
    pub fn restart_coordinator_with(&self, name: &str, value: &str) -> Result<(), LabError> {
        self.kill_coordinator();
        self.start_coordinator_with(&[(name, value)])
    }

    /// Waits until the coordinator has ended by itself.
    ///
    /// # Errors
    /// It has not, within a minute.
    pub fn coordinator_ended(&self) -> Result<ExitStatus, LabError> {
        let mut ended = None;
        let mut coordinator = self.coordinator.borrow_mut();
        wait_until("the coordinator has ended", LIMIT, || {
            ended = coordinator.as_mut().and_then(|child| child.try_wait().ok().flatten());
            Ok(ended.is_some())
        })?;
        *coordinator = None;
        Ok(ended.expect("awaited"))
    }

    fn start_coordinator_with(&self, env: &[(&str, &str)]) -> Result<(), LabError> {
        let workstation = self.workstation();
        let log = workstation.dir().join("coordinator.log");
        let file =
            fs::File::options().create(true).append(true).open(&log).map_err(at("open", &log))?;
        let state = workstation.dir().join("coordinator");
        let mut command = workstation.command(["pilaster-coordinator", "--state"]);
        command.arg(state);
        if let Some(repository) = &self.only_repository {
            command.arg("--repository").arg(repository);
        }
        command.env("PILASTER_SOCKET", self.socket()).envs(env.iter().copied());
        let line = line_of(&command);
        let child = command.stdin(Stdio::null()).stderr(file).spawn();
        let child = child.map_err(|source| LabError::Start { line, source })?;
        *self.coordinator.borrow_mut() = Some(child);
        wait_until("the coordinator listens", Duration::from_secs(20), || {
            // 3: it cannot be reached; any other answer came from it
            Ok(output(&mut self.coordctl(["status"]), "coordctl status".into())?.status.code()
                != Some(3))
        })
    }

    /// Kills the coordinator.
    pub fn kill_coordinator(&self) {
        if let Some(mut coordinator) = self.coordinator.borrow_mut().take() {
            let _ = coordinator.kill(); // it may be gone already
            let _ = coordinator.wait();
        }
    }

    /// `coordctl WORDS`, on the workstation.
    pub fn coordctl<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Command {
        let mut command = self.workstation().command(["coordctl"]);
        command.args(words).env("PILASTER_SOCKET", self.socket());
        command
    }

    /// Runs `coordctl WORDS` to its end; an exit code other than 0 is an answer too.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn ask<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Result<Output, LabError> {
        let mut command = self.coordctl(words);
        let line = line_of(&command);
        output(&mut command, line)
    }

    /// Runs `coordctl WORDS`; answers its stdout.
    ///
    /// # Errors
    /// The exit code is not 0.
    pub fn ctl<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Result<String, LabError> {
        let words: Vec<&str> = words.into_iter().collect();
        let line = format!("coordctl {}", words.join(" "));
        output_ok(&mut self.coordctl(words), line)
    }

    /// Writes the spec with all hosts of the lab, and applies it.
    ///
    /// # Errors
    /// What `coordctl` says.
    pub fn apply(&self) -> Result<(), LabError> {
        self.apply_edited(":")
    }

    /// The same, after this line of shell, which may edit `x-k3s.yml`.
    ///
    /// # Errors
    /// What `coordctl` or the shell says.
    pub fn apply_edited(&self, edit: &str) -> Result<(), LabError> {
        let names: Vec<&str> = self.hosts().iter().map(Host::name).collect();
        self.init(&names.join(","))?;
        self.workstation().exec_ok(["sh", "-c", edit])?;
        self.ctl(["apply", "x-k3s.yml"]).map(drop)
    }

    /// Writes the spec with these members, hosts of the lab or not.
    ///
    /// # Errors
    /// What `coordctl` says.
    pub fn init(&self, members: &str) -> Result<(), LabError> {
        self.ctl(["init", CLUSTER, "--domain", DOMAIN, "--members", members]).map(drop)
    }

    /// `coordctl status -o json`.
    ///
    /// # Errors
    /// It said none.
    pub fn status(&self) -> Result<Value, LabError> {
        let said = self.ask(["status", "-o", "json"])?;
        serde_json::from_slice(&said.stdout)
            .map_err(|_| LabError::NotYet(String::from_utf8_lossy(&said.stderr).into_owned()))
    }

    /// What [`Stage::status`] has of one node; null where it has none.
    ///
    /// # Errors
    /// As [`Stage::status`].
    pub fn node(&self, name: &str) -> Result<Value, LabError> {
        let state = self.status()?;
        let nodes = state["nodes"].as_array().cloned().unwrap_or_default();
        Ok(nodes.into_iter().find(|node| node["name"] == name).unwrap_or_default())
    }

    /// Waits as a person does: `coordctl status --wait`.
    ///
    /// # Errors
    /// It was not healthy in time; the error has the last state.
    pub fn await_healthy(&self) -> Result<String, LabError> {
        self.ctl(["status", "--wait", "--timeout", FORMED_LIMIT])
    }

    /// The workstation's name resolution and a client certificate of its own, as a person sets them
    /// up.
    ///
    /// # Errors
    /// What `coordctl` says.
    pub fn prepare_workstation(&self) -> Result<(), LabError> {
        let names = self.ctl(["hosts"])?;
        self.workstation().write_hosts(&format!("127.0.0.1 localhost\n{names}"))?;
        self.ctl(["client", "admin", "--split", "--out", "."]).map(drop)
    }

    fn socket(&self) -> PathBuf {
        self.dir().join("coordinator.sock")
    }
}

impl Deref for Stage {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill_coordinator();
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at("list", &folder))? {
            let path = entry.map_err(at("list", &folder))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

//! A host: its own processes, mounts, network and disk, with busybox init and OpenRC, on the shared
//! root file system.
//!
//! A disk is the upper folder of an overlay that only the host itself mounts: when its PID 1 dies,
//! all of its processes and mounts are gone, and the disk stays. Nothing of a host is mounted on
//! this machine. What breaks a host is in `fault`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cgroup::Cgroup;
use super::emulator;
use super::id::{HUB, LabId, WORKSTATION};
use super::net;
use super::process::ProcessId;
use super::root::Root;
use crate::command::{line, output, output_ok, output_with, run};
use crate::error::{LabError, at};
use crate::wait::wait_until;

/// A boot takes a tenth of a second; on a machine with too much to do it may take long.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// What no host may do: set the machine's clock, load kernel modules, touch its hardware.
const DROPPED: &str = "-sys_time,-sys_module,-sys_rawio";

/// The whole environment of a command in a host: nothing of this machine's comes along.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
];

/// A host as a lab is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Its name: one DNS label. Its `/etc/hostname` says the same until somebody changes it.
    pub name: String,
    /// Address and prefix of its eth0, such as `192.168.7.11/24`.
    pub address: String,
    /// What it stands on.
    #[serde(default)] // not in the journals of older programs
    pub root: Root,
}

impl HostSpec {
    /// On Debian. Parsed when the lab is stood up.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: name.into(), address: address.into(), root: Root::default() }
    }

    /// The same, on another root file system.
    #[must_use]
    pub fn on(self, root: Root) -> Self {
        Self { root, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        let Self { name, address, root: _ } = self;
        let in_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_label =
            matches!(name.len(), 1..=63) && name.chars().all(in_label) && !name.starts_with('-');
        if !is_label || [HUB, WORKSTATION].contains(&name.as_str()) {
            let wanted = "one DNS label, not `hub` or `ws`";
            return Err(LabError::BadName { kind: "host name", found: name.clone(), wanted });
        }
        net::parse_address(address).map(drop)
    }
}

/// A host of a lab.
#[derive(Debug)]
pub struct Host {
    pub(crate) id: LabId,
    pub(crate) spec: HostSpec,
    /// The hub's end of its cable.
    pub(crate) port: String,
    /// The root file system below its disk.
    pub(crate) root: PathBuf,
    pub(crate) cgroup: Option<Cgroup>,
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The address its eth0 was given.
    pub fn address(&self) -> Ipv4Addr {
        net::parse_address(&self.spec.address).expect("checked when the lab was stood up")
    }

    /// What it stands on.
    pub fn stands_on(&self) -> Root {
        self.spec.root
    }

    /// Its PID 1 as this machine sees it; `None` while it is off.
    pub fn pid1(&self) -> Option<ProcessId> {
        ProcessId::read(self.pid_file()).into_iter().find(|process| process.is_alive())
    }

    /// Boots it from its disk, an empty one if there is none, and waits until OpenRC has reached
    /// the runlevel `default`. Its network is as it was: what was done to eth0 by [`Host::ip`]
    /// stays.
    ///
    /// # Errors
    /// It is up already, or does not come up.
    pub fn boot(&self) -> Result<(), LabError> {
        if self.pid1().is_some() {
            return Err(LabError::UpAlready { host: self.name().to_owned() });
        }
        self.start_pid1()?;
        self.await_booted().map_err(|error| self.boot_error(&error))
    }

    fn start_pid1(&self) -> Result<(), LabError> {
        let emulator = emulator::ensure(self.spec.root.architecture())?.unwrap_or_default();
        let folder = self.id.host_dir(self.name());
        fs::create_dir_all(&folder).map_err(at("make", &folder))?;
        let console_file = self.console_file();
        let console = File::options()
            .create(true)
            .append(true)
            .open(&console_file)
            .map_err(at("open", &console_file))?;
        let errors = console.try_clone().map_err(at("open", console_file))?;
        let _ = fs::remove_file(self.pid_file()); // of the boot before
        let _ = self.ip(["link", "set", "eth0", "up"]); // a test may have removed or renamed it

        let mut command = self.on_machine("setsid");
        command.args(["--fork", "nsenter"]).arg(self.net_argument());
        command.args(["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork"]);
        command.args(["setpriv", "--bounding-set", DROPPED]);
        command.args(["sh", "-c", include_str!("boot.sh"), "boot.sh", self.name()]);
        command.args([&self.root, &folder, &self.pid_file(), &emulator]);
        command.stdin(Stdio::null()).stdout(console).stderr(errors);
        let status = command.status();
        status
            .map(drop)
            .map_err(|source| LabError::Start { line: format!("boot {}", self.name()), source })
    }

    fn await_booted(&self) -> Result<(), LabError> {
        let is_booted = |pid: i32| Path::new(&format!("/proc/{pid}/root/run/lab-booted")).exists();
        wait_until("runlevel default", BOOT_LIMIT, || {
            let noted = ProcessId::read(self.pid_file()).first().copied();
            Ok(noted.is_some_and(|pid1| !pid1.is_alive() || is_booted(pid1.pid)))
        })?;
        match self.pid1() {
            Some(_) => Ok(()),
            None => Err(LabError::Off { host: self.name().to_owned() }),
        }
    }

    fn boot_error(&self, error: &LabError) -> LabError {
        let console = fs::read_to_string(self.console_file()).unwrap_or_default();
        let lines: Vec<_> = console.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        let cause = format!("{error}; its console ends with:\n{last}");
        LabError::Boot { host: self.name().to_owned(), cause, console: self.console_file() }
    }

    /// `words` as a command inside the host: in all its namespaces, its root, its cgroup, without
    /// the capabilities that a host lacks. Killing the child kills the program inside; its id is
    /// not the program's.
    ///
    /// # Errors
    /// The host is off.
    pub fn command<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<Command, LabError> {
        let pid1 = self.pid1().ok_or_else(|| LabError::Off { host: self.name().to_owned() })?;
        let target = pid1.pid.to_string();
        let mut command = self.on_machine("nsenter");
        command.args(["--target", &target, "--uts", "--ipc", "--net", "--pid", "--"]);
        // still with this machine's programs: a busybox has no such `setpriv`
        command.args(["setpriv", "--bounding-set", DROPPED, "--pdeathsig", "KILL", "--"]);
        command.args(["nsenter", "--target", &target, "--mount", "--root", "--wd", "--"]);
        command.args(words);
        Ok(command)
    }

    /// Runs `words` inside the host to its end; an exit code other than 0 is an answer too.
    ///
    /// # Errors
    /// The host is off.
    pub fn exec<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<Output, LabError> {
        let words: Vec<_> = words.into_iter().collect();
        output(&mut self.command(&words)?, self.line(&words))
    }

    /// Runs `words` inside the host to its end, and answers what it wrote to stdout.
    ///
    /// # Errors
    /// The host is off, or the exit code is not 0: the error has the command line, the exit code
    /// and all it said.
    pub fn exec_ok<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<String, LabError> {
        let words: Vec<_> = words.into_iter().collect();
        output_ok(&mut self.command(&words)?, self.line(&words))
    }

    /// The process id of a program, as the host has it: another one after a restart.
    ///
    /// # Errors
    /// The host is off, or the program does not run.
    pub fn pid_of(&self, program: &str) -> Result<String, LabError> {
        Ok(self.exec_ok(["pidof", program])?.trim().to_owned())
    }

    /// Puts `contents` at `path` in the host, whole: a temporary file, renamed. A program that runs
    /// from there goes on.
    ///
    /// # Errors
    /// The host is off, or it cannot be written.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>, mode: u32) -> Result<(), LabError> {
        let script = r#"mkdir -p "${1%/*}/" && cat >"$1.lab-new" && chmod "$2" "$1.lab-new" && mv "$1.lab-new" "$1""#;
        let words = ["sh", "-c", script, "write", path, &format!("{mode:o}")];
        let line = format!("{}: write {path}", self.name());
        let output = output_with(self.command(words)?, line.clone(), contents.as_ref())?;
        if output.status.success() { Ok(()) } else { Err(LabError::Failed { line, output }) }
    }

    /// Puts a file of this machine at `path` in the host, as [`Host::write`] does.
    ///
    /// # Errors
    /// As [`Host::write`]; or `from` cannot be read.
    pub fn install(&self, from: &Path, path: &str, mode: u32) -> Result<(), LabError> {
        self.write(path, fs::read(from).map_err(at("read", from))?, mode)
    }

    /// Where `path` of the host lies on this machine. While the host is up: the file as the host
    /// sees it. While it is off: its place on the disk, which holds only what the host has written
    /// itself; do not write below it.
    ///
    /// An absolute symbolic link on the way leads to this machine's files: ask for where it points
    /// (`/run`, not `/var/run`).
    pub fn path(&self, path: &str) -> PathBuf {
        let root = match self.pid1() {
            Some(pid1) => PathBuf::from(format!("/proc/{}/root", pid1.pid)),
            None => self.disk(),
        };
        root.join(path.trim_start_matches('/'))
    }

    /// Runs `ip` in its network namespace, up or off: `host.ip(["address", "add",
    /// "192.168.7.77/24", "dev", "eth0"])`.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn ip<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<String, LabError> {
        let namespace = self.id.node(self.name());
        let words: Vec<_> = words.into_iter().collect();
        run(
            "ip",
            ["-n".as_ref(), namespace.as_ref()].into_iter().chain(words.iter().map(AsRef::as_ref)),
        )
    }

    /// What PID 1 and OpenRC have said, boot after boot.
    pub fn console_file(&self) -> PathBuf {
        self.id.host_dir(self.name()).join("console.log")
    }

    /// The SD card's contents.
    pub(crate) fn disk(&self) -> PathBuf {
        self.id.host_dir(self.name()).join("upper")
    }

    fn pid_file(&self) -> PathBuf {
        self.id.process_file(self.name())
    }

    fn net_argument(&self) -> String {
        format!("--net=/run/netns/{}", self.id.node(self.name()))
    }

    fn line<W: AsRef<OsStr>>(&self, words: &[W]) -> String {
        format!("{}: {}", self.name(), line(words))
    }

    /// `program` of this machine, in the host's cgroup and environment, not yet in its namespaces.
    fn on_machine(&self, program: &str) -> Command {
        let mut command = match &self.cgroup {
            Some(cgroup) => cgroup.command(program),
            None => Command::new(program),
        };
        command.env_clear().envs(ENVIRONMENT);
        command
    }
}

//! The workstation: where a person sits and the coordinator runs. A network namespace that uses
//! this machine's own files, with an /etc/hosts, a working folder and a `bin` of its own.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sched::{CloneFlags, setns};

use super::id::{LabId, WORKSTATION};
use super::net;
use crate::command::{line, output, output_ok};
use crate::error::{LabError, at};

/// Its address and prefix.
const ADDRESS: &str = "192.168.7.2/24";
/// What it knows before anyone tells it more.
const HOSTS: &str = "127.0.0.1 localhost\n";
/// Programs that come from the hosts' root file system: this machine need not have etcd.
const FROM_ROOT: [&str; 2] = ["etcdctl", "etcdutl"];
/// Notes its own process, then becomes the command: a dead run's commands can be ended by the next.
const NOTE_AND_EXEC: &str = r#"read -r stat </proc/self/stat && echo "$stat" >>"$0" && exec "$@""#;

/// The workstation of a lab.
#[derive(Debug)]
pub struct Workstation {
    id: LabId,
}

impl Workstation {
    pub(crate) fn new(id: LabId) -> Self {
        Self { id }
    }

    /// Makes its folders and its network, plugged into port 0.
    pub(crate) fn create(&self, root: &Path) -> Result<(), LabError> {
        for folder in [self.dir(), self.bin(), self.id.workstation_etc()] {
            fs::create_dir_all(&folder).map_err(at("make", folder))?;
        }
        for name in FROM_ROOT {
            let link = self.bin().join(name);
            symlink(root.join("usr/bin").join(name), &link).map_err(at("make", link))?;
        }
        self.write_hosts(HOSTS)?;
        net::plug_in(&self.id, WORKSTATION, 0, ADDRESS)
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        net::parse_address(ADDRESS).expect("the constant above")
    }

    /// Its working folder.
    pub fn dir(&self) -> PathBuf {
        self.id.state_dir().join("ws")
    }

    /// `words` as a command on the workstation. The child is the program itself: its id and its
    /// signals are the program's.
    pub fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.id.node(WORKSTATION), "sh", "-c", NOTE_AND_EXEC]);
        command.arg(self.id.process_file(WORKSTATION)).args(words);
        command.current_dir(self.dir()).env("PATH", self.search_path());
        command
    }

    /// Runs `words` on the workstation to its end; an exit code other than 0 is an answer too.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn exec<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<Output, LabError> {
        let words: Vec<_> = words.into_iter().collect();
        output(&mut self.command(&words), format!("ws: {}", line(&words)))
    }

    /// Runs `words` on the workstation to its end, and answers what it wrote to stdout.
    ///
    /// # Errors
    /// The exit code is not 0: the error has the command line, the exit code and all it said.
    pub fn exec_ok<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<String, LabError> {
        let words: Vec<_> = words.into_iter().collect();
        output_ok(&mut self.command(&words), format!("ws: {}", line(&words)))
    }

    /// Does `act` on a thread of this process that is in the workstation's network: what it dials
    /// goes out there. For what no stock tool can say, such as a message of ours over a connection
    /// dialled by hand.
    ///
    /// # Errors
    /// The network cannot be entered.
    ///
    /// # Panics
    /// `act` does.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let path = Path::new("/run/netns").join(self.id.node(WORKSTATION));
        let network = fs::File::open(&path).map_err(at("open", &path))?;
        let enter = || {
            setns(&network, CloneFlags::CLONE_NEWNET) // of this thread only; it ends below
                .map_err(|error| at("enter", &path)(error.into()))
        };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| enter().map(|()| act()));
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A file of its folder.
    ///
    /// # Errors
    /// There is none that is text.
    pub fn read(&self, name: &str) -> Result<String, LabError> {
        let file = self.dir().join(name);
        fs::read_to_string(&file).map_err(at("read", file))
    }

    /// Puts a file into its folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), LabError> {
        let file = self.dir().join(name);
        fs::write(&file, text).map_err(at("write", file))
    }

    /// Replaces its /etc/hosts; programs that run see it too.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_hosts(&self, text: &str) -> Result<(), LabError> {
        let file = self.id.workstation_etc().join("hosts"); // in place: `ip netns exec` has bound this very file
        fs::write(&file, text).map_err(at("write", file))
    }

    /// Copies a program into its `bin`, which is first in PATH.
    ///
    /// # Errors
    /// The file cannot be copied.
    pub fn install(&self, from: &Path) -> Result<(), LabError> {
        let to = self.bin().join(from.file_name().unwrap_or_default());
        let temporary = to.with_extension("lab-new");
        fs::copy(from, &temporary).map_err(at("copy", from))?;
        fs::rename(&temporary, &to).map_err(at("write", to))
    }

    fn bin(&self) -> PathBuf {
        self.id.state_dir().join("bin")
    }

    fn search_path(&self) -> OsString {
        let mut path = self.bin().into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        path
    }
}

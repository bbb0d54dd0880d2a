//! What can go wrong in the lab, told in three lines: what could not be done, the cause, what to
//! do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

/// Anything the lab could not do. `Debug`, which a failing test prints, is the same three lines as
/// [`LabError::told`].
#[derive(thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum LabError {
    #[error("the lab cannot start hosts")]
    NotRoot,
    #[error("the lab cannot start hosts on this system")]
    NotDebian { found: String },
    #[error("cannot make the Debian root file system")]
    NoTrixie { script: PathBuf },
    #[error("cannot install {packages} with apt-get")]
    Install { packages: String, source: Box<LabError> },
    #[error("cannot run `{line}`")]
    Start { line: String, source: io::Error },
    #[error("`{line}` failed")]
    Failed { line: String, output: Output },
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("waited in vain: {awaited}")]
    NotInTime { awaited: String, limit: Duration, last: String },
    #[error("not yet: {0}")]
    NotYet(String),
    #[error("{host} did not boot")]
    Boot { host: String, cause: String, console: PathBuf },
    #[error("{host} is off")]
    Off { host: String },
    #[error("{host} is up already")]
    UpAlready { host: String },
    #[error("{found:?} is no {kind}")]
    BadName { kind: &'static str, found: String, wanted: &'static str },
    #[error("there is no {kind} {name}")]
    Unknown { kind: &'static str, name: String, known: String },
    #[error("no lab was named, and there is not just one")]
    WhichLab { known: String },
    #[error("there is a lab {id} already")]
    Exists { id: String },
    #[error("this is a debug build: its figures would say nothing")]
    NotRelease { line: &'static str },
    #[error("cannot build etcd {version}")]
    NoGo { version: &'static str, source: io::Error },
    #[error("cannot find the Debian archive")]
    NoDebianArchive { known: String },
    #[error("cannot have etcd {wanted}")]
    EtcdMoved { wanted: &'static str, found: String },
    #[error("cannot use the binaries in {}", folder.display())]
    Stale { folder: PathBuf, binary: &'static str, newer: PathBuf },
}

impl LabError {
    /// The three lines.
    pub fn told(&self) -> String {
        format!("error: {self}\ncause: {}\n help: {}", self.cause(), self.help())
    }

    fn cause(&self) -> String {
        match self {
            Self::NotRoot => {
                "this is not root: namespaces, mounts and veth pairs need it".to_owned()
            }
            Self::NotDebian { found } => {
                format!("/etc/os-release says {found}; the lab installs Debian packages")
            }
            Self::NoTrixie { script } => {
                format!("this debootstrap does not know trixie: no {}", script.display())
            }
            Self::Install { source, .. } => source.cause(),
            Self::Start { source, .. } | Self::File { source, .. } => source.to_string(),
            Self::Failed { output, .. } => told_output(output),
            Self::NotInTime { limit, last, .. } => {
                format!("not within {} s; last seen: {last}", limit.as_secs_f32())
            }
            Self::NotYet(state) => state.clone(),
            Self::Boot { cause, .. } => cause.clone(),
            Self::Off { .. } => "its PID 1 does not run".to_owned(),
            Self::UpAlready { .. } => "its PID 1 runs".to_owned(),
            Self::BadName { wanted, .. } => format!("wanted: {wanted}"),
            Self::WhichLab { known } if known.is_empty() => "none stands here".to_owned(),
            Self::WhichLab { known } => format!("these stand: {known}"),
            Self::Unknown { kind, known, .. } if known.is_empty() => {
                format!("no {kind} stands here")
            }
            Self::Unknown { known, .. } => format!("known: {known}"),
            Self::Exists { .. } => "each lab has an id of its own".to_owned(),
            Self::NotRelease { .. } => {
                "what is measured is a release build, and so must the load be".to_owned()
            }
            Self::NoGo { source, .. } => {
                format!("it is built with Go, and `go` cannot be run: {source}")
            }
            Self::NoDebianArchive { known } => {
                format!("apt knows no address that ends in /debian, only: {}", known.trim())
            }
            Self::EtcdMoved { found, .. } => format!("what came is {found}"),
            Self::Stale { binary, newer, .. } => {
                format!("{} is newer than {binary}", newer.display())
            }
        }
    }

    fn help(&self) -> String {
        match self {
            Self::NotRoot => "run it as root: `sudo -E env PATH=\"$PATH\" cargo …`".to_owned(),
            Self::NotDebian { .. } => {
                "run it on Debian 12 or later, a virtual machine will do".to_owned()
            }
            Self::NoTrixie { script } => {
                format!("update debootstrap, or `ln -s sid {}`", script.display())
            }
            Self::Install { packages, .. } => {
                format!("`apt-get update && apt-get install {packages}` must work here")
            }
            Self::Start { .. } => "is the program installed and in PATH?".to_owned(),
            Self::Failed { .. } => "run that line by hand".to_owned(),
            Self::File { .. } => "look at that path; `lab status` shows what stands".to_owned(),
            Self::NotInTime { .. } | Self::NotYet(_) => {
                "`lab exec NODE -- COMMAND` looks into a lab that stands".to_owned()
            }
            Self::Boot { console, .. } => {
                format!("while the lab stands, all of it is in {}", console.display())
            }
            Self::NotRelease { line } => format!("`{line}`"),
            Self::NoGo { .. } => "install Go 1.26 or later and put it into PATH".to_owned(),
            Self::NoDebianArchive { .. } => {
                "name Debian's archive in /etc/apt/sources.list".to_owned()
            }
            Self::EtcdMoved { .. } => {
                "put the version that is there now into the table in tests/src/lab/etcd.rs"
                    .to_owned()
            }
            Self::Off { host } => format!("`lab boot {host}`"),
            Self::UpAlready { host } => format!("`lab kill {host}` first"),
            Self::BadName { .. } | Self::Unknown { .. } => {
                "`lab status` lists labs and hosts".to_owned()
            }
            Self::WhichLab { .. } => "`lab up` stands one up; `--id ID` names one".to_owned(),
            Self::Exists { id } => format!("take another id, or `lab down --id {id}`"),
            Self::Stale { .. } => {
                "build again, or unset PILASTER_LAB_BINARIES: then the lab builds them itself"
                    .to_owned()
            }
        }
    }
}

impl fmt::Debug for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.told())
    }
}

/// How a program ended and what it said.
fn told_output(output: &Output) -> String {
    let mut told = output.status.to_string();
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        if !text.trim().is_empty() {
            told += &format!("; {name}:\n{}", text.trim_end());
        }
    }
    told
}

/// `.map_err(at("read", path))`: an input or output error with what was tried, and where.
pub(crate) fn at(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> LabError {
    move |source| LabError::File { action, path: path.into(), source }
}

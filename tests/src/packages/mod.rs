//! What hosts install: the agent's packages, built once for the state of the sources; packages that
//! stand for Alpine's own; and signed repositories of them.
//!
//! Everything is made by `cargo xtask`, as a release is. Cargo knows what is fresh, so a second run
//! costs seconds.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::binaries::{Binaries, workspace};
use crate::command::{line_of, output_ok};
use crate::error::{LabError, at};
use crate::lab::etcd::{self, EtcdRelease};
use crate::lab::journal::lock;
use crate::lab::{Architecture, Host};
use crate::report;

/// The processor of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Processor {
    X86_64,
    Aarch64,
    Armv7,
}

/// The recipes of the packages that stand for Alpine's own, and what goes into them beside etcd's
/// programs.
const RECIPES: [(&str, &str); 6] = [
    ("etcd.yaml", include_str!("etcd.yaml")),
    ("etcd-ctl.yaml", include_str!("etcd-ctl.yaml")),
    ("etcd.pre-install", include_str!("etcd.pre-install")),
    ("etcd.conf.yml", include_str!("etcd.conf.yml")),
    ("etcd.confd", include_str!("etcd.confd")),
    ("etcd.initd", include_str!("etcd.initd")),
];

const MAKE_BARE: &str = "
rm -r /usr/bin/etcd /usr/bin/etcdctl /etc/etcd /var/lib/etcd /etc/conf.d/etcd /etc/init.d/etcd
deluser etcd
: >/etc/apk/repositories
! id etcd 2>/dev/null && ! command -v etcd etcdctl pilaster-agent
";

impl Processor {
    /// Every one, as the release has them.
    pub const ALL: [Self; 3] = [Self::Aarch64, Self::Armv7, Self::X86_64];

    /// As Alpine and `cargo xtask` call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
        }
    }

    fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
            Self::Armv7 => "armv7-unknown-linux-musleabihf",
        }
    }
}

impl From<Architecture> for Processor {
    fn from(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X86_64 => Self::X86_64,
            Architecture::Aarch64 => Self::Aarch64,
        }
    }
}

/// The agent as it is shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AgentPackages {
    pub binary: PathBuf,
    pub apk: PathBuf,
    pub deb: PathBuf,
}

/// The agent's packages of a revision, made now: the first time two minutes for each processor,
/// later some seconds. Once in a process.
///
/// # Errors
/// `cargo xtask package` fails: it has said why.
pub fn agent(processor: Processor, revision: u32) -> Result<AgentPackages, LabError> {
    static MADE: Mutex<Vec<(Processor, u32)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let out = folder().join(format!("{}-r{revision}", processor.name()));
    if !made.contains(&(processor, revision)) {
        let what = format!("the agent's packages for {}, revision {revision}", processor.name());
        report::step(what, || make_agent(processor, revision, &out))?;
        made.push((processor, revision));
    }
    let built = workspace().join("target/package").join(processor.triple()).join("agent");
    let one = |end| only_file(&out, end);
    Ok(AgentPackages { binary: built.join("pilaster-agent"), apk: one("apk")?, deb: one("deb")? })
}

fn make_agent(processor: Processor, revision: u32, out: &Path) -> Result<(), LabError> {
    let _among_all_runs = lock(folder())?; // all make packages in one folder
    let _ = fs::remove_dir_all(out); // of another version; made anew in a second
    let revision = revision.to_string();
    let words = ["package", "--only", processor.name(), "--product", "pilaster-agent"];
    xtask(words.iter().chain(&["--revision", &revision, "--out"]).map(OsStr::new), out).map(drop)
}

/// Packages `etcd` and `etcd-ctl` of a release, in place of Alpine's own, which hosts of a lab
/// cannot fetch: the same paths, user and owners, with the programs of [`etcd::ensure`]. Made now,
/// in a second; both lie in the folder that is answered.
///
/// # Errors
/// etcd or the packages cannot be made.
pub fn etcd(release: EtcdRelease, architecture: Architecture) -> Result<PathBuf, LabError> {
    let programs = etcd::ensure_for(release, architecture)?;
    let out = folder().join(format!("etcd-{release}-{}", architecture.name()));
    let _among_all_runs = lock(folder())?;
    let work = out.with_extension("work");
    for folder in [&work, &out] {
        let _ = fs::remove_dir_all(folder); // of a run before
        fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    for (name, text) in RECIPES {
        fs::write(work.join(name), text).map_err(at("write", work.join(name)))?;
    }
    for (name, program) in [("etcd", &programs.etcd), ("etcdctl", &programs.etcdctl)] {
        fs::copy(program, work.join(name)).map_err(at("copy", program))?;
    }
    for name in ["etcd", "etcd-ctl"] {
        let package = out.join(format!("{name}-{release}-r0.{}.apk", architecture.name()));
        let mut xtask = Command::new(&Binaries::build()?.xtask);
        xtask.args(["nfpm", "package", "--packager", "apk"]).current_dir(&work);
        xtask.arg("--config").arg(format!("{name}.yaml")).arg("--target").arg(package);
        xtask.env("ARCH", architecture.debian_name()).env("VERSION", release.version());
        let line = line_of(&xtask);
        output_ok(&mut xtask, line)?;
    }
    fs::remove_dir_all(&work).map_err(at("remove", work))?;
    Ok(out)
}

/// A host as a person has it before: what the lab's Alpine root brings of etcd goes, and nothing of
/// Pilaster's is there. Alpine's mirror goes from its repositories: no host of a lab reaches it,
/// and `apk upgrade` does nothing while one cannot be reached.
///
/// # Errors
/// The host is off, or something is left.
pub fn make_bare(host: &Host) -> Result<(), LabError> {
    host.exec_ok(["sh", "-ec", MAKE_BARE]).map(drop)
}

/// A signed repository that grows, with its key beside it.
#[derive(Debug)]
pub struct TestRepository {
    folder: PathBuf,
}

impl TestRepository {
    /// A new one below `folder`, with a key of its own and these packages: files, or folders of
    /// them.
    ///
    /// # Errors
    /// The key or the repository cannot be made.
    pub fn new(folder: &Path, packages: &[&Path]) -> Result<Self, LabError> {
        let new = Self { folder: folder.to_owned() };
        xtask(["key"].iter().map(OsStr::new), &folder.join("key"))?;
        new.add(packages)?;
        Ok(new)
    }

    /// The folder that `pilaster-coordinator --repository` takes.
    pub fn path(&self) -> PathBuf {
        self.folder.join("repository")
    }

    /// Adds packages; those that it has stay.
    ///
    /// # Errors
    /// They cannot be read or signed.
    pub fn add(&self, packages: &[&Path]) -> Result<(), LabError> {
        let new = self.folder.join("packages");
        let _ = fs::remove_dir_all(&new); // of the time before
        fs::create_dir_all(&new).map_err(at("make", &new))?;
        for package in packages {
            for file in files_ending(package, "apk")? {
                let to = new.join(file.file_name().unwrap_or_default());
                fs::copy(&file, to).map_err(at("copy", &file))?;
            }
        }
        let key = only_file(&self.folder.join("key"), "rsa")?;
        let words = ["--key".as_ref(), key.as_os_str(), "--packages".as_ref(), new.as_os_str()];
        xtask(["repository".as_ref()].into_iter().chain(words), &self.path()).map(drop)
    }
}

/// `cargo xtask WORDS FOLDER`.
fn xtask<'a>(
    words: impl IntoIterator<Item = &'a OsStr>,
    folder: &Path,
) -> Result<String, LabError> {
    let mut xtask = Command::new(&Binaries::build()?.xtask);
    xtask.args(words).arg(folder);
    let line = line_of(&xtask);
    output_ok(&mut xtask, line)
}

fn folder() -> PathBuf {
    workspace().join("target/lab-packages")
}

/// `path` itself, or what lies in it.
fn files_ending(path: &Path, end: &str) -> Result<Vec<PathBuf>, LabError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(at("list", path))?.flatten();
    let is_wanted = |path: &PathBuf| path.extension().is_some_and(|found| found == end);
    Ok(entries.map(|entry| entry.path()).filter(is_wanted).collect())
}

fn only_file(folder: &Path, end: &str) -> Result<PathBuf, LabError> {
    let mut files = files_ending(folder, end)?;
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(LabError::NotYet(format!("{} has not one file .{end}", folder.display()))),
    }
}

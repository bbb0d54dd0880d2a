//! Real etcd of every minor version that a node may have, made once and kept by version below the
//! lab's cache.
//!
//! 3.4 and 3.5 are Debian's packages: bookworm's, trixie's and sid's. No package has 3.6 and 3.7,
//! so they are built from their release's Go module, static: they run on Debian and on Alpine. (A
//! dynamic program of Debian's does not run on Alpine.)
//!
//! Not here: which etcd a root file system comes with (`root`).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use super::architecture::Architecture;
use super::id::CACHE_DIR;
use super::journal::lock;
use super::sweep::remove_tree;
use crate::command::{line_of, output_ok, run};
use crate::error::{LabError, at};
use crate::report;

/// The programs of etcd. `etcdutl` came with 3.5.
const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];
/// Of 3.6 and later, as `go build` takes them, below a module of ours.
const GO_PACKAGES: [&str; 3] = ["./etcd", "./etcdctl", "go.etcd.io/etcd/etcdutl/v3"];
/// The programs' main functions, which are etcd's own in `server/main.go` and `etcdctl/main.go`.
/// `go install PROGRAM@VERSION` would be shorter, but etcd's modules have `replace` lines, with
/// which it refuses them.
const GO_FILES: [(&str, &str); 3] = [
    ("go.mod", "module lab.invalid/etcd\n"),
    (
        "etcd/main.go",
        "package main\n\nimport (\n\t\"os\"\n\n\t\"go.etcd.io/etcd/server/v3/etcdmain\"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n",
    ),
    (
        "etcdctl/main.go",
        "package main\n\nimport \"go.etcd.io/etcd/etcdctl/v3/ctlv3\"\n\nfunc main() { ctlv3.MustStart() }\n",
    ),
];
/// What these import, and thereby all that `go.mod` and `go.sum` must name.
const GO_IMPORTS: [&str; 3] = [
    "go.etcd.io/etcd/server/v3/etcdmain",
    "go.etcd.io/etcd/etcdctl/v3/ctlv3",
    "go.etcd.io/etcd/etcdutl/v3",
];

/// A release that the lab can have. A table: the pinned patch of each minor, and where it comes
/// from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EtcdRelease {
    /// 3.4.23 of Debian bookworm; 3.4 is at its end of life: where upgrades begin.
    V3_4,
    /// 3.5.16 of Debian trixie, which the Debian hosts have.
    V3_5Old,
    /// 3.5.30 of Debian sid.
    V3_5,
    /// 3.6.16, as Alpine 3.23 has this minor; the newest one that the Go module proxy serves.
    V3_6,
    /// 3.7.3; likewise.
    V3_7,
}

/// Where a release comes from.
enum Source {
    /// The packages of this suite of Debian.
    Debian(&'static str),
    /// `go build`.
    GoModule,
}

impl EtcdRelease {
    /// Every release, oldest first.
    pub const ALL: [Self; 5] = [Self::V3_4, Self::V3_5Old, Self::V3_5, Self::V3_6, Self::V3_7];

    /// Its version, such as `3.6.16`.
    pub fn version(self) -> &'static str {
        self.row().0
    }

    fn row(self) -> (&'static str, Source) {
        match self {
            Self::V3_4 => ("3.4.23", Source::Debian("bookworm")),
            Self::V3_5Old => ("3.5.16", Source::Debian("trixie")),
            Self::V3_5 => ("3.5.30", Source::Debian("sid")),
            Self::V3_6 => ("3.6.16", Source::GoModule),
            Self::V3_7 => ("3.7.3", Source::GoModule),
        }
    }
}

impl fmt::Display for EtcdRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.version())
    }
}

/// `3.5.16`, or `3.5` for the newest of that minor.
impl FromStr for EtcdRelease {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let is_meant = |release: &&Self| {
            let rest = release.version().strip_prefix(text);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let newest_first = Self::ALL.iter().rev();
        newest_first.into_iter().find(is_meant).copied().ok_or_else(|| LabError::Unknown {
            kind: "etcd",
            name: text.to_owned(),
            known: Self::ALL.map(Self::version).join(", "),
        })
    }
}

/// The programs of one release, in the lab's cache: to be copied, never to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct EtcdBinaries {
    pub etcd: PathBuf,
    pub etcdctl: PathBuf,
    /// `None` of 3.4, which has none.
    pub etcdutl: Option<PathBuf>,
}

impl EtcdBinaries {
    fn in_folder(folder: &Path) -> Self {
        let [etcd, etcdctl, etcdutl] = PROGRAMS.map(|name| folder.join(name));
        Self { etcd, etcdctl, etcdutl: Some(etcdutl).filter(|path| path.exists()) }
    }

    /// The version that `etcd --version` says. Of another processor's programs only where an
    /// emulator runs them.
    ///
    /// # Errors
    /// It does not run here, or says something else.
    pub fn version(&self) -> Result<String, LabError> {
        let said = run(&self.etcd.to_string_lossy(), ["--version"])?;
        let version = said.lines().find_map(|line| line.strip_prefix("etcd Version: "));
        let none = || LabError::NotYet(format!("{} says no version: {said}", self.etcd.display()));
        version.map(str::to_owned).ok_or_else(none)
    }
}

/// The programs of a release, for this machine's processor; made now if they are not there: seconds
/// for Debian's, one to two minutes for those of Go, with a note on stderr.
///
/// # Errors
/// There is no Go for a release that needs it; a download or the build fails; the archive has
/// another version by now.
pub fn ensure(release: EtcdRelease) -> Result<EtcdBinaries, LabError> {
    ensure_for(release, Architecture::X86_64)
}

/// The same for another processor.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_for(
    release: EtcdRelease,
    architecture: Architecture,
) -> Result<EtcdBinaries, LabError> {
    let cache = Path::new(CACHE_DIR).join("etcd");
    let folder = match architecture {
        Architecture::X86_64 => cache.join(release.version()),
        other => cache.join(format!("{release}-{}", other.name())),
    };
    if folder.exists() {
        return Ok(EtcdBinaries::in_folder(&folder));
    }
    let _among_all_runs = lock(&cache)?;
    if !folder.exists() {
        // else it was made while we waited for the lock
        report::step(format_args!("etcd {release} made for {}", architecture.name()), || {
            make(release, architecture, &folder)
        })?;
    }
    Ok(EtcdBinaries::in_folder(&folder))
}

/// For a test that needs it: [`ensure`], or `None`, said loudly on stderr, where there is no Go at
/// hand. In CI (`PILASTER_CI` or `CI` is set) that is an error: there no test may be left out.
///
/// # Errors
/// As [`ensure`]; the missing Go only in CI.
pub fn ensure_or_say_not_run(
    release: EtcdRelease,
    test: &str,
) -> Result<Option<EtcdBinaries>, LabError> {
    match ensure(release) {
        Err(error @ LabError::NoGo { .. }) if !report::is_ci() => {
            report::not_run(test, &error);
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn make(release: EtcdRelease, architecture: Architecture, folder: &Path) -> Result<(), LabError> {
    let work = folder.with_file_name(format!("{release}-{}.work", architecture.name()));
    let made = work.join("made");
    remove_tree(&work)?; // of a run that died
    fs::create_dir_all(&made).map_err(at("make", &made))?;
    match release.row().1 {
        Source::Debian(suite) => unpack_from_debian(suite, architecture, &work, &made)?,
        Source::GoModule => build_with_go(release, architecture, &work, &made)?,
    }
    if architecture.is_this_machines() {
        let found = EtcdBinaries::in_folder(&made).version()?;
        if found != release.version() {
            return Err(LabError::EtcdMoved { wanted: release.version(), found });
        }
    }
    fs::rename(&made, folder).map_err(at("make", folder))?;
    remove_tree(&work)
}

/// Takes the programs out of Debian's packages. apt has lists and folders of its own here: the
/// machine's own are left as they are.
fn unpack_from_debian(
    suite: &str,
    architecture: Architecture,
    work: &Path,
    made: &Path,
) -> Result<(), LabError> {
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(words).env("APT_CONFIG", work.join("apt.conf")).current_dir(work);
        let line = line_of(&command);
        output_ok(&mut command, line)
    };
    for folder in ["lists/partial", "cache/archives/partial"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder).map_err(at("make", folder))?;
    }
    let sources = format!(
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {suite} main\n",
        debian_archive()?
    );
    write(&work.join("sources.list"), &sources)?;
    write(&work.join("apt.conf"), &apt_configuration(architecture, work))?;
    apt(&["--quiet", "update"])?;
    apt(&["--quiet", "download", "etcd-server", "etcd-client"])?;
    let unpack = "for package in *.deb; do dpkg-deb -x \"$package\" root || exit; done; cp root/usr/bin/etcd* \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", unpack]).arg(made).current_dir(work);
    let line = line_of(&command);
    output_ok(&mut command, line).map(drop)
}

fn apt_configuration(architecture: Architecture, work: &Path) -> String {
    let work = work.display();
    format!(
        "APT::Architecture \"{}\";\nAPT::Architectures {{}};\nAPT::Sandbox::User \"root\";\n\
         Dir::Etc::SourceList \"{work}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n\
         Dir::State::Lists \"{work}/lists\";\nDir::State::Status \"/dev/null\";\nDir::Cache \"{work}/cache\";\n\
         Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n",
        architecture.debian_name()
    )
}

/// The archive that this machine's apt gets Debian from. It has every suite.
fn debian_archive() -> Result<String, LabError> {
    let targets =
        || run("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let mut known = targets()?;
    if known.is_empty() {
        run("apt-get", ["update"])?; // apt tells only of lists that it has
        known = targets()?;
    }
    let archive = known.lines().find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    archive.map(str::to_owned).ok_or_else(|| LabError::NoDebianArchive { known: known.clone() })
}

/// Builds the programs static, in a module of our own that requires the release's. `go get` notes
/// the hash of every module in `go.sum`, checked against Go's public record of them.
fn build_with_go(
    release: EtcdRelease,
    architecture: Architecture,
    work: &Path,
    made: &Path,
) -> Result<(), LabError> {
    let go = |words: &[&str]| {
        let mut command = Command::new("go");
        command.args(words).current_dir(work);
        command.env("CGO_ENABLED", "0").env("GOARCH", architecture.debian_name());
        let line = line_of(&command);
        output_ok(&mut command, line).map(drop)
    };
    match go(&["version"]) {
        Err(LabError::Start { source, .. }) => {
            return Err(LabError::NoGo { version: release.version(), source });
        }
        other => other?,
    }
    for (path, text) in GO_FILES {
        write(&work.join(path), text)?;
    }
    let required = GO_IMPORTS.map(|import| format!("{import}@v{release}"));
    go(&[&["get"], required.each_ref().map(String::as_str).as_slice()].concat())?;
    let to = format!("{}/", made.display());
    let build = ["build", "-trimpath", "-ldflags=-s -w", "-o", &to];
    go(&[build.as_slice(), &GO_PACKAGES].concat())
}

fn write(path: &Path, text: &str) -> Result<(), LabError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(at("make", folder))?;
    fs::write(path, text).map_err(at("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_by_its_version_or_by_its_minor_which_means_the_newest() {
        for (text, release) in [
            ("3.4", EtcdRelease::V3_4),
            ("3.5.16", EtcdRelease::V3_5Old),
            ("3.5", EtcdRelease::V3_5),
            ("3.7", EtcdRelease::V3_7),
        ] {
            assert_eq!(text.parse::<EtcdRelease>().unwrap(), release);
        }
        for text in ["3.5.1", "2.3", "3.6."] {
            let told = text.parse::<EtcdRelease>().unwrap_err().told();
            assert!(told.contains(text) && told.contains("3.5.16"), "{told}");
        }
    }
}

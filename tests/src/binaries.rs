//! The programs that the hosts and the workstation run: built from this work tree, never older than
//! it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::command::line_of;
use crate::error::{LabError, at};
use crate::report;

const AGENT: &str = "pilaster-agent";
const COORDINATOR: &str = "pilaster-coordinator";
const COORDCTL: &str = "coordctl";
const PACKAGING: &str = "pilaster-packaging";
const XTASK: &str = "xtask";
/// What the binaries are made of, seen from the workspace's folder.
const SOURCES: [&str; 7] =
    ["agent", "common", "coordinator", "packaging", "proto", "Cargo.toml", "Cargo.lock"];
/// Names a folder whose binaries are to be used as they are.
const FOLDER_VARIABLE: &str = "PILASTER_LAB_BINARIES";

/// Where the built programs are.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Binaries {
    pub agent: PathBuf,
    pub coordinator: PathBuf,
    pub coordctl: PathBuf,
    pub xtask: PathBuf,
}

impl Binaries {
    /// Builds them in release mode, once in a process. Cargo knows what is fresh, and its own lock
    /// makes runs side by side wait for each other. Where `PILASTER_LAB_BINARIES` names a folder,
    /// those in it are used, unless a source file is newer.
    ///
    /// # Errors
    /// The build fails, or a binary is missing or older than a source file, which the error names.
    pub fn build() -> Result<Self, LabError> {
        static BUILT: Mutex<Option<Binaries>> = Mutex::new(None);
        let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(binaries) = &*built {
            return Ok(binaries.clone());
        }
        let binaries = match env::var_os(FOLDER_VARIABLE) {
            Some(folder) => Self::taken_from(Path::new(&folder), workspace())?,
            None => report::step("release binaries built", build)?,
        };
        Ok(built.insert(binaries).clone())
    }

    /// Builds them for tests, with points at which they can be killed and a tap on the agent's
    /// traffic. No release has either.
    ///
    /// # Errors
    /// The build fails.
    pub fn instrumented() -> Result<Self, LabError> {
        static BUILT: Mutex<Option<Binaries>> = Mutex::new(None);
        let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(binaries) = &*built {
            return Ok(binaries.clone());
        }
        let binaries = report::step("instrumented binaries built", build_instrumented)?;
        Ok(built.insert(binaries).clone())
    }

    fn taken_from(folder: &Path, workspace: &Path) -> Result<Self, LabError> {
        let newest = newest_source(workspace)?;
        let fresh = |binary| fresh(folder, binary, &newest);
        Ok(Self {
            agent: fresh(AGENT)?,
            coordinator: fresh(COORDINATOR)?,
            coordctl: fresh(COORDCTL)?,
            xtask: fresh(XTASK)?,
        })
    }
}

/// The binary in `folder`, unless the newest source file is newer.
fn fresh(
    folder: &Path,
    binary: &'static str,
    (newer, changed): &(PathBuf, SystemTime),
) -> Result<PathBuf, LabError> {
    let path = folder.join(binary);
    if modified(&path)? > *changed {
        return Ok(path);
    }
    Err(LabError::Stale { folder: folder.to_owned(), binary, newer: newer.clone() })
}

fn build_instrumented() -> Result<Binaries, LabError> {
    let features = "pilaster-agent/failpoints,pilaster-agent/tap,pilaster-coordinator/failpoints";
    // a folder of their own: a build without the features would put its programs in the same places
    let target = workspace().join("target/instrumented");
    let target = target.to_string_lossy();
    build_with(&["build", "--target-dir", &target, "--features", features])
}

fn build() -> Result<Binaries, LabError> {
    build_with(&["build", "--release"])
}

fn build_with(words: &[&str]) -> Result<Binaries, LabError> {
    let mut cargo = cargo(words);
    cargo.args(["--package", AGENT, "--package", COORDINATOR, "--package", PACKAGING]);
    let messages = built_by(cargo)?;
    let built = |name| {
        executable(&messages, name)
            .expect("all packages are built, and cargo names each executable")
    };
    Ok(Binaries {
        agent: built(AGENT),
        coordinator: built(COORDINATOR),
        coordctl: built(COORDCTL),
        xtask: built(XTASK),
    })
}

fn cargo(words: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(words).arg("--message-format=json-render-diagnostics").current_dir(workspace());
    for (name, _) in env::vars_os().filter(|(name, _)| is_about_a_package(name)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Runs cargo, and answers its messages.
fn built_by(mut cargo: Command) -> Result<String, LabError> {
    let line = line_of(&cargo);
    let output = cargo.stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| LabError::Start { line: line.clone(), source })?;
    if !output.status.success() {
        let said = "cargo said why, above".into();
        return Err(LabError::Failed {
            line,
            output: std::process::Output { stdout: said, ..output },
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `cargo run` or `cargo test` has set this variable to describe the package of this very
/// program. ring's build script looks at them: left set, everything would be built again after each
/// build that a person starts.
fn is_about_a_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|begins| name.starts_with(begins))
}

/// Where cargo says it has put the executable called `name`.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let mut paths = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    paths.find(|path| path.file_name().is_some_and(|file| file == name))
}

/// The source file that was changed last, and when.
fn newest_source(workspace: &Path) -> Result<(PathBuf, SystemTime), LabError> {
    let mut newest = (PathBuf::new(), SystemTime::UNIX_EPOCH);
    let mut paths: Vec<_> = SOURCES.iter().map(|source| workspace.join(source)).collect();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(at("list", &path))? {
                paths.push(entry.map_err(at("list", &path))?.path());
            }
        } else {
            let changed = modified(&path)?;
            if changed > newest.1 {
                newest = (path, changed);
            }
        }
    }
    Ok(newest)
}

fn modified(path: &Path) -> Result<SystemTime, LabError> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).map_err(at("look at", path))
}

/// The folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_older_than_a_source_file_are_refused_and_the_file_is_named() {
        let workspace = env::temp_dir().join(format!("pilaster-binaries-{}", std::process::id()));
        let touch = |path: &str, secs| {
            let path = workspace.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs))
                .unwrap();
        };
        for source in [
            "agent/src/main.rs",
            "common/a",
            "coordinator/a",
            "packaging/a",
            "proto/a",
            "Cargo.toml",
            "Cargo.lock",
        ] {
            touch(source, 100);
        }
        for binary in [AGENT, COORDINATOR, COORDCTL, XTASK] {
            touch(&format!("bin/{binary}"), 200);
        }
        let fresh = Binaries::taken_from(&workspace.join("bin"), &workspace);
        touch("agent/src/main.rs", 300);
        let stale = Binaries::taken_from(&workspace.join("bin"), &workspace);
        fs::remove_dir_all(&workspace).unwrap();

        assert_eq!(fresh.unwrap().coordctl, workspace.join("bin/coordctl"));
        let told = stale.unwrap_err().told();
        assert!(told.contains("agent/src/main.rs is newer than pilaster-agent"), "{told}");
    }
}

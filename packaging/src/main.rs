//! `cargo xtask`: lays out what a package of the agent installs.
//!
//! `cargo xtask stage DIR --agent PATH` puts the agent's binary and its OpenRC files below DIR. Packages and the lab start from that.
//! Not here: etcd's own service files, which the agent renders for its node (`common::service_files`).

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask stage DIR --agent PATH";
const INIT_SCRIPT: &str = include_str!("../openrc/pilaster-agent.initd");
const SETTINGS: &str = include_str!("../openrc/pilaster-agent.confd");

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match &arguments[..] {
        [command, folder, flag, agent] if command == "stage" && flag == "--agent" => {
            match stage(Path::new(folder), Path::new(agent)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => tell(&failure, 1),
            }
        }
        _ => tell(
            &Failure {
                what: "wrong usage".into(),
                cause: "there is one command, stage".into(),
                help: USAGE.into(),
            },
            64,
        ),
    }
}

/// The three lines: what, cause, what to do.
struct Failure {
    what: String,
    cause: String,
    help: String,
}

fn tell(failure: &Failure, code: u8) -> ExitCode {
    let Failure { what, cause, help } = failure;
    drop(writeln!(io::stderr(), "error: {what}\ncause: {cause}\n help: {help}")); // nobody left to tell
    ExitCode::from(code)
}

/// Lays out the agent's files below `folder`, which stands for `/`.
fn stage(folder: &Path, agent: &Path) -> Result<(), Failure> {
    let binary = fs::read(agent).map_err(|error| Failure {
        what: "cannot stage the agent".into(),
        cause: format!("cannot read {}: {error}", agent.display()),
        help: "build it first: cargo build --release -p pilaster-agent".into(),
    })?;
    for (path, content, mode) in [
        ("usr/bin/pilaster-agent", &binary[..], 0o755),
        ("etc/init.d/pilaster-agent", INIT_SCRIPT.as_bytes(), 0o755),
        ("etc/conf.d/pilaster-agent", SETTINGS.as_bytes(), 0o644),
    ] {
        put(&folder.join(path), content, mode).map_err(|(path, error)| Failure {
            what: "cannot stage the agent".into(),
            cause: format!("cannot write {}: {error}", path.display()),
            help: "give a folder that you may write to, with room on its disk".into(),
        })?;
    }
    Ok(())
}

/// A new file and a rename: a binary that runs from there is not written into.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), (PathBuf, io::Error)> {
    let fail = |error| (path.to_owned(), error);
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(fail)?;
    let temporary = path.with_extension("new");
    let mut file = fs::File::create(&temporary).map_err(fail)?;
    file.write_all(content).map_err(fail)?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(fail)?;
    fs::rename(&temporary, path).map_err(fail)
}

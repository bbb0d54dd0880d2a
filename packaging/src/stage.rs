//! `cargo xtask stage`: lays out what the agent's package installs, below a folder that stands for
//! `/`. The lab starts from that.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::{Failure, at};

const INIT_SCRIPT: &str = include_str!("../openrc/pilaster-agent.initd");
const SETTINGS: &str = include_str!("../openrc/pilaster-agent.confd");

/// Lays out the agent's files below `folder`.
pub(crate) fn stage(folder: &Path, agent: &Path) -> Result<(), Failure> {
    let binary = fs::read(agent).map_err(|error| {
        let cause = format!("cannot read {}: {error}", agent.display());
        Failure::new(
            "cannot stage the agent",
            cause,
            "build it first: cargo build --release -p pilaster-agent",
        )
    })?;
    for (path, content, mode) in [
        ("usr/bin/pilaster-agent", &binary[..], 0o755),
        ("etc/init.d/pilaster-agent", INIT_SCRIPT.as_bytes(), 0o755),
        ("etc/conf.d/pilaster-agent", SETTINGS.as_bytes(), 0o644),
    ] {
        put(&folder.join(path), content, mode)?;
    }
    Ok(())
}

/// A new file and a rename: a binary that runs from there is not written into.
pub(crate) fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let fail = || at("write", path);
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(fail())?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new"); // beside the others, not in their place: two files may differ in their extension only
    let temporary = path.with_file_name(name);
    let mut file = fs::File::create(&temporary).map_err(fail())?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(fail())?; // before the content: it may be a key
    file.write_all(content).map_err(fail())?;
    fs::rename(&temporary, path).map_err(fail())
}

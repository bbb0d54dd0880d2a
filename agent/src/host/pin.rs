//! Keeps etcd at its minor version while apk upgrades: a cluster's members change theirs one at a
//! time and by intent, never by an `apk upgrade` on one host.
//!
//! Where apk's world names `etcd` and no version, it is made to name `etcd~3.6`, by apk itself. A
//! person who wants another version says so there (`apk add 'etcd~3.7'`): what has a version or a
//! repository's tag is left alone, and so is an etcd that no package brought. It changes the world
//! and nothing else: apk is asked first what it would do.

use std::path::Path;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_common::error::{Code, Help, code};
use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_common::paths;

use super::exec::{RunError, run};

const APK: &str = "/sbin/apk";
/// What Alpine's package of etcd is called.
const PACKAGE: &str = "etcd";
/// Each of the three commands: apk waits for another one for [`LOCK_WAIT`], and reads its database
/// within a second on a Pi.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long apk waits, in seconds, while another apk holds its database: this very agent may have
/// been started by one.
const LOCK_WAIT: &str = "--wait=5";

/// Why etcd's minor version is not pinned.
#[derive(Debug, thiserror::Error)]
pub(super) enum PinError {
    #[error(transparent)]
    Apk(#[from] RunError),
    #[error("{binary} is not of the package {PACKAGE}: {said}")]
    OtherPackage { binary: &'static str, said: String },
    #[error("apk would change more than its world: {would}")]
    More { would: String },
}

impl Help for PinError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Apk(error) => error.help(),
            Self::OtherPackage { .. } => {
                Some("name the version that is wanted in /etc/apk/world".into())
            }
            Self::More { .. } => {
                Some("bring apk to rest first: apk fix; it is tried again by itself".into())
            }
        }
    }

    fn code(&self) -> Code {
        code::NOT_PINNED
    }
}

/// Whether apk's world names etcd and no version of it.
pub(super) fn may_jump() -> bool {
    std::fs::read_to_string(paths::APK_WORLD).is_ok_and(|world| names_any_version(&world))
        && Path::new(APK).exists()
}

fn names_any_version(world: &str) -> bool {
    world.split_whitespace().any(|constraint| constraint == PACKAGE)
}

/// Pins it.
pub(super) async fn pin(version: EtcdVersion, clock: &dyn Clock) -> Result<(), PinError> {
    let constraint = constraint(version);
    let apk = async |arguments: &[&str]| run(APK, arguments, &[], DEADLINE, clock).await;
    let said = apk(&["info", "--who-owns", paths::ETCD_BINARY]).await?;
    if !said.contains(&format!(" is owned by {PACKAGE}-{version}-")) {
        return Err(PinError::OtherPackage { binary: paths::ETCD_BINARY, said });
    }
    let add = ["add", "--no-network", LOCK_WAIT];
    let would = apk(&[&add[..], &["--simulate", &constraint]].concat()).await?;
    if changes_packages(&would) {
        return Err(PinError::More { would });
    }
    apk(&[&add[..], &[&constraint]].concat()).await?;
    Ok(())
}

/// `etcd~3.6`: any 3.6 (apk-world(5), fuzzy version).
fn constraint(version: EtcdVersion) -> String {
    format!("{PACKAGE}~{}.{}", version.major, version.minor)
}

/// apk counts what it installs, upgrades or purges: `(1/2) Upgrading …`.
fn changes_packages(said: &str) -> bool {
    said.split("; ").any(|line| line.starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_world_with_etcd_and_no_version_lets_it_jump() {
        assert!(names_any_version("busybox\netcd\netcd-ctl\n"));
        for world in ["", "etcd-ctl\n", "etcd~3.6\n", "etcd=3.6.16-r0\n", "etcd@edge\n", "!etcd\n"]
        {
            assert!(!names_any_version(world), "{world}");
        }
    }

    #[test]
    fn the_constraint_holds_the_minor_and_lets_patches_in() {
        assert_eq!(constraint("3.6.16".parse().expect("known")), "etcd~3.6");
    }

    #[test]
    fn what_apk_would_do_beside_is_seen() {
        assert!(!changes_packages("OK: 109.8 MiB in 61 packages"));
        assert!(changes_packages("(1/1) Purging curl (8.1-r0); OK: 9 MiB in 60 packages"));
    }
}

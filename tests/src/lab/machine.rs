//! What this machine must be and have: root, Debian, and a handful of programs, which are installed
//! where they are missing.

use std::env;
use std::fs;
use std::process::Command;

use super::id::CACHE_DIR;
use super::journal::lock;
use crate::command::{line_of, output_ok};
use crate::error::LabError;
use crate::report;

/// A file that the lab needs, and the package that brings it. A bare name is looked up in PATH.
const NEEDED: [(&str, &str); 9] = [
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("mkfs.ext4", "e2fsprogs"),
    ("debootstrap", "debootstrap"),
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    ("curl", "curl"),
    ("openssl", "openssl"),
];

/// Makes this machine ready for hosts: installs what is missing, saying so and how long it takes.
///
/// # Errors
/// It is not root or not Debian, or apt-get fails: with what to do about it.
pub fn prepare() -> Result<(), LabError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(LabError::NotRoot);
    }
    check_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default())?;
    install_missing(&NEEDED)
}

/// Installs what is missing of `needed`: files, and the packages that bring them.
///
/// # Errors
/// apt-get fails.
pub(crate) fn install_missing(needed: &[(&str, &'static str)]) -> Result<(), LabError> {
    if missing_packages(needed).is_empty() {
        return Ok(());
    }
    let _among_all_runs = lock(CACHE_DIR)?;
    match missing_packages(needed) {
        packages if packages.is_empty() => Ok(()), // installed while we waited for the lock
        packages => {
            report::step(format_args!("installed {}", packages.join(" ")), || install(&packages))
        }
    }
}

fn check_debian(os_release: &str) -> Result<(), LabError> {
    let value = |key| {
        os_release.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("").trim_matches('"')
    };
    let is_debian =
        [value("ID="), value("ID_LIKE=")].iter().any(|ids| ids.split(' ').any(|id| id == "debian"));
    if is_debian {
        Ok(())
    } else {
        Err(LabError::NotDebian { found: format!("ID={:?}", value("ID=")) })
    }
}

fn missing_packages(needed: &[(&str, &'static str)]) -> Vec<&'static str> {
    let missing = needed.iter().filter(|(file, _)| !is_here(file)).map(|&(_, package)| package);
    let mut packages: Vec<_> = missing.collect();
    packages.dedup();
    packages
}

fn is_here(file: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(file).exists()) // an absolute `file` joined is itself
}

fn install(packages: &[&str]) -> Result<(), LabError> {
    let apt_get = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["--yes", "--quiet"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        let line = line_of(&command);
        output_ok(&mut command, line).map(drop)
    };
    report::note(format_args!("lab: installing {} with apt-get", packages.join(" ")));
    let install = [&["install", "--no-install-recommends"], packages].concat();
    apt_get(&["update"]).and_then(|()| apt_get(&install)).map_err(|source| LabError::Install {
        packages: packages.join(" "),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_children_are_taken_others_are_refused_with_what_was_found() {
        check_debian("NAME=\"Debian GNU/Linux\"\nID=debian\n").unwrap();
        check_debian("ID=ubuntu\nID_LIKE=debian\n").unwrap();
        check_debian("ID=x\nID_LIKE=\"ubuntu debian\"\n").unwrap();
        let told = check_debian("ID=alpine\n").unwrap_err().told();
        assert!(told.contains("alpine") && told.lines().count() == 3, "{told}");
    }
}

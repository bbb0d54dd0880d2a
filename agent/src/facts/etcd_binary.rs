//! The version of the etcd binary on disk: files are rendered for the very one that reads them.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use pilaster_common::error::Help;
use pilaster_common::etcd_conf::{BadVersion, EtcdVersion};
use tokio::process::Command;

/// No etcd that Pilaster could run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadEtcd {
    #[error("etcd is not installed: there is no {path}")]
    Missing { path: String },
    #[error("cannot run {path} --version")]
    Run { path: String, source: io::Error },
    #[error("{path} --version does not say which version it is")]
    Silent { path: String },
    #[error(transparent)]
    Version(#[from] BadVersion),
}

impl Help for BadEtcd {
    fn help(&self) -> Option<String> {
        Some(
            "install it: apk add etcd etcd-ctl (Alpine), or apt-get install etcd-server etcd-client (Debian)"
                .into(),
        )
    }
}

/// Remembers the version until the file changes, so that nothing is started without need.
#[derive(Debug, Clone, Default)]
pub(crate) struct EtcdBinary {
    known: Option<(FileMark, EtcdVersion)>,
}

/// Device, inode, size and modification time: differ once a package has replaced the file.
type FileMark = (u64, u64, u64, i64);

impl EtcdBinary {
    /// The version of the binary at `path`.
    pub(crate) async fn version(&mut self, path: &Path) -> Result<EtcdVersion, BadEtcd> {
        let named = || path.display().to_string();
        let mark = mark(path).map_err(|_| BadEtcd::Missing { path: named() })?;
        if let Some((known, version)) = self.known
            && known == mark
        {
            return Ok(version);
        }
        let output = Command::new(path)
            .arg("--version")
            .env_clear()
            .env("ETCD_UNSUPPORTED_ARCH", unsupported_arch())
            .output()
            .await
            .map_err(|source| BadEtcd::Run { path: named(), source })?;
        let version = parse(&String::from_utf8_lossy(&output.stdout))
            .ok_or_else(|| BadEtcd::Silent { path: named() })?
            .parse()?;
        self.known = Some((mark, version));
        Ok(version)
    }
}

fn mark(path: &Path) -> io::Result<FileMark> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime()))
}

/// `etcd --version` ends with an error on processors that it does not support, unless told.
fn unsupported_arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86" => "386",
        arch => arch,
    }
}

/// The version in what `etcd --version` prints: `etcd Version: 3.5.16`.
fn parse(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("etcd Version: ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_etcd_prints() {
        let output = "etcd Version: 3.5.16\nGit SHA: Not provided (use ./build instead of go build)\nGo Version: go1.24.4\nGo OS/Arch: linux/amd64\n";
        assert_eq!(parse(output), Some("3.5.16"));
        assert_eq!(parse("usage: etcd"), None);
    }

    #[tokio::test]
    async fn an_etcd_that_is_not_there_is_told_with_both_ways_to_install_it() {
        let error = EtcdBinary::default().version(Path::new("/no/etcd")).await.expect_err("none");
        let help = error.help().expect("always");
        assert!(help.contains("apk add etcd etcd-ctl"), "{help}");
        assert!(help.contains("apt-get install etcd-server etcd-client"), "{help}");
    }
}

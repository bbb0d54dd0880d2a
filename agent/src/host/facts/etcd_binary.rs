//! The etcd binary on disk, its version and what it was built for: files are rendered for the very
//! one that reads them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_common::error::{Code, Help, code};
use pilaster_common::etcd_conf::{BadVersion, Processor};
use pilaster_proto::facts::InstalledEtcd;

use crate::host::exec::{RunError, run};
use crate::host::file::INSTALL_ETCD;

/// A second on a Pi that has just booted; one that hangs keeps nobody waiting.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);

/// No etcd that Pilaster could run.
#[derive(Debug, thiserror::Error)]
pub(in crate::host) enum BadEtcd {
    #[error("etcd is not installed: there is no {path}")]
    Missing { path: String },
    #[error("etcd does not say which version it is")]
    Run(#[from] RunError),
    #[error("{path} --version does not say which version it is, and for what processor")]
    Silent { path: String },
    #[error(transparent)]
    Version(#[from] BadVersion),
}

impl Help for BadEtcd {
    fn help(&self) -> Option<String> {
        Some(format!("install it: {INSTALL_ETCD}"))
    }

    fn code(&self) -> Code {
        code::NO_ETCD
    }
}

/// Remembers what is there until the file changes, so that nothing is started without need.
#[derive(Debug, Default)]
pub(in crate::host) struct EtcdBinary {
    known: Mutex<Option<(FileMark, InstalledEtcd)>>,
}

const POISONED: &str = "nothing panics while it holds this";

/// Device, inode, size and modification time: differ once a package has replaced the file.
type FileMark = (u64, u64, u64, i64);

impl EtcdBinary {
    /// The binary at `path`.
    pub(in crate::host) async fn installed(
        &self,
        path: &Path,
        clock: &dyn Clock,
    ) -> Result<InstalledEtcd, BadEtcd> {
        let named = || path.display().to_string();
        let mark = mark(path).map_err(|_| BadEtcd::Missing { path: named() })?;
        if let Some((known, installed)) = *self.known.lock().expect(POISONED)
            && known == mark
        {
            return Ok(installed);
        }
        // Even `--version` ends with an error on processors that etcd does not support, unless told
        // which that is.
        let processor = processor(path).map_or("", Processor::name);
        let variables = [("ETCD_UNSUPPORTED_ARCH", processor)];
        let said = run(&named(), &["--version"], &variables, VERSION_DEADLINE, clock).await?;
        let silent = || BadEtcd::Silent { path: named() };
        let version = value(&said, "etcd Version: ").ok_or_else(silent)?.parse()?;
        let platform = value(&said, "Go OS/Arch: ").ok_or_else(silent)?;
        let processor = platform.rsplit('/').next().and_then(|name| name.parse().ok());
        let installed = InstalledEtcd { version, processor: processor.ok_or_else(silent)? };
        *self.known.lock().expect(POISONED) = Some((mark, installed));
        Ok(installed)
    }
}

fn mark(path: &Path) -> io::Result<FileMark> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime()))
}

/// By the file's header; a script has none.
fn processor(path: &Path) -> Option<Processor> {
    let mut header = [0; 20];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    Processor::of_elf(&header)
}

/// What `etcd --version` prints behind a name: `etcd Version: 3.5.16`.
fn value<'a>(output: &'a str, name: &str) -> Option<&'a str> {
    output.split("; ").find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use pilaster_common::clock::SystemClock;

    use super::*;

    async fn said(text: &str) -> Result<InstalledEtcd, BadEtcd> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("etcd");
        let script = format!("#!/bin/sh\ncat <<'END'\n{text}END\n");
        let permissions = std::fs::Permissions::from_mode(0o755);
        let mut file = File::create(&path).expect("makes it");
        std::io::Write::write_all(&mut file, script.as_bytes()).expect("writes it");
        drop(file);
        std::fs::set_permissions(&path, permissions).expect("allows it");
        EtcdBinary::default().installed(&path, &SystemClock).await
    }

    #[tokio::test]
    async fn version_and_processor_are_what_etcd_prints() {
        let output = "etcd Version: 3.5.16\nGit SHA: Not provided (use ./build instead of go build)\nGo Version: go1.24.4\nGo OS/Arch: linux/arm\n";
        let installed = said(output).await.expect("understood");
        assert_eq!(installed.version.to_string(), "3.5.16");
        assert_eq!(installed.processor, Processor::Arm);
        assert!(matches!(said("usage: etcd\n").await, Err(BadEtcd::Silent { .. })));
        let newer = output.replace("3.5.16", "3.8.0");
        let error = said(&newer).await.expect_err("not known");
        assert!(error.to_string().contains("3.8.0 is not known"), "{error}");
    }

    #[test]
    fn the_header_of_this_very_program_says_what_it_was_built_for() {
        let own = std::env::current_exe().expect("known");
        let machine = std::env::consts::ARCH;
        assert_eq!(processor(&own), Processor::of_machine(machine));
    }

    #[tokio::test]
    async fn an_etcd_that_is_not_there_is_told_with_both_ways_to_install_it() {
        let error = EtcdBinary::default()
            .installed(Path::new("/no/etcd"), &SystemClock)
            .await
            .expect_err("none");
        let help = error.help().expect("always");
        assert!(help.contains("apk add etcd etcd-ctl"), "{help}");
        assert!(help.contains("apt-get install etcd-server etcd-client"), "{help}");
    }
}

//! Keeps small what services append to without end: what etcd says beside its own log (panics, and
//! all that an etcd says which cannot rotate its log, 3.4), and the agent's log.
//!
//! The file is cut, not moved: its service holds it open, and appends (supervise-daemon:
//! `O_APPEND`). etcd's folder is etcd's, who could put a link there; so only a plain file of one
//! name is touched.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use pilaster_common::atomic_file::{self, Access};
use pilaster_common::paths;

use super::deed::DeedError;
use crate::node::told;

/// With what is kept beside it the card holds at most 5 MiB; a chatty 3.4 writes some 100 kB a day.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;
/// Its end, which tells what happened last.
const OUTPUT_BYTES_KEPT: u64 = 1 << 20;

/// What is kept small, and where its end is put.
const OUTPUTS: [(&str, &str); 2] =
    [(paths::ETCD_OUTPUT, paths::ETCD_OUTPUT_BEFORE), (paths::AGENT_LOG, paths::AGENT_LOG_BEFORE)];

/// Whether one has grown too large.
pub(super) fn are_overgrown() -> bool {
    let metadata = OUTPUTS.iter().filter_map(|(output, _)| std::fs::symlink_metadata(output).ok());
    metadata.into_iter().any(|metadata| is_overgrown(&metadata))
}

/// Cuts those that have; one that cannot be cut leaves no other to grow.
pub(super) fn trim_all() -> Result<(), DeedError> {
    let mut first_error = None;
    for (output, before) in OUTPUTS {
        match trim(Path::new(output), Path::new(before)) {
            Ok(true) => tracing::info!("cut {output}, whose end is kept"),
            Ok(false) => {}
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    first_error.map_or(Ok(()), Err)
}

fn is_overgrown(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.nlink() == 1 && metadata.len() > OUTPUT_BYTES_MAX
}

/// Cuts `output` when it has grown too large, and puts its end into `before`. Returns whether it
/// did.
fn trim(output: &Path, before: &Path) -> Result<bool, DeedError> {
    let look = |error| {
        DeedError::from(told("", format!("cannot look at {}: {error}", output.display()), ""))
    };
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(output);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(look(error)),
    };
    let metadata = file.metadata().map_err(look)?;
    if !is_overgrown(&metadata) {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(metadata.len() - OUTPUT_BYTES_KEPT)).map_err(look)?;
    let mut end = Vec::new();
    Read::by_ref(&mut file).take(OUTPUT_BYTES_KEPT).read_to_end(&mut end).map_err(look)?;
    let access = Access { uid: metadata.uid(), gid: metadata.gid(), mode: 0o600 };
    atomic_file::replace(before, &end, access)?;
    file.set_len(0).map_err(look)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn filled(path: &Path, bytes: u64) -> File {
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("made");
        file.write_all(&vec![b'a'; bytes.try_into().expect("fits")]).expect("written");
        file.write_all(b"the end\n").expect("written");
        file
    }

    #[test]
    fn a_large_output_is_cut_while_it_is_written_and_its_end_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (output, before) = (folder.path().join("etcd.out"), folder.path().join("etcd.out.1"));
        assert!(!trim(&output, &before).expect("none there"));
        let mut writer = filled(&output, OUTPUT_BYTES_MAX);
        assert!(trim(&output, &before).expect("cut"));
        writer.write_all(b"goes on\n").expect("written");
        assert_eq!(fs::read(&output).expect("there"), b"goes on\n");
        let kept = fs::read(&before).expect("there");
        assert!(kept.ends_with(b"the end\n") && kept.len() as u64 == OUTPUT_BYTES_KEPT);
        assert!(!trim(&output, &before).expect("small"));
    }

    #[test]
    fn what_is_a_link_to_another_file_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let [shadow, output, before] =
            ["shadow", "etcd.out", "etcd.out.1"].map(|n| folder.path().join(n));
        drop(filled(&shadow, OUTPUT_BYTES_MAX));
        let size = fs::metadata(&shadow).expect("there").len();
        symlink(&shadow, &output).expect("made");
        assert!(trim(&output, &before).is_err());
        fs::remove_file(&output).expect("there");
        fs::hard_link(&shadow, &output).expect("made");
        assert!(!trim(&output, &before).expect("looked at"));
        assert_eq!(fs::metadata(&shadow).expect("there").len(), size);
    }
}

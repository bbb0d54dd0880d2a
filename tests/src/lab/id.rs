//! A lab's id, and every name and path on this machine that is made from it. What carries the id is
//! the lab's; nothing else is.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::LabError;

/// Who owns what, as long as the machine runs: a folder for each lab.
pub(crate) const RUN_DIR: &str = "/run/pilaster-lab";
/// The disks of the hosts, a folder for each lab. On a real disk: /tmp may be in memory.
pub(crate) const STATE_DIR: &str = "/var/lib/pilaster-lab";
/// Root file systems, kept from run to run.
pub(crate) const CACHE_DIR: &str = "/var/cache/pilaster-lab";

/// The switch's node name.
pub(crate) const HUB: &str = "hub";
/// The workstation's node name.
pub(crate) const WORKSTATION: &str = "ws";

/// A lab's id: 1 to 12 lower case letters and digits, so that `pl-ID-` is the prefix of no other
/// lab's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabId(String);

impl LabId {
    /// A new one, such as `k3x9a`.
    pub fn random() -> Self {
        const SYMBOLS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789"; // 32, none that looks like another
        let random = RandomState::new().build_hasher().finish();
        Self(
            (0..5)
                .map(|place| char::from(SYMBOLS[(random >> (5 * place)) as usize % SYMBOLS.len()]))
                .collect(),
        )
    }

    /// The start of every name that is the lab's.
    pub(crate) fn prefix(&self) -> String {
        format!("pl-{self}-")
    }

    /// The network namespace of a host, the workstation or the hub; its cgroup's name too.
    pub(crate) fn node(&self, name: &str) -> String {
        format!("pl-{self}-{name}")
    }

    /// Journal and process files.
    pub(crate) fn run_dir(&self) -> PathBuf {
        Path::new(RUN_DIR).join(&self.0)
    }

    pub(crate) fn journal_file(&self) -> PathBuf {
        self.run_dir().join("journal.json")
    }

    /// Processes started for `node`: lines of /proc/PID/stat. A host's holds its PID 1.
    pub(crate) fn process_file(&self, node: &str) -> PathBuf {
        self.run_dir().join(format!("{node}.stat"))
    }

    /// Everything of the lab that lies on disk.
    pub(crate) fn state_dir(&self) -> PathBuf {
        Path::new(STATE_DIR).join(&self.0)
    }

    /// A host's disk and its console.
    pub(crate) fn host_dir(&self, host: &str) -> PathBuf {
        self.state_dir().join("hosts").join(host)
    }

    /// Files that `ip netns exec` puts over those in /etc for the workstation.
    pub(crate) fn workstation_etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(self.node(WORKSTATION))
    }
}

impl FromStr for LabId {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let valid = matches!(text.len(), 1..=12)
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let bad = || LabError::BadName {
            kind: "lab id",
            found: text.to_owned(),
            wanted: "1 to 12 lower case letters and digits",
        };
        if valid { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }
}

impl TryFrom<String> for LabId {
    type Error = LabError;

    fn try_from(text: String) -> Result<Self, LabError> {
        text.parse()
    }
}

impl From<LabId> for String {
    fn from(id: LabId) -> Self {
        id.0
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

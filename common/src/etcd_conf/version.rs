//! etcd's version: files are rendered for the very one that reads them, since etcd ignores keys it
//! does not know without a word.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Help;

/// A release of etcd, such as 3.5.16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EtcdVersion {
    /// Always 3.
    pub major: u32,
    /// 4 to 7.
    pub minor: u32,
    /// Any.
    pub patch: u32,
}

/// Why a version is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVersion {
    /// Not three numbers.
    #[error("{text:?} is no version of etcd")]
    Malformed {
        /// As given.
        text: String,
    },
    /// A release whose keys are not in the table.
    #[error("etcd {text} is not known to this Pilaster, which knows 3.4 to 3.7")]
    Unknown {
        /// As given.
        text: String,
    },
}

impl Help for BadVersion {
    fn help(&self) -> Option<String> {
        Some("install an etcd of 3.4 to 3.7; what is there: etcd --version".into())
    }
}

impl EtcdVersion {
    /// Whether this release is at least the first one of its minor that is listed; minors after the
    /// last one listed are.
    pub(crate) fn has(self, first_patches: &[(u32, u32)]) -> bool {
        match first_patches.iter().find(|(minor, _)| *minor == self.minor) {
            Some((_, patch)) => self.patch >= *patch,
            None => first_patches.iter().all(|(minor, _)| *minor < self.minor),
        }
    }
}

impl TryFrom<String> for EtcdVersion {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<EtcdVersion> for String {
    fn from(version: EtcdVersion) -> Self {
        version.to_string()
    }
}

impl FromStr for EtcdVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let malformed = || BadVersion::Malformed { text: text.into() };
        let numbers: Vec<u32> = text
            .split('.')
            .map(|part| part.parse().map_err(|_| malformed()))
            .collect::<Result<_, _>>()?;
        let [major, minor, patch] = numbers[..] else { return Err(malformed()) };
        if major != 3 || !(4..=7).contains(&minor) {
            return Err(BadVersion::Unknown { text: text.into() });
        }
        Ok(Self { major, minor, patch })
    }
}

impl fmt::Display for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.major, self.minor, self.patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_minors_are_taken() {
        for good in ["3.4.23", "3.5.16", "3.6.15", "3.7.2"] {
            assert_eq!(good.parse::<EtcdVersion>().expect(good).to_string(), good);
        }
        for bad in ["3.3.1", "3.8.0", "4.5.1", "2.3.8", "3.5", "3.5.x", "", "3.5.16-rc.1"] {
            assert!(bad.parse::<EtcdVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_feature_begins_at_its_first_patch_of_each_minor() {
        let version = |text: &str| text.parse::<EtcdVersion>().expect(text);
        let since = [(4, 25), (5, 8)];
        assert!(!version("3.4.24").has(&since) && version("3.4.25").has(&since));
        assert!(!version("3.5.7").has(&since) && version("3.5.8").has(&since));
        assert!(version("3.6.0").has(&since));
        assert!(!version("3.4.40").has(&[(5, 0)]));
    }
}

//! All that can be done to a host. What cannot be said here is not done.

use pilaster_common::error::{Code, Help, Told, code};
use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_common::profile::Profile;
use serde::{Deserialize, Serialize};

use super::file::File;
use super::service::Service;

/// One thing to do to the host. It names all it needs: no choice is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Make etcd's folder.
    MakeFolder,
    /// Put a file without a key in place whole, with its owner and mode, if it differs.
    Place {
        /// Which.
        file: File,
        /// All of it.
        content: String,
    },
    /// Make new keys for etcd, and give requests for their certificates. They are kept in memory
    /// until [`Deed::InstallLeaf`]; what is asked for again gets new ones.
    MakeKeys {
        /// For which.
        profiles: Vec<Profile>,
    },
    /// Put a chain and the key that was made for it in place.
    InstallLeaf {
        /// Which.
        profile: Profile,
        /// DER, the leaf first.
        chain: Vec<Vec<u8>>,
    },
    /// Keep a file as it is beside itself, since it is about to be replaced.
    Keep(File),
    /// Put back what was kept, and keep it no longer.
    PutBack(File),
    /// Erase what was kept.
    EraseBefore(File),
    /// Do something to a service, and wait until it is done.
    Service {
        /// To which.
        service: Service,
        /// What.
        verb: ServiceVerb,
    },
    /// Keep etcd at the minor of this version, which is installed, whatever the host's packages are
    /// upgraded to.
    Pin(EtcdVersion),
    /// Cut what services append to without end.
    TrimOutputs,
}

/// What can be done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceVerb {
    /// Start it now.
    Start,
    /// Start it at each boot.
    Enable,
}

/// What came of a deed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// It is done.
    Done,
    /// Keys are made: PKCS#10, DER.
    Requests(Vec<(Profile, Vec<u8>)>),
}

/// Why a deed was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{cause}")]
pub struct DeedError {
    code: Code,
    cause: String,
    help: String,
}

impl DeedError {
    /// This error, and all below it.
    pub fn of(error: &impl Help) -> Self {
        Told::new("", error).into()
    }
}

impl From<Told> for DeedError {
    fn from(Told { code, what: _, cause, help }: Told) -> Self {
        Self { code, cause, help }
    }
}

impl Help for DeedError {
    fn help(&self) -> Option<String> {
        Some(self.help.clone())
    }

    /// A step on the node failed, unless the error knows better.
    fn code(&self) -> Code {
        if self.code == code::OTHER { code::STEP } else { self.code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_and_what_comes_of_it_pass_through_a_pipe() {
        let deed = Deed::InstallLeaf { profile: Profile::Peer, chain: vec![vec![1, 2]] };
        let text = serde_json::to_string(&deed).expect("plain data");
        assert_eq!(text, r#"{"InstallLeaf":{"profile":"peer","chain":[[1,2]]}}"#);
        assert_eq!(serde_json::from_str::<Deed>(&text).expect("the same"), deed);
        let told = Told { code: code::NOT_PINNED, cause: "c".into(), ..Told::default() };
        let error = DeedError::from(told);
        let text = serde_json::to_string(&error).expect("plain data");
        let back: DeedError = serde_json::from_str(&text).expect("the same");
        assert_eq!((back.code(), back.to_string()), (code::NOT_PINNED, "c".into()));
    }
}

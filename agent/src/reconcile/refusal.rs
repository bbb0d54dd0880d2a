//! Why a desired state is not taken over (promise 13), or cannot be yet. Nothing is written then.

use std::net::IpAddr;

use pilaster_common::error::{Code, Help, Told, code};
use pilaster_common::etcd_conf::{BadValue, EtcdVersion};
use pilaster_common::name::NodeId;
use pilaster_common::node_file::NodeFile;
use pilaster_common::profile::Profile;
use pilaster_common::templates::TEMPLATES;
use pilaster_proto::facts::InstalledEtcd;

use crate::host::{ETCD_USER, INSTALL_ETCD};

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("its epoch is {got}, and {accepted} was accepted before")]
    OldEpoch { got: u64, accepted: u64 },
    #[error("generation {accepted} was accepted before")]
    OldGeneration { accepted: u64 },
    #[error("it is rendered with templates of version {got}, this agent has {}", versions())]
    Template { got: u32 },
    #[error("it is for {got}, and this is {own}")]
    OtherNode { got: NodeId, own: NodeId },
    #[error("it gives this node the address {got}, which its interface does not have")]
    OtherAddress { got: IpAddr },
    #[error("this node is not among the members that it names")]
    NotAMember,
    #[error("{}", .0.cause)]
    NoEtcd(Told),
    #[error("it is for etcd {got}, and etcd {installed} is installed")]
    OtherVersion { got: EtcdVersion, installed: EtcdVersion },
    #[error("etcd {} for {} is installed, and the member's files are for etcd {got}", .installed.version, .installed.processor)]
    Replaced { got: EtcdVersion, installed: InstalledEtcd },
    #[error("it is for a processor or service manager that this node does not have: {got}")]
    OtherHost { got: String },
    #[error("etcd would not start with it: {0}")]
    BadValue(BadValue),
    #[error("{file} is not what its values give: {difference}")]
    OtherText { file: NodeFile, difference: String },
    #[error(
        "it would give {name:?} an address in /etc/hosts, which is none of the cluster's names"
    )]
    ForeignName { name: String },
    #[error("it would give a name the address {address} in /etc/hosts")]
    ForeignAddress { address: IpAddr },
    #[error("it wants two {profile} certificates")]
    TwoOfAProfile { profile: Profile },
    #[error("there is no user {ETCD_USER}")]
    NoEtcdUser,
    #[error("/etc/hosts cannot be read as text")]
    HostsUnreadable,
    #[error("{holders}")]
    PortsTaken { holders: String },
}

fn versions() -> String {
    let versions: Vec<_> = TEMPLATES.versions().iter().map(u32::to_string).collect();
    versions.join(" and ")
}

impl Refusal {
    /// Its stable number, and what to do about it.
    fn guide(&self) -> (Code, String) {
        let (code, help) = match self {
            Self::OldEpoch { .. } | Self::OldGeneration { .. } => {
                (code::OLD_STATE, "was an old backup of the coordinator put back? its log tells")
            }
            Self::Template { .. } => {
                (code::TEMPLATE, "bring agent and coordinator to the same release")
            }
            Self::OtherAddress { .. } => (
                code::OTHER_ADDRESS,
                "give the interface that address, or put the new one into the spec: coordctl apply",
            ),
            Self::NoEtcd(told) => (code::NO_ETCD, &told.help[..]),
            Self::NoEtcdUser => return (code::NO_ETCD_USER, format!("install it: {INSTALL_ETCD}")),
            Self::BadValue(error) => return (code::BAD_VALUE, error.help().unwrap_or_default()),
            Self::Replaced { got, .. } => {
                let help = format!(
                    "install etcd 3.{} again before this node or its etcd restarts; its files stay as they are",
                    got.minor
                );
                return (code::OTHER_ETCD, help);
            }
            Self::OtherVersion { .. } | Self::OtherHost { .. } => (
                code::OTHER_ETCD,
                "the coordinator renders for what this node reports; if this stays, read its log",
            ),
            Self::HostsUnreadable => {
                (code::HOSTS_UNREADABLE, "write it anew as plain text, then this goes on by itself")
            }
            Self::PortsTaken { .. } => {
                (code::PORTS_TAKEN, "stop that process, or move it to other ports")
            }
            Self::OtherNode { .. }
            | Self::NotAMember
            | Self::OtherText { .. }
            | Self::ForeignName { .. }
            | Self::ForeignAddress { .. }
            | Self::TwoOfAProfile { .. } => (
                code::FOREIGN_STATE,
                "nothing was written; the coordinator is of another release, or not to be trusted",
            ),
        };
        (code, help.into())
    }
}

impl Help for Refusal {
    fn help(&self) -> Option<String> {
        Some(self.guide().1)
    }

    fn code(&self) -> Code {
        self.guide().0
    }
}

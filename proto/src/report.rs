//! What a node observes, sent up.

use std::net::IpAddr;

use pilaster_common::certificate::CertificateFacts;
use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Code, Told};
use pilaster_common::node_file::NodeFile;
use pilaster_common::profile::Profile;

use crate::agent::v1 as pb;
use crate::checked::{
    BadMessage, addresses, each, enumeration, leaf_profile, required, sized, texts, unknown,
};
use crate::etcd_state::EtcdState;
use crate::facts::Facts;

/// What a node observes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What it is.
    pub facts: Facts,
    /// The highest epoch that it has accepted.
    pub epoch: u64,
    /// Of the desired state that is wholly in place; 0 while there is none.
    pub generation: u64,
    /// Of etcd, in their files and as a port shows or takes them.
    pub certificates: Vec<HeldCertificate>,
    /// etcd's service.
    pub service: ServiceState,
    /// etcd itself; `None` where it did not answer on loopback.
    pub etcd: Option<EtcdState>,
    /// What keeps it from being as desired.
    pub problems: Vec<Told>,
    /// Differs after each boot; empty where the kernel does not say.
    pub boot_id: String,
    /// SHA-256 of each rendered file in place.
    pub files: Vec<(NodeFile, [u8; 32])>,
}

/// A certificate for etcd in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCertificate {
    /// Its kind.
    pub profile: Profile,
    /// Big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// The CA's key identifier.
    pub issuer_key_id: Vec<u8>,
    /// DNS names, sorted.
    pub names: Vec<String>,
    /// Sorted.
    pub addresses: Vec<IpAddr>,
    /// What its port shows, or takes of a client; `None` where it could not be asked.
    pub served: Option<ServedCertificate>,
}

/// A certificate as a port showed or took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedCertificate {
    /// Big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// How etcd's service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceState {
    /// There is no such service.
    #[default]
    Absent,
    /// It is not to run now.
    Stopped,
    /// It is to run, and its supervisor does.
    Started,
    /// It is to run, and its supervisor has died.
    Crashed,
}

impl Report {
    /// Whether it differs from `earlier` in more than times, an index and sizes: only then is it
    /// worth a message of its own (promise 12).
    pub fn is_news_after(&self, earlier: &Self) -> bool {
        self.still() != earlier.still()
    }

    /// Without what moves by itself.
    fn still(&self) -> Self {
        let mut still = self.clone();
        (still.facts.disk_free_bytes, still.facts.uptime_seconds) = (0, 0);
        if let Some(etcd) = &mut still.etcd {
            (etcd.raft_index, etcd.raft_applied_index) = (0, 0);
            (etcd.db_size_bytes, etcd.db_size_in_use_bytes) = (0, 0);
        }
        still
    }
}

impl HeldCertificate {
    /// Of what a file holds, and what its port was seen to serve.
    pub fn new(
        profile: Profile,
        leaf: CertificateFacts,
        served: Option<ServedCertificate>,
    ) -> Self {
        let CertificateFacts {
            serial, not_before, not_after, issuer_key_id, names, addresses, ..
        } = leaf;
        Self { profile, serial, not_before, not_after, issuer_key_id, names, addresses, served }
    }

    /// Whether its port was seen to serve this very one.
    pub fn is_served(&self) -> bool {
        self.served.as_ref().is_some_and(|served| served.serial == self.serial)
    }

    /// When what the port serves ends; when the file ends where that is not known.
    pub fn serves_until(&self) -> Timestamp {
        self.served.as_ref().map_or(self.not_after, |served| served.not_after)
    }
}

enumeration!(
    ServiceState,
    ServiceState: Absent = Absent, Stopped = Stopped, Started = Started, Crashed = Crashed,
);
enumeration!(
    NodeFile,
    File: EtcdConf = EtcdConf, ServiceConf = ServiceConf, ServiceScript = ServiceScript,
);

impl TryFrom<pb::Report> for Report {
    type Error = BadMessage;

    fn try_from(report: pb::Report) -> Result<Self, BadMessage> {
        let pb::Report {
            facts,
            epoch,
            generation,
            certificates,
            service,
            etcd,
            problems,
            boot_id,
            files,
        } = report;
        Ok(Self {
            facts: required("facts", facts)?.try_into()?,
            epoch,
            generation,
            certificates: each(certificates, TryInto::try_into)?,
            service: pb::ServiceState::ours(service).ok_or_else(|| unknown("service"))?,
            etcd: etcd.map(Into::into),
            problems: problems.into_iter().map(Into::into).collect(),
            boot_id,
            files: each(files, |pb::HeldFile { file, sha256 }| {
                let file = pb::File::ours(file).ok_or_else(|| unknown("files.file"))?;
                Ok((file, sized("files.sha256", &sha256)?))
            })?,
        })
    }
}

impl From<Report> for pb::Report {
    fn from(report: Report) -> Self {
        let Report {
            facts,
            epoch,
            generation,
            certificates,
            service,
            etcd,
            problems,
            boot_id,
            files,
        } = report;
        let file = |(file, sha256): (NodeFile, [u8; 32])| pb::HeldFile {
            file: pb::File::from(file).into(),
            sha256: sha256.into(),
        };
        Self {
            facts: Some(facts.into()),
            epoch,
            generation,
            certificates: certificates.into_iter().map(Into::into).collect(),
            service: pb::ServiceState::from(service).into(),
            etcd: etcd.map(Into::into),
            problems: problems.into_iter().map(Into::into).collect(),
            boot_id,
            files: files.into_iter().map(file).collect(),
        }
    }
}

impl TryFrom<pb::HeldCertificate> for HeldCertificate {
    type Error = BadMessage;

    fn try_from(held: pb::HeldCertificate) -> Result<Self, BadMessage> {
        let pb::HeldCertificate {
            profile,
            serial,
            not_before,
            not_after,
            issuer_key_id,
            names,
            addresses: ips,
            served,
        } = held;
        Ok(Self {
            profile: leaf_profile("certificates.profile", profile)?,
            serial,
            not_before: Timestamp::from_unix(not_before),
            not_after: Timestamp::from_unix(not_after),
            issuer_key_id,
            names,
            addresses: addresses("certificates.addresses", &ips)?,
            served: served.map(|pb::ServedCertificate { serial, not_after }| ServedCertificate {
                serial,
                not_after: Timestamp::from_unix(not_after),
            }),
        })
    }
}

impl From<HeldCertificate> for pb::HeldCertificate {
    fn from(held: HeldCertificate) -> Self {
        let HeldCertificate {
            profile,
            serial,
            not_before,
            not_after,
            issuer_key_id,
            names,
            addresses,
            served,
        } = held;
        Self {
            profile: pb::Profile::from(profile).into(),
            serial,
            not_before: not_before.unix(),
            not_after: not_after.unix(),
            issuer_key_id,
            names,
            addresses: texts(addresses),
            served: served.map(|ServedCertificate { serial, not_after }| pb::ServedCertificate {
                serial,
                not_after: not_after.unix(),
            }),
        }
    }
}

impl From<pb::Problem> for Told {
    fn from(problem: pb::Problem) -> Self {
        let pb::Problem { what, cause, help, code } = problem;
        let code = Code::from_number(u16::try_from(code).unwrap_or_default());
        Self { code, what, cause, help }
    }
}

impl From<Told> for pb::Problem {
    fn from(told: Told) -> Self {
        let Told { code, what, cause, help } = told;
        Self { what, cause, help, code: code.number().into() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pilaster_common::error::code;
    use pilaster_common::etcd_conf::ServiceManager;

    use super::*;
    use crate::etcd_state::EtcdMember;
    use crate::facts::InstalledEtcd;

    fn report() -> Report {
        let now = Timestamp::from_unix(1_800_000_000);
        let member = EtcdMember {
            id: 7,
            name: "m-1".into(),
            peer_urls: vec!["https://m-1:2380".into()],
            client_urls: vec!["https://m-1:2379".into()],
            is_learner: true,
        };
        Report {
            facts: Facts {
                hostname: "m-1".into(),
                addresses: vec!["192.168.7.11/24".parse().expect("good")],
                architecture: "aarch64".into(),
                etcd: Some(InstalledEtcd {
                    version: "3.5.16".parse().expect("known"),
                    processor: "arm64".parse().expect("known"),
                }),
                memory_bytes: 1,
                disk_free_bytes: 2,
                kernel: "6".into(),
                uptime_seconds: 3,
                agent_version: "0".into(),
                template_versions: vec![1],
                service_manager: Some(ServiceManager::Systemd),
            },
            epoch: 4,
            generation: 5,
            certificates: vec![HeldCertificate {
                profile: Profile::Peer,
                serial: vec![1],
                not_before: now,
                not_after: now.plus(Duration::from_secs(9)),
                issuer_key_id: vec![2],
                names: vec!["m-1".into()],
                addresses: vec![[127, 0, 0, 1].into()],
                served: Some(ServedCertificate { serial: vec![3], not_after: now }),
            }],
            service: ServiceState::Crashed,
            etcd: Some(EtcdState {
                healthy: true,
                member_id: 7,
                cluster_id: 8,
                leader_id: 9,
                raft_term: 10,
                raft_index: 11,
                raft_applied_index: 12,
                db_size_bytes: 13,
                db_size_in_use_bytes: 14,
                is_learner: true,
                version: "3.5.16".into(),
                errors: vec!["alarm".into()],
                members: vec![member],
            }),
            problems: vec![Told {
                code: code::STEP,
                what: "w".into(),
                cause: "c".into(),
                help: "h".into(),
            }],
            boot_id: "b".into(),
            files: vec![(NodeFile::ServiceScript, [4; 32])],
        }
    }

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        let sent = report();
        assert_eq!(Report::try_from(pb::Report::from(sent.clone())), Ok(sent));
    }

    #[test]
    fn what_is_not_as_agreed_is_named() {
        let refused = |field: &str, change: fn(&mut pb::Report)| {
            let mut message = pb::Report::from(report());
            change(&mut message);
            assert_eq!(Report::try_from(message).expect_err(field).field, field);
        };
        refused("facts", |r| r.facts = None);
        refused("service", |r| r.service = 0);
        refused("certificates.profile", |r| {
            r.certificates[0].profile = pb::Profile::Agent.into();
        });
        refused("certificates.addresses", |r| r.certificates[0].addresses = vec!["x".into()]);
        refused("files.file", |r| r.files[0].file = 9);
        refused("files.sha256", |r| r.files[0].sha256 = vec![1; 31]);
        refused("facts.addresses", |r| {
            r.facts.as_mut().expect("it has").addresses = vec!["x".into()];
        });
    }

    #[test]
    fn an_etcd_that_this_side_does_not_know_is_none() {
        let mut message = pb::Report::from(report());
        let facts = message.facts.as_mut().expect("it has");
        facts.etcd.as_mut().expect("it has").version = "3.9.0".into();
        assert_eq!(Report::try_from(message).expect("understood").facts.etcd, None);
    }

    #[test]
    fn only_what_does_not_move_by_itself_is_news() {
        let (earlier, mut later) = (report(), report());
        later.facts.disk_free_bytes += 1;
        later.etcd.as_mut().expect("it has").raft_index += 1;
        assert!(!later.is_news_after(&earlier));
        later.generation += 1;
        assert!(later.is_news_after(&earlier));
    }
}

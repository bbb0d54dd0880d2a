//! The only place where protobuf becomes ours and ours protobuf.
//!
//! Every field is named and checked here, none is passed over (no `..` in a pattern): what comes out holds no control character,
//! no unknown value and no name that is not one. Whether it is *acceptable* is for `reconcile::decide`.

use std::net::IpAddr;
use std::time::Duration;

use pilaster_common::error::Help;
use pilaster_common::etcd_conf::{
    EtcdConf, InitialState, LogLevel, Member, Metrics, Processor, ServiceManager, Tuning,
};
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::DomainName;
use pilaster_common::pem;
use pilaster_common::profile::Profile;
use pilaster_common::templates::TEMPLATE_VERSIONS;
use pilaster_proto::agent::v1 as pb;
use rustls_pki_types::CertificateDer;

use crate::apply::TextFile;
use crate::etcd::EtcdState;
use crate::facts::Facts;
use crate::reconcile::{Desired, Report, WantedCertificate, WantedIdentity, WantedService};
use crate::service::ServiceState;

/// A message of the coordinator that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator sent {field} that cannot be used: {cause}")]
pub(crate) struct BadMessage {
    field: &'static str,
    cause: String,
}

impl Help for BadMessage {
    fn help(&self) -> Option<String> {
        Some("agent and coordinator must fit each other: pilaster-agent --version and pilaster-coordinator --version".into())
    }
}

fn bad(field: &'static str, cause: impl ToString) -> BadMessage {
    BadMessage { field, cause: cause.to_string() }
}

fn parse<T: std::str::FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<T, BadMessage> {
    text.parse().map_err(|cause: T::Err| bad(field, cause))
}

impl TryFrom<pb::Desired> for Desired {
    type Error = BadMessage;

    fn try_from(desired: pb::Desired) -> Result<Self, BadMessage> {
        let service = match desired.service() {
            pb::WantedService::Hold => WantedService::Hold,
            pb::WantedService::Run => WantedService::Run,
            pb::WantedService::Unspecified => return Err(bad("service", "unknown value")),
        };
        let pb::Desired {
            epoch,
            generation,
            etcd,
            template_version,
            files,
            hosts,
            certificates,
            client_ca,
            peer_ca,
            service: _, // above
            hosts_domain,
            endpoints,
            identity,
        } = desired;
        Ok(Self {
            epoch,
            generation,
            etcd: etcd_conf(etcd.ok_or_else(|| bad("etcd", "missing"))?)?,
            template_version,
            files: files.into_iter().map(rendered_file).collect::<Result<_, _>>()?,
            hosts: hosts.into_iter().map(host_entry).collect::<Result<_, _>>()?,
            hosts_domain: domain(&hosts_domain)?,
            certificates: certificates
                .into_iter()
                .map(wanted_certificate)
                .collect::<Result<_, _>>()?,
            client_ca: authority("client_ca", &client_ca)?,
            peer_ca: authority("peer_ca", &peer_ca)?,
            service,
            endpoints: if endpoints.is_empty() {
                endpoints // from a coordinator that does not say: those that are known stay
            } else {
                checked_endpoints(endpoints)?
            },
            identity: identity.map(wanted_identity).transpose()?,
        })
    }
}

/// Empty where /etc/hosts is not used (`names: dns`).
fn domain(text: &str) -> Result<Option<DomainName>, BadMessage> {
    if text.is_empty() { Ok(None) } else { parse("hosts_domain", text).map(Some) }
}

/// One to 16 of `host:port`.
pub(crate) fn checked_endpoints(endpoints: Vec<String>) -> Result<Vec<String>, BadMessage> {
    let is_endpoint = |text: &String| {
        let plain = |c: char| c.is_ascii_graphic();
        let port = text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        port && text.len() <= 260 && text.chars().all(plain)
    };
    if !(1..=16).contains(&endpoints.len()) || !endpoints.iter().all(is_endpoint) {
        return Err(bad("endpoints", format!("{endpoints:?} are not 1 to 16 of host:port")));
    }
    Ok(endpoints)
}

fn wanted_identity(wanted: pb::WantedIdentity) -> Result<WantedIdentity, BadMessage> {
    let pb::WantedIdentity { renew_before_seconds, replace_serial } = wanted;
    let renew_before = span("identity.renew_before_seconds", renew_before_seconds)?;
    Ok(WantedIdentity { renew_before, replace_serial })
}

fn span(field: &'static str, seconds: i64) -> Result<Duration, BadMessage> {
    u64::try_from(seconds).map(Duration::from_secs).map_err(|_| bad(field, "below zero"))
}

fn etcd_conf(conf: pb::EtcdConfig) -> Result<EtcdConf, BadMessage> {
    let initial_state = match conf.initial_state() {
        pb::InitialState::New => InitialState::New,
        pb::InitialState::Existing => InitialState::Existing,
        pb::InitialState::Unspecified => return Err(bad("etcd.initial_state", "unknown value")),
    };
    let service_manager = match conf.service_manager() {
        pb::ServiceManager::Unspecified | pb::ServiceManager::Openrc => ServiceManager::OpenRc,
        pb::ServiceManager::Systemd => ServiceManager::Systemd,
    };
    let pb::EtcdConfig {
        version,
        cluster,
        domain,
        node,
        address,
        members,
        token,
        initial_state: _, // above
        heartbeat_ms,
        election_ms,
        snapshot_count,
        quota_bytes,
        compaction_retention_seconds,
        architecture,
        memory_limit_bytes,
        processor,
        service_manager: _, // above
        tuning,
    } = conf;
    let architecture = word("etcd.architecture", architecture)?;
    Ok(EtcdConf {
        version: parse("etcd.version", &version)?,
        cluster: parse("etcd.cluster", &cluster)?,
        domain: parse("etcd.domain", &domain)?,
        node: parse("etcd.node", &node)?,
        address: parse("etcd.address", &address)?,
        members: members.into_iter().map(member).collect::<Result<_, _>>()?,
        token: word("etcd.token", token)?,
        initial_state,
        heartbeat_ms,
        election_ms,
        snapshot_count,
        quota_bytes,
        compaction_retention_seconds,
        processor: etcd_processor(&processor, &architecture)?,
        architecture,
        service_manager,
        memory_limit_bytes: (memory_limit_bytes != 0).then_some(memory_limit_bytes),
        tuning: tuning.map(etcd_tuning).transpose()?.unwrap_or_default(),
    })
}

/// A coordinator whose templates are of version 1 does not say it, and renders nothing from it.
fn etcd_processor(processor: &str, architecture: &str) -> Result<Processor, BadMessage> {
    if processor.is_empty() {
        let likely = Processor::of_machine(architecture);
        return likely.ok_or_else(|| bad("etcd.architecture", "it is not known here"));
    }
    parse("etcd.processor", processor)
}

fn etcd_tuning(tuning: pb::EtcdTuning) -> Result<Tuning, BadMessage> {
    let metrics = match tuning.metrics() {
        pb::Metrics::Basic => Metrics::Basic,
        pb::Metrics::Extensive => Metrics::Extensive,
        pb::Metrics::Unspecified => return Err(bad("etcd.tuning.metrics", "unknown value")),
    };
    let log_level = match tuning.log_level() {
        pb::LogLevel::Debug => LogLevel::Debug,
        pb::LogLevel::Info => LogLevel::Info,
        pb::LogLevel::Warn => LogLevel::Warn,
        pb::LogLevel::Error => LogLevel::Error,
        pb::LogLevel::Unspecified => return Err(bad("etcd.tuning.log_level", "unknown value")),
    };
    let pb::EtcdTuning {
        snapshot_catchup_entries,
        max_request_bytes,
        max_txn_ops,
        max_concurrent_streams,
        max_wals,
        backend_batch_interval_ns,
        backend_batch_limit,
        grpc_keepalive_min_time_ns,
        grpc_keepalive_interval_ns,
        grpc_keepalive_timeout_ns,
        grpc_gateway,
        metrics: _,   // above
        log_level: _, // above
        watch_progress_notify_interval_ns,
        initial_corrupt_check,
        compact_hash_check,
        compact_hash_check_interval_ns,
        corrupt_check_interval_ns,
        max_learners,
    } = tuning;
    let duration = |nanoseconds: Option<u64>| nanoseconds.map(Duration::from_nanos);
    Ok(Tuning {
        snapshot_catchup_entries,
        max_request_bytes,
        max_txn_ops,
        max_concurrent_streams,
        max_wals,
        backend_batch_interval: duration(backend_batch_interval_ns),
        backend_batch_limit,
        grpc_keepalive_min_time: duration(grpc_keepalive_min_time_ns),
        grpc_keepalive_interval: duration(grpc_keepalive_interval_ns),
        grpc_keepalive_timeout: duration(grpc_keepalive_timeout_ns),
        grpc_gateway,
        metrics,
        log_level,
        watch_progress_notify_interval: duration(watch_progress_notify_interval_ns),
        initial_corrupt_check,
        compact_hash_check,
        compact_hash_check_interval: duration(compact_hash_check_interval_ns),
        corrupt_check_interval: duration(corrupt_check_interval_ns),
        max_learners,
    })
}

fn member(member: pb::ClusterMember) -> Result<Member, BadMessage> {
    let pb::ClusterMember { name, host } = member;
    Ok(Member {
        name: parse("etcd.members.name", &name)?,
        host: host_name("etcd.members.host", host)?,
    })
}

/// Letters, digits and `. _ -`, at most 128: nothing that a shell, YAML or a URL reads as more than itself.
fn word(field: &'static str, text: String) -> Result<String, BadMessage> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(plain) {
        return Err(bad(
            field,
            "1 to 128 letters, digits, dots, hyphens or underscores are wanted",
        ));
    }
    Ok(text)
}

/// A name or an address, as in a URL or in /etc/hosts.
fn host_name(field: &'static str, text: String) -> Result<String, BadMessage> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
    };
    if text.len() > 253 || !text.split('.').all(label) {
        return Err(bad(field, format!("{text:?} is no host name")));
    }
    Ok(text)
}

fn rendered_file(file: pb::RenderedFile) -> Result<(TextFile, String), BadMessage> {
    let kind = match file.file() {
        pb::File::EtcdConf => TextFile::EtcdConf,
        pb::File::ServiceConf => TextFile::ServiceConf,
        pb::File::ServiceScript => TextFile::ServiceScript,
        pb::File::Unspecified => return Err(bad("files.file", "unknown value")),
    };
    let pb::RenderedFile { file: _, text } = file;
    Ok((kind, text))
}

fn host_entry(entry: pb::HostEntry) -> Result<HostEntry, BadMessage> {
    let pb::HostEntry { address, names } = entry;
    if names.is_empty() {
        return Err(bad("hosts.names", "an address without a name"));
    }
    Ok(HostEntry {
        address: parse("hosts.address", &address)?,
        names: names
            .into_iter()
            .map(|name| host_name("hosts.names", name))
            .collect::<Result<_, _>>()?,
    })
}

fn wanted_certificate(wanted: pb::WantedCertificate) -> Result<WantedCertificate, BadMessage> {
    let profile = profile("certificates.profile", wanted.profile())?;
    if profile == Profile::Agent {
        return Err(bad("certificates.profile", "the identity is no certificate of etcd's"));
    }
    let pb::WantedCertificate {
        profile: _, // above
        mut names,
        addresses,
        common_name,
        issuer_key_id,
        renew_before_seconds,
        replace_serial,
        gateway,
    } = wanted;
    names.sort();
    let mut addresses: Vec<IpAddr> = addresses
        .iter()
        .map(|address| parse("certificates.addresses", address))
        .collect::<Result<_, _>>()?;
    addresses.sort();
    Ok(WantedCertificate {
        profile,
        names,
        addresses,
        common_name,
        gateway,
        issuer_key_id,
        renew_before: span("certificates.renew_before_seconds", renew_before_seconds)?,
        replace_serial,
    })
}

fn profile(field: &'static str, profile: pb::Profile) -> Result<Profile, BadMessage> {
    Ok(match profile {
        pb::Profile::Agent => Profile::Agent,
        pb::Profile::Server => Profile::Server,
        pb::Profile::Peer => Profile::Peer,
        pb::Profile::Client => Profile::Client,
        pb::Profile::Unspecified => return Err(bad(field, "unknown value")),
    })
}

/// One CA certificate or several, written again by us: no other text gets into the file.
fn authority(field: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadMessage> {
    let certificates = pem::certificates(text).map_err(|cause| bad(field, cause))?;
    if certificates.is_empty() {
        return Err(bad(field, "no certificate"));
    }
    crate::trust::anchors(&certificates).map_err(|cause| bad(field, cause))?;
    Ok(certificates)
}

/// The chains of a reply, which must answer the profiles asked for in their order.
pub(crate) fn issued(
    asked: &[Profile],
    reply: pb::IssueReply,
) -> Result<Vec<Vec<CertificateDer<'static>>>, BadMessage> {
    let pb::IssueReply { issued } = reply;
    let answered: Vec<Profile> = issued
        .iter()
        .map(|one| profile("issued.profile", one.profile()))
        .collect::<Result<_, _>>()?;
    if answered != asked {
        return Err(bad("issued", "other profiles than were asked for"));
    }
    Ok(issued.into_iter().map(|pb::Issued { profile: _, chain }| chain_of(chain)).collect())
}

/// DER certificates as they come.
pub(crate) fn chain_of(chain: Vec<Vec<u8>>) -> Vec<CertificateDer<'static>> {
    chain.into_iter().map(CertificateDer::from).collect()
}

/// A request for these keys' certificates.
pub(crate) fn issue_request(
    generation: u64,
    csrs: impl IntoIterator<Item = (Profile, Vec<u8>)>,
) -> pb::IssueRequest {
    let csrs = csrs.into_iter().map(|(profile, der)| pb::Csr { profile: to_profile(profile), der });
    pb::IssueRequest { generation, csrs: csrs.collect() }
}

fn to_profile(profile: Profile) -> i32 {
    match profile {
        Profile::Agent => pb::Profile::Agent,
        Profile::Server => pb::Profile::Server,
        Profile::Peer => pb::Profile::Peer,
        Profile::Client => pb::Profile::Client,
    }
    .into()
}

impl From<Facts> for pb::Facts {
    fn from(facts: Facts) -> Self {
        let Facts { hostname, addresses, etcd, service_manager, machine } = facts;
        Self {
            hostname,
            eth0: addresses.iter().map(ToString::to_string).collect(),
            architecture: machine.architecture,
            etcd_version: etcd.as_ref().map(|etcd| etcd.version.to_string()).unwrap_or_default(),
            memory_bytes: machine.memory_bytes,
            disk_free_bytes: machine.disk_free_bytes,
            kernel: machine.kernel,
            uptime_seconds: machine.uptime_seconds,
            agent_version: env!("CARGO_PKG_VERSION").into(),
            template_versions: TEMPLATE_VERSIONS.to_vec(),
            etcd_processor: etcd.map(|etcd| etcd.processor.to_string()).unwrap_or_default(),
            service_manager: match service_manager {
                None => pb::ServiceManager::Unspecified,
                Some(ServiceManager::OpenRc) => pb::ServiceManager::Openrc,
                Some(ServiceManager::Systemd) => pb::ServiceManager::Systemd,
            }
            .into(),
        }
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
        Self {
            facts: Some(facts.into()),
            epoch,
            generation,
            certificates: certificates
                .into_iter()
                .map(|(profile, leaf, served)| {
                    let (served_serial, served_not_after) = served
                        .map(|shown| (shown.serial, shown.not_after.unix()))
                        .unwrap_or_default();
                    pb::HeldCertificate {
                        profile: to_profile(profile),
                        serial: leaf.serial,
                        not_before: leaf.not_before.unix(),
                        not_after: leaf.not_after.unix(),
                        issuer_key_id: leaf.issuer_key_id,
                        names: leaf.names,
                        addresses: leaf.addresses.iter().map(ToString::to_string).collect(),
                        served_serial,
                        served_not_after,
                    }
                })
                .collect(),
            service: match service {
                ServiceState::Absent => pb::ServiceState::Absent,
                ServiceState::Stopped => pb::ServiceState::Stopped,
                ServiceState::Started => pb::ServiceState::Started,
                ServiceState::Crashed => pb::ServiceState::Crashed,
            }
            .into(),
            etcd: Some(etcd.into()),
            problems: problems
                .into_iter()
                .map(|told| pb::Problem { what: told.what, cause: told.cause, help: told.help })
                .collect(),
            boot_id,
            files: files
                .into_iter()
                .map(|(file, sha256)| pb::HeldFile { file: to_file(file), sha256: sha256.to_vec() })
                .collect(),
        }
    }
}

fn to_file(file: TextFile) -> i32 {
    match file {
        TextFile::EtcdConf => pb::File::EtcdConf,
        TextFile::ServiceConf => pb::File::ServiceConf,
        TextFile::ServiceScript => pb::File::ServiceScript,
    }
    .into()
}

impl From<EtcdState> for pb::EtcdState {
    fn from(state: EtcdState) -> Self {
        let EtcdState { reachable, healthy, status, members } = state;
        let status = status.unwrap_or_default();
        Self {
            reachable,
            healthy,
            member_id: status.member_id,
            cluster_id: status.cluster_id,
            leader_id: status.leader_id,
            raft_term: status.raft_term,
            raft_index: status.raft_index,
            raft_applied_index: status.raft_applied_index,
            db_size: status.db_size,
            db_size_in_use: status.db_size_in_use,
            is_learner: status.is_learner,
            version: status.version,
            errors: status.errors,
            members: members
                .into_iter()
                .map(|member| pb::Member {
                    id: member.id,
                    name: member.name,
                    peer_urls: member.peer_urls,
                    client_urls: member.client_urls,
                    is_learner: member.is_learner,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestCa;

    fn good() -> pb::Desired {
        let ca = pem::encode_certificates([&TestCa::new("ca").root]).into_bytes();
        pb::Desired {
            epoch: 1,
            generation: 2,
            etcd: Some(pb::EtcdConfig {
                version: "3.5.16".into(),
                cluster: "x-k3s".into(),
                domain: "edge.huatai.me".into(),
                node: "m-1".into(),
                address: "192.168.7.11".into(),
                members: vec![pb::ClusterMember {
                    name: "m-1".into(),
                    host: "m-1.edge.huatai.me".into(),
                }],
                token: "x-k3s-1".into(),
                initial_state: pb::InitialState::New.into(),
                architecture: "aarch64".into(),
                ..Default::default()
            }),
            template_version: 1,
            files: vec![pb::RenderedFile { file: pb::File::EtcdConf.into(), text: "t".into() }],
            hosts: vec![pb::HostEntry {
                address: "192.168.7.11".into(),
                names: vec!["m-1".into()],
            }],
            certificates: vec![pb::WantedCertificate {
                profile: pb::Profile::Server.into(),
                names: vec!["b".into(), "a".into()],
                addresses: vec!["192.168.7.11".into(), "127.0.0.1".into()],
                ..Default::default()
            }],
            client_ca: ca.clone(),
            peer_ca: ca,
            service: pb::WantedService::Hold.into(),
            hosts_domain: "edge.huatai.me".into(),
            endpoints: vec!["192.168.7.2:7443".into()],
            identity: Some(pb::WantedIdentity::default()),
        }
    }

    #[track_caller]
    fn refused(field: &str, change: impl FnOnce(&mut pb::Desired)) {
        let mut desired = good();
        change(&mut desired);
        let error = Desired::try_from(desired).expect_err(field);
        assert_eq!(error.field, field, "{error}");
    }

    fn etcd(desired: &mut pb::Desired) -> &mut pb::EtcdConfig {
        desired.etcd.as_mut().expect("good() has it")
    }

    #[test]
    fn a_good_message_is_understood_and_sorted() {
        let desired = Desired::try_from(good()).expect("good");
        let wanted = &desired.certificates[0];
        assert_eq!(wanted.names, ["a", "b"]);
        assert_eq!(wanted.addresses[0].to_string(), "127.0.0.1");
        assert_eq!(desired.etcd.memory_limit_bytes, None);
    }

    #[test]
    fn every_bad_field_is_named() {
        refused("etcd", |d| d.etcd = None);
        refused("service", |d| d.service = 0);
        refused("service", |d| d.service = 99);
        refused("etcd.version", |d| etcd(d).version = "3.8.0".into());
        refused("etcd.cluster", |d| etcd(d).cluster = "a b".into());
        refused("etcd.domain", |d| etcd(d).domain = "local".into());
        refused("etcd.node", |d| etcd(d).node = "../m-1".into());
        refused("etcd.address", |d| etcd(d).address = "fe80::1".into());
        refused("etcd.members.name", |d| etcd(d).members[0].name = "etcd".into());
        refused("etcd.members.host", |d| etcd(d).members[0].host = "m-1,evil".into());
        refused("etcd.token", |d| etcd(d).token = "a\nb".into());
        refused("etcd.token", |d| etcd(d).token = "x".repeat(129));
        refused("etcd.architecture", |d| etcd(d).architecture = "arm; reboot".into());
        refused("etcd.initial_state", |d| etcd(d).initial_state = 7);
        refused("etcd.architecture", |d| etcd(d).architecture = "vax".into());
        refused("etcd.processor", |d| etcd(d).processor = "arm; reboot".into());
        refused("etcd.tuning.metrics", |d| etcd(d).tuning = Some(pb::EtcdTuning::default()));
        refused("etcd.tuning.log_level", |d| {
            let metrics = pb::Metrics::Basic.into();
            etcd(d).tuning = Some(pb::EtcdTuning { metrics, log_level: 9, ..Default::default() });
        });
        refused("files.file", |d| d.files[0].file = 0);
        refused("hosts.address", |d| d.hosts[0].address = "x".into());
        refused("hosts.names", |d| d.hosts[0].names = vec!["a\n127.0.0.1 b".into()]);
        refused("hosts.names", |d| d.hosts[0].names.clear());
        refused("hosts_domain", |d| d.hosts_domain = "me".into());
        refused("certificates.profile", |d| d.certificates[0].profile = 0);
        refused("certificates.profile", |d| d.certificates[0].profile = pb::Profile::Agent.into());
        refused("certificates.addresses", |d| d.certificates[0].addresses[0] = "m-1".into());
        refused("certificates.renew_before_seconds", |d| {
            d.certificates[0].renew_before_seconds = -1;
        });
        refused("identity.renew_before_seconds", |d| {
            d.identity.as_mut().expect("good() has it").renew_before_seconds = -1;
        });
        for endpoint in ["", ":1", "a:", "a", "a:0", "a:65536", "a b:1", "a:1\n"] {
            refused("endpoints", |d| d.endpoints.push(endpoint.into()));
        }
        refused("endpoints", |d| d.endpoints = vec!["a:1".into(); 17]);
        refused("client_ca", |d| d.client_ca = b"# nothing".to_vec());
        refused("peer_ca", |d| d.peer_ca.truncate(100));
    }

    #[test]
    fn an_answer_for_other_profiles_is_refused() {
        let reply = |profile: pb::Profile| pb::IssueReply {
            issued: vec![pb::Issued { profile: profile.into(), chain: vec![vec![1]] }],
        };
        assert!(issued(&[Profile::Server], reply(pb::Profile::Server)).is_ok());
        assert!(issued(&[Profile::Server], reply(pb::Profile::Client)).is_err());
        assert!(issued(&[Profile::Server, Profile::Peer], reply(pb::Profile::Server)).is_err());
        assert!(issued(&[Profile::Server], reply(pb::Profile::Unspecified)).is_err());
    }
}

//! Every field of a desired state is checked at the door, and goes there and back.

use pilaster_common::clock::{Clock, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;

fn good() -> pb::Desired {
    let key = KeyPair::generate().expect("random bytes");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = SystemClock.now().to_offset_date_time();
    let root = params.self_signed(&key).expect("signs").der().clone();
    let ca = pem::encode_certificates([&root]).into_bytes();
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
            processor: "arm64".into(),
            service_manager: pb::ServiceManager::Openrc.into(),
            tuning: Some(pb::EtcdTuning {
                metrics: pb::Metrics::Basic.into(),
                log_level: pb::LogLevel::Info.into(),
                grpc_keepalive_timeout_ns: Some(7_000_000_000),
                ..Default::default()
            }),
            ..Default::default()
        }),
        template_version: 1,
        files: vec![pb::RenderedFile { file: pb::File::EtcdConf.into(), text: "t".into() }],
        hosts: vec![pb::HostEntry { address: "192.168.7.11".into(), names: vec!["m-1".into()] }],
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
fn a_good_message_is_understood_and_sorted_and_goes_back() {
    let desired = Desired::try_from(good()).expect("good");
    let wanted = &desired.state.certificates[0];
    assert_eq!(wanted.names, ["a", "b"]);
    assert_eq!(wanted.addresses[0].to_string(), "127.0.0.1");
    assert_eq!(desired.state.etcd.memory_limit_bytes, None);
    let again = Desired::try_from(pb::Desired::from(desired.clone())).expect("our own");
    assert_eq!(again, desired);
    assert_eq!(again.state.digest(), desired.state.digest());
    let mut other = desired.state.clone();
    other.certificates[0].replace_serial = Some(vec![1]);
    assert_ne!(other.digest(), desired.state.digest());
}

#[test]
fn promise_13_every_bad_field_is_named() {
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
    refused("etcd.initial_state", |d| etcd(d).initial_state = 7);
    refused("etcd.processor", |d| etcd(d).processor = "arm; reboot".into());
    refused("etcd.service_manager", |d| etcd(d).service_manager = 0);
    refused("etcd.tuning", |d| etcd(d).tuning = None);
    refused("etcd.tuning.metrics", |d| etcd(d).tuning = Some(pb::EtcdTuning::default()));
    refused("etcd.tuning.log_level", |d| {
        etcd(d).tuning.as_mut().expect("good() has it").log_level = 9;
    });
    refused("files.file", |d| d.files[0].file = 0);
    refused("hosts.address", |d| d.hosts[0].address = "x".into());
    refused("hosts.names", |d| d.hosts[0].names = vec!["a\n127.0.0.1 b".into()]);
    refused("hosts.names", |d| d.hosts[0].names.clear());
    refused("hosts_domain", |d| d.hosts_domain = "me".into());
    refused("certificates.profile", |d| d.certificates[0].profile = 0);
    refused("certificates.profile", |d| d.certificates[0].profile = pb::Profile::Agent.into());
    refused("certificates.addresses", |d| d.certificates[0].addresses[0] = "m-1".into());
    refused("certificates.renew_before_seconds", |d| d.certificates[0].renew_before_seconds = -1);
    refused("identity", |d| d.identity = None);
    refused("identity.renew_before_seconds", |d| {
        d.identity.as_mut().expect("good() has it").renew_before_seconds = -1;
    });
    refused("endpoints", |d| d.endpoints.push("a b:1".into()));
    refused("endpoints", |d| d.endpoints.clear());
    refused("endpoints", |d| d.endpoints = vec!["a:1".into(); 17]);
    refused("client_ca", |d| d.client_ca = b"# nothing".to_vec());
    refused("peer_ca", |d| d.peer_ca.truncate(100));
}

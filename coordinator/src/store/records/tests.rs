//! Each record format as it is written, and as it was: a format that has been written is read for
//! ever.

use std::path::PathBuf;

use super::*;
use crate::config::owner;

/// Holds the record's JSON against the reviewed file, and reads that back.
#[track_caller]
fn golden<R: Record + Clone + PartialEq + std::fmt::Debug>(record: R) {
    let name = R::ROOM.replace('/', "-");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/records");
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&record).expect("plain data") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let access = pilaster_common::atomic_file::Access { mode: 0o644, ..owner() };
        pilaster_common::atomic_file::replace(&path, text.as_bytes(), access).expect("writes");
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(serde_json::from_str::<R>(&reviewed).expect("it has been written"), record);
    assert_eq!(
        text, reviewed,
        "another format: keep the old file under another name and read both"
    );
}

fn node() -> NodeId {
    "c/m-1"
        .split_once('/')
        .map(|(c, n)| NodeId::new(&c.parse().expect("good"), &n.parse().expect("good")))
        .expect("two")
}

fn identity(byte: u8) -> IssuedIdentity {
    IssuedIdentity {
        key_hash: [byte; 32],
        certificate: vec![48, byte],
        serial: vec![byte],
        not_after: Timestamp::from_unix(1_800_000_000),
    }
}

#[test]
fn every_record_reads_as_it_was_written() {
    let spec =
        crate::spec::parse("cluster: c\ndomain: a.b\nmembers: [{name: m-1}]\n").expect("good");
    golden(Installation { id: "00ff".into(), epoch: 3 });
    golden(ClusterRecord {
        spec: spec.clone(),
        text: "cluster: c\n".into(),
        accepted: [Risk::KnownBadEtcd].into(),
    });
    let phase = Phase::Forming { members: vec![node().node], started: [node().node].into() };
    golden(FormationRecord { token: "c-00".into(), phase });
    golden(IdentityRecord {
        current: identity(1),
        pending: Some(identity(2)),
        sequence: 4,
        address: [10, 0, 0, 1].into(),
        joined: Timestamp::from_unix(1_700_000_000),
    });
    let formation = FormationRecord {
        token: "c-00".into(),
        phase: Phase::Formed { cluster_id: 1, members: vec![] },
    };
    let basis = crate::plan::Basis {
        version: "3.5.16".parse().expect("known"),
        processor: pilaster_common::etcd_conf::Processor::Arm64,
        service_manager: Default::default(),
        memory_bytes: 4 << 30,
    };
    let address = Ipv4Addr::new(10, 0, 0, 1);
    let etcd = crate::plan::etcd_conf(&spec, &formation, &node().node, address, &basis);
    let configured = Configured { template_version: 1, memory_bytes: 4 << 30, etcd };
    let digest = [7; 32];
    golden(StateRecord {
        generation: 9,
        joined: Timestamp::from_unix(1_800_000_000),
        digest,
        address,
        configured: Some(configured),
    });
    golden(WishesRecord {
        denied: Some(Timestamp::from_unix(1_700_000_000)),
        approved: Some(address),
        replace: [(Profile::Peer, vec![1, 2])].into(),
    });
    golden(TokenRecord {
        proof_key: [3; 32],
        node: node(),
        purpose: Purpose::Replace,
        expires: Timestamp::from_unix(1_700_003_600),
        used_by: Some([4; 32]),
    });
    golden(KeyRecord { node: node() });
}

#[test]
fn keys_read_back_and_are_told_apart() {
    use crate::store::record::RecordKey;
    assert_eq!(StateRecord::key(&node()), "v1/state/c/m-1");
    assert_eq!(NodeId::parse("c/m-1"), Some(node()));
    assert_eq!(TokenRecord::key(&[1; 8]), "v1/token/0101010101010101");
    assert_eq!(<[u8; 8]>::parse("0101010101010101"), Some([1; 8]));
    for other in ["c", "c/m-1/x", "C/m-1", "01"] {
        assert!(NodeId::parse(other).is_none() && <[u8; 8]>::parse(other).is_none(), "{other}");
    }
}

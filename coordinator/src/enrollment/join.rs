//! Trades the proof of a live token for an identity (docs/PROTOCOL.md, Join).
//!
//! [`decide`] is pure and has every reason for a refusal; [`join`] reads, asks, signs and records in one compare-and-set, so that of
//! two nodes with one token one wins, and a lost reply is given again. Keeps promises 2 and 3.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::failpoint;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::token::{Exporter, ProofKey};
use rustls_pki_types::CertificateDer;

use super::address::{self, NoAddress};
use crate::ca::issue;
use crate::ca::sign::{Authority, SignError};
use crate::store::records::{IdentityRecord, KeyRecord, NodeRecord, Purpose, TokenRecord};
use crate::store::{Change, Store, StoreError};

/// What a node says when it asks to join.
#[derive(Debug)]
pub struct JoinClaim {
    /// Which token.
    pub token_id: Vec<u8>,
    /// Its host name.
    pub node: NodeName,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
    /// The proof.
    pub mac: Vec<u8>,
    /// Of the connection that the claim came over.
    pub exporter: Exporter,
    /// Global IPv4 addresses of its eth0.
    pub eth0: Vec<Ipv4Net>,
}

/// Why a node was not let in.
#[derive(Debug, thiserror::Error)]
pub enum JoinRefusal {
    /// Unknown token, or a proof that does not fit: told alike, since whoever asks has proved nothing.
    #[error("the coordinator does not know this token")]
    NotProven,
    /// Too late.
    #[error("the token ended at {expires}")]
    Expired {
        /// When.
        expires: Timestamp,
    },
    /// For another node.
    #[error("the token is for {wanted}, and this host is {given}")]
    OtherNode {
        /// Whom it is for.
        wanted: NodeName,
        /// Who came.
        given: NodeName,
    },
    /// Used with another key.
    #[error("the token has been used: a token is good once, for one key")]
    Used,
    /// A person said no.
    #[error("{node} was denied")]
    Denied {
        /// The node.
        node: NodeName,
    },
    /// The node has an identity.
    #[error("{node} has joined already, with another key")]
    Joined {
        /// The node.
        node: NodeName,
    },
    /// The key belongs to another node.
    #[error("the key of {node} is known as the key of {other}: this looks like a copied card")]
    ForeignKey {
        /// The node.
        node: NodeName,
        /// Whose key it is.
        other: NodeName,
    },
    /// The CSR.
    #[error(transparent)]
    Request(#[from] BadCertificate),
    /// The address.
    #[error(transparent)]
    Address(#[from] NoAddress),
    /// Signing.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for JoinRefusal {
    fn help(&self) -> Option<String> {
        match self {
            Self::NotProven | Self::Expired { .. } | Self::Used => {
                Some("make a new token where the coordinator runs: coordctl enroll NODE".into())
            }
            Self::OtherNode { wanted, given } => Some(format!(
                "make a token for this host (coordctl enroll {given}), or use this one on {wanted}"
            )),
            Self::Joined { node } => Some(format!(
                "if its card was lost or written anew: coordctl enroll {node} --replace"
            )),
            Self::Denied { node } => Some(format!(
                "see who denied it: coordctl node list; {node} needs a new name to come back"
            )),
            Self::ForeignKey { .. } => Some(
                "remove /var/lib/pilaster on this host, so that it makes a key of its own".into(),
            ),
            Self::Request(error) => error.help(),
            Self::Address(error) => error.help(),
            Self::Sign(error) => error.help(),
            Self::Store(error) => error.help(),
        }
    }
}

/// An identity, as handed out.
#[derive(Debug)]
pub struct Joined {
    /// The node's cluster.
    pub cluster: ClusterName,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The address that the node is known by.
    pub address: Ipv4Addr,
}

/// What is known when a node asks.
#[derive(Debug)]
struct Known<'a> {
    token: &'a TokenRecord,
    node: Option<&'a NodeRecord>,
    key_owner: Option<&'a KeyRecord>,
}

/// What happens to a claim that is not refused.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The same token with the same key: the stored answer again.
    Again,
    /// A new identity for this key.
    Issue,
}

/// Lets a node in, or says why not. When someone else was faster it looks once more: it may have been an earlier try of the same node.
///
/// # Errors
/// See [`JoinRefusal`].
pub async fn join(
    store: &Store,
    control: &Authority,
    installation: &str,
    claim: &JoinClaim,
    now: Timestamp,
) -> Result<Joined, JoinRefusal> {
    match try_join(store, control, installation, claim, now).await {
        Err(JoinRefusal::Store(StoreError::Conflict)) => {
            try_join(store, control, installation, claim, now).await
        }
        outcome => outcome,
    }
}

async fn try_join(
    store: &Store,
    control: &Authority,
    installation: &str,
    claim: &JoinClaim,
    now: Timestamp,
) -> Result<Joined, JoinRefusal> {
    let (token, token_revision) =
        store.token(&claim.token_id).await?.ok_or(JoinRefusal::NotProven)?;
    prove(&token, claim)?;
    let cluster = token.cluster.clone();
    let key = certificate::read_request(&claim.csr)?;
    let key_hash = certificate::key_hash(&key);
    let node = store.node(&cluster, &claim.node).await?;
    let key_owner = store.public_key(&key_hash).await?;
    let known = Known {
        token: &token,
        node: node.as_ref().map(|(record, _)| record),
        key_owner: key_owner.as_ref(),
    };
    let decision = decide(&known, claim, &key_hash, now)?;
    let used = TokenRecord { used_by: Some(key_hash), ..token.clone() };
    let change = Change::default().token(&claim.token_id, &used, Some(token_revision));
    if decision == Decision::Again {
        let (record, _) = node.expect("only a node that joined is answered again");
        if token.used_by.is_none() {
            store.commit(change).await?;
        }
        let certificate = record.current.certificate.into();
        return Ok(Joined { cluster, certificate, address: record.address });
    }
    let spec = store.spec(&cluster).await?.ok_or_else(|| NoAddress::NotInSpec {
        node: claim.node.clone(),
        cluster: cluster.to_string(),
    })?;
    let approved = store.approval(&cluster, &claim.node).await?.map(|record| record.address);
    let taken = address::taken(&spec, &store.nodes(&cluster).await?);
    let address = address::choose(&spec, &claim.node, &claim.eth0, approved, &taken)?;
    let leaf = issue::identity(installation, &spec, &claim.node, now);
    let current = identity_record(control.sign(&leaf, &key)?, key_hash)?;
    let certificate = current.certificate.clone().into();
    let (before, revision) =
        node.map_or((None, None), |(record, revision)| (Some(record), Some(revision)));
    let record = NodeRecord {
        current,
        pending: None,
        sequence: before.as_ref().map_or(1, |record| record.sequence + 1),
        denied: None,
        address,
        joined: now,
        replace: BTreeMap::new(),
        generation: before.map_or(0, |record| record.generation), // only ever rises, for a new card too
        desired_hash: vec![],
    };
    let owner = KeyRecord { cluster: cluster.clone(), node: claim.node.clone() };
    let mut change = change.node(&cluster, &claim.node, &record, revision);
    if key_owner.is_none() {
        change = change.public_key(&key_hash, &owner);
    }
    failpoint!("join.decided");
    store.commit(change).await?;
    failpoint!("join.committed");
    Ok(Joined { cluster, certificate, address })
}

/// What is remembered of a certificate that was handed out.
pub(super) fn identity_record(
    certificate: CertificateDer<'static>,
    key_hash: [u8; 32],
) -> Result<IdentityRecord, BadCertificate> {
    let facts = certificate::read(&certificate)?;
    Ok(IdentityRecord {
        key_hash,
        certificate: certificate.to_vec(),
        serial: facts.serial,
        not_after: facts.not_after,
    })
}

/// Before this holds, whoever asks learns nothing.
fn prove(token: &TokenRecord, claim: &JoinClaim) -> Result<(), JoinRefusal> {
    let key = ProofKey::from_bytes(token.proof_key);
    if key.verify(&claim.exporter, &claim.csr, claim.node.as_ref(), &claim.mac) {
        Ok(())
    } else {
        Err(JoinRefusal::NotProven)
    }
}

fn decide(
    known: &Known<'_>,
    claim: &JoinClaim,
    key_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Decision, JoinRefusal> {
    let Known { token, node, key_owner } = known;
    if now >= token.expires {
        return Err(JoinRefusal::Expired { expires: token.expires });
    }
    if token.node != claim.node {
        return Err(JoinRefusal::OtherNode {
            wanted: token.node.clone(),
            given: claim.node.clone(),
        });
    }
    if node.is_some_and(|node| node.denied.is_some()) {
        return Err(JoinRefusal::Denied { node: claim.node.clone() });
    }
    if token.used_by.is_some_and(|used_by| used_by != *key_hash) {
        return Err(JoinRefusal::Used);
    }
    let own = |owner: &&KeyRecord| owner.node != claim.node || owner.cluster != token.cluster;
    if let Some(KeyRecord { node: other, .. }) = key_owner.filter(own) {
        return Err(JoinRefusal::ForeignKey { node: claim.node.clone(), other: other.clone() });
    }
    match node {
        // the reply was lost, or the token ended before it came: the key is the node's, and so is the answer
        Some(node) if node.current.key_hash == *key_hash && now < node.current.not_after => {
            Ok(Decision::Again)
        }
        Some(node) if node.current.key_hash != *key_hash && token.purpose == Purpose::New => {
            Err(JoinRefusal::Joined { node: claim.node.clone() })
        }
        _ => Ok(Decision::Issue),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pilaster_common::secret::PrivateKey;
    use pilaster_common::token::JoinToken;

    use super::*;
    use crate::ca::sign::PathLength;
    use crate::enrollment::invite::{LIFE_DEFAULT, invite};
    use crate::store::RedbStore;
    use crate::store::records::{ClusterRecord, FormationRecord, Phase};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const SPEC: &str =
        "cluster: c\ndomain: a.b\nnetwork: 192.168.7.0/24\nmembers: [{name: m-1}, {name: m-2}]\n";

    struct World {
        store: Store,
        control: Authority,
        token: JoinToken,
        _folder: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("folder");
            let store = RedbStore::open(&folder.path().join("store")).expect("opens");
            let store = Store::new(Arc::new(store));
            let control =
                Authority::generate("control", PathLength::Unbounded, NOW).expect("makes");
            let (cluster, node) = ("c".parse().expect("good"), "m-1".parse().expect("good"));
            let spec = ClusterRecord { spec: SPEC.into(), accepted: Default::default() };
            store.commit(Change::default().cluster(&cluster, &spec, None)).await.expect("commits");
            let (token, _) =
                invite(&store, control.pin(), (&cluster, &node), Purpose::New, LIFE_DEFAULT, NOW)
                    .await
                    .expect("mints");
            Self { store, control, token, _folder: folder }
        }

        /// Another token for m-1, in place of the first.
        async fn replacing(mut self) -> Self {
            let (cluster, node) = ("c".parse().expect("good"), "m-1".parse().expect("good"));
            let formation = FormationRecord { token: "t".into(), phase: Phase::Gathering };
            let change = Change::default().formation(&cluster, &formation, None);
            self.store.commit(change).await.expect("commits");
            let whom = (&cluster, &node);
            let again =
                invite(&self.store, self.control.pin(), whom, Purpose::New, LIFE_DEFAULT, NOW)
                    .await;
            assert!(again.is_err(), "a joined node gets no second token unless it is said why");
            let pin = self.control.pin();
            let minted = invite(&self.store, pin, whom, Purpose::Replace, LIFE_DEFAULT, NOW).await;
            (self.token, _) = minted.expect("mints");
            self
        }

        fn claim(&self, node: &str, key: &PrivateKey) -> JoinClaim {
            let csr = key.to_csr().expect("signs");
            let exporter = [7; 32];
            let mac = self.token.proof_key().prove(&exporter, &csr, node);
            JoinClaim {
                token_id: self.token.id.to_vec(),
                node: node.parse().expect("good"),
                csr,
                mac,
                exporter,
                eth0: vec!["192.168.7.11/24".parse().expect("good")],
            }
        }

        async fn join(&self, claim: &JoinClaim, now: Timestamp) -> Result<Joined, JoinRefusal> {
            join(&self.store, &self.control, "i", claim, now).await
        }
    }

    fn key() -> PrivateKey {
        PrivateKey::generate().expect("random bytes")
    }

    #[tokio::test]
    async fn lost_join_reply_retries() {
        let (world, key) = (World::new().await, key());
        let first = world.join(&world.claim("m-1", &key), NOW).await.expect("lets in");
        let again = world.join(&world.claim("m-1", &key), NOW).await.expect("the same answer");
        assert_eq!(first.certificate, again.certificate);
        let facts = certificate::read(&first.certificate).expect("reads");
        assert_eq!(facts.uris, ["spiffe://i/cluster/c/node/m-1"]);
    }

    #[tokio::test]
    async fn a_reply_that_was_lost_for_longer_than_the_token_comes_again_for_a_new_one() {
        let (world, key) = (World::new().await, key());
        let first = world.join(&world.claim("m-1", &key), NOW).await.expect("lets in");
        let world = world.replacing().await;
        let again = world.join(&world.claim("m-1", &key), NOW).await.expect("the same answer");
        assert_eq!(first.certificate, again.certificate);
    }

    #[tokio::test]
    async fn a_new_card_takes_the_place_of_the_old_one_when_a_person_says_so() {
        let world = World::new().await;
        let first = world.join(&world.claim("m-1", &key()), NOW).await.expect("lets in");
        let world = world.replacing().await;
        let second = world.join(&world.claim("m-1", &key()), NOW).await.expect("lets in");
        assert_ne!(first.certificate, second.certificate);
        let (record, _) = world
            .store
            .node(&"c".parse().expect("good"), &"m-1".parse().expect("good"))
            .await
            .expect("reads")
            .expect("there");
        assert_eq!((record.current.certificate, record.sequence), (second.certificate.to_vec(), 2));
    }

    #[tokio::test]
    async fn same_token_other_key_refused() {
        let world = World::new().await;
        world.join(&world.claim("m-1", &key()), NOW).await.expect("lets in");
        let refused = world.join(&world.claim("m-1", &key()), NOW).await;
        assert!(matches!(refused, Err(JoinRefusal::Used)), "{refused:?}");
    }

    #[tokio::test]
    async fn promise_03_without_proof_nothing_is_told_mac_for_other_csr_refused() {
        let (world, key) = (World::new().await, key());
        let mut claims = [(); 4].map(|()| world.claim("m-1", &key));
        claims[0].token_id[0] ^= 1;
        claims[1].mac[0] ^= 1;
        claims[2].exporter[0] ^= 1;
        claims[3].csr = self::key().to_csr().expect("signs");
        for claim in &claims {
            let late = NOW.plus(LIFE_DEFAULT * 2);
            for now in [NOW, late] {
                let refused = world.join(claim, now).await;
                assert!(matches!(refused, Err(JoinRefusal::NotProven)), "{refused:?}");
            }
        }
        world.join(&world.claim("m-1", &key), NOW).await.expect("wrong tries burn nothing");
    }

    #[tokio::test]
    async fn a_token_is_for_one_node_and_ends() {
        let (world, key) = (World::new().await, key());
        let refused = world.join(&world.claim("m-2", &key), NOW).await;
        assert!(matches!(refused, Err(JoinRefusal::OtherNode { .. })), "{refused:?}");
        let refused = world.join(&world.claim("m-1", &key), NOW.plus(LIFE_DEFAULT)).await;
        assert!(matches!(refused, Err(JoinRefusal::Expired { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn token_race_two_nodes_one_wins() {
        let world = World::new().await;
        let (one, two) = (world.claim("m-1", &key()), world.claim("m-1", &key()));
        let (one, two) = tokio::join!(world.join(&one, NOW), world.join(&two, NOW));
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    }
}

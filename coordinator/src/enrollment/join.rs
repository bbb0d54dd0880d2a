//! Trades the proof of a live token for an identity (docs/PROTOCOL.md, Join).
//!
//! [`decide`] is pure and has every reason for a refusal; [`join`] reads, asks, signs and records
//! in one compare-and-set, so that of two nodes with one token one wins, and a lost reply is given
//! again. Keeps promises 2 and 3.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::failpoint;
use pilaster_common::name::{NodeId, NodeName};
use pilaster_common::token::{Exporter, ProofKey};
use rustls_pki_types::CertificateDer;

use crate::ca::issue;
use crate::ca::sign::{Authority, SignError};
use crate::plan::addresses::{self, NoAddress};
use crate::spec::ClusterSpec;
use crate::store::records::{
    FormationRecord, IdentityRecord, IssuedIdentity, KeyRecord, Purpose, StateRecord, TokenRecord,
    WishesRecord,
};
use crate::store::{Change, Store, StoreError};

/// What a node says when it asks to join.
#[derive(Debug)]
pub(crate) struct JoinClaim {
    pub token_id: [u8; 8],
    pub node: NodeName,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
    pub mac: Vec<u8>,
    /// Of the connection that the claim came over.
    pub exporter: Exporter,
    /// Global IPv4 addresses of its eth0.
    pub eth0: Vec<Ipv4Net>,
}

/// Why a node was not let in.
#[derive(Debug, thiserror::Error)]
pub enum JoinRefusal {
    /// Unknown token, or a proof that does not fit: told alike, since whoever asks has proved
    /// nothing.
    #[error("the coordinator does not know this token")]
    NotProven,
    #[error("the token ended at {expires}")]
    Expired { expires: Timestamp },
    #[error("the token is for {wanted}, and this host is {given}")]
    OtherNode {
        /// Whom it is for.
        wanted: NodeName,
        given: NodeName,
    },
    /// Used with another key.
    #[error("the token has been used: a token is good once, for one key")]
    Used,
    /// A person said no.
    #[error("{node} was denied")]
    Denied { node: NodeName },
    /// The node has an identity.
    #[error("{node} has joined already, with another key")]
    Joined { node: NodeName },
    /// The key belongs to another node.
    #[error("the key of {node} is known as the key of {other}: this looks like a copied card")]
    ForeignKey {
        node: NodeName,
        /// Whose key it is.
        other: NodeName,
    },
    /// The member would have to be replaced, not only its identity.
    #[error("{} has formed: a new card for {} is a new member of etcd", .node.cluster, .node.node)]
    Formed { node: NodeId },
    #[error(transparent)]
    Request(#[from] BadCertificate),
    #[error(transparent)]
    Address(#[from] NoAddress),
    #[error(transparent)]
    Sign(#[from] SignError),
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
            Self::Formed { .. } => {
                Some("replacing a member of a formed cluster comes later; the others go on".into())
            }
            Self::Request(error) => error.help(),
            Self::Address(error) => error.help(),
            Self::Sign(error) => error.help(),
            Self::Store(error) => error.help(),
        }
    }
}

/// An identity, as handed out.
#[derive(Debug)]
pub(crate) struct Joined {
    pub node: NodeId,
    pub certificate: CertificateDer<'static>,
    /// The address with which it has joined.
    pub address: Ipv4Addr,
}

/// What is known when a node asks.
#[derive(Debug)]
struct Known<'a> {
    token: &'a TokenRecord,
    identity: Option<&'a IdentityRecord>,
    wishes: &'a WishesRecord,
    key_owner: Option<&'a KeyRecord>,
    /// The formation: from then on etcd knows its members.
    has_begun: bool,
}

/// What happens to a claim that is not refused.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The same token with the same key: the stored answer again.
    Again,
    /// A new identity for this key.
    Issue,
}

/// Lets a node in, or says why not. When someone else was faster it looks once more: it may have
/// been an earlier try of the same node.
///
/// # Errors
/// See [`JoinRefusal`].
pub(crate) async fn join(
    store: &Store,
    control: &Authority,
    claim: &JoinClaim,
    now: Timestamp,
) -> Result<Joined, JoinRefusal> {
    match try_join(store, control, claim, now).await {
        Err(JoinRefusal::Store(error)) if error.is_conflict() => {
            try_join(store, control, claim, now).await
        }
        outcome => outcome,
    }
}

async fn try_join(
    store: &Store,
    control: &Authority,
    claim: &JoinClaim,
    now: Timestamp,
) -> Result<Joined, JoinRefusal> {
    let token = store.read::<TokenRecord>(&claim.token_id).await?;
    let (token, of_token) = token.ok_or(JoinRefusal::NotProven)?;
    prove(&token, claim)?;
    let node = NodeId::new(&token.node.cluster, &claim.node);
    let key = certificate::read_request(&claim.csr)?;
    let key_hash = certificate::key_hash(&key);
    let identity = store.read::<IdentityRecord>(&node).await?;
    let (wishes, of_wishes) = store.wishes(&node).await?;
    let formation = store.read::<FormationRecord>(&node.cluster).await?;
    let (formation, of_formation) = formation.unzip();
    let key_owner = store.read::<KeyRecord>(&key_hash).await?.map(|(owner, _)| owner);
    let known = Known {
        token: &token,
        identity: identity.as_ref().map(|(record, _)| record),
        wishes: &wishes,
        key_owner: key_owner.as_ref(),
        has_begun: formation.is_none_or(|formation| formation.phase.has_begun()),
    };
    let decision = decide(&known, claim, &key_hash, now)?;
    let used = TokenRecord { used_by: Some(key_hash), ..token.clone() };
    let change = Change::default()
        .put(&claim.token_id, &used, Some(of_token))
        .expect::<WishesRecord>(&node, of_wishes);
    if decision == Decision::Again {
        let (record, _) = identity.expect("only a node that joined is answered again");
        if token.used_by.is_none() {
            store.commit(change).await?;
        }
        let certificate = record.current.certificate.into();
        return Ok(Joined { node, certificate, address: record.address });
    }
    let spec = store.spec(&node.cluster).await?.ok_or_else(|| NoAddress::NotInSpec {
        node: node.node.clone(),
        cluster: node.cluster.to_string(),
    })?;
    let taken = known_addresses(store, &spec).await?;
    let address = addresses::choose(&spec, &node.node, &claim.eth0, wishes.approved, &taken)?;
    let leaf = issue::identity(&store.installation().id, &spec, &node.node, now);
    let current = issued(control.sign(&leaf, &key)?, key_hash)?;
    let certificate = current.certificate.clone().into();
    let (before, revision) = identity.unzip();
    let before_it = before.is_some();
    let record = IdentityRecord {
        current,
        pending: None,
        sequence: before.as_ref().map_or(1, |record| record.sequence + 1),
        address,
        joined: now,
    };
    let mut change = change.put(&node, &record, revision);
    if before_it {
        change = change.expect::<FormationRecord>(&node.cluster, of_formation);
    }
    if key_owner.is_none() {
        change = change.put(&key_hash, &KeyRecord { node: node.clone() }, None);
    }
    failpoint!("join.decided");
    store.commit(change).await?;
    failpoint!("join.committed");
    Ok(Joined { node, certificate, address })
}

/// By which addresses the members of a spec are known that have joined: what they were sent last,
/// else what they joined with. One that has gone from the spec holds none.
async fn known_addresses(
    store: &Store,
    spec: &ClusterSpec,
) -> Result<Vec<(NodeName, Ipv4Addr)>, StoreError> {
    let identities = store.of_cluster::<IdentityRecord>(&spec.cluster).await?;
    let states = store.of_cluster::<StateRecord>(&spec.cluster).await?;
    let address = |node: &NodeId, identity: &IdentityRecord| {
        let state = states.iter().find(|(other, _)| other == node);
        identity.address(state.map(|(_, (state, _))| state))
    };
    let present = identities.iter().filter(|(node, _)| spec.member(&node.node).is_some());
    let known = present.map(|(node, (record, _))| (node.node.clone(), address(node, record)));
    Ok(known.collect())
}

/// What is remembered of a certificate that was handed out.
pub(super) fn issued(
    certificate: CertificateDer<'static>,
    key_hash: [u8; 32],
) -> Result<IssuedIdentity, BadCertificate> {
    let facts = certificate::read(&certificate)?;
    Ok(IssuedIdentity {
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
    let Known { token, identity, wishes, key_owner, has_begun } = known;
    if now >= token.expires {
        return Err(JoinRefusal::Expired { expires: token.expires });
    }
    if token.node.node != claim.node {
        return Err(JoinRefusal::OtherNode {
            wanted: token.node.node.clone(),
            given: claim.node.clone(),
        });
    }
    if wishes.denied.is_some() {
        return Err(JoinRefusal::Denied { node: claim.node.clone() });
    }
    if token.used_by.is_some_and(|used_by| used_by != *key_hash) {
        return Err(JoinRefusal::Used);
    }
    if let Some(KeyRecord { node: other }) = key_owner.filter(|owner| owner.node != token.node) {
        let (node, other) = (claim.node.clone(), other.node.clone());
        return Err(JoinRefusal::ForeignKey { node, other });
    }
    match identity {
        // the reply was lost, or the token ended before it came: the key is the node's, and so is
        // the answer
        Some(known) if known.current.key_hash == *key_hash && now < known.current.not_after => {
            Ok(Decision::Again)
        }
        Some(known) if known.current.key_hash != *key_hash && token.purpose == Purpose::New => {
            Err(JoinRefusal::Joined { node: claim.node.clone() })
        }
        // the token was made before the formation began
        Some(known) if known.current.key_hash != *key_hash && *has_begun => {
            Err(JoinRefusal::Formed { node: token.node.clone() })
        }
        _ => Ok(Decision::Issue),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use std::time::Duration;

    use pilaster_common::secret::PrivateKey;
    use pilaster_common::token::JoinToken;

    use super::*;
    use crate::ca::sign::PathLength;
    use crate::enrollment::deny::deny;
    use crate::enrollment::invite::invite;
    use crate::enrollment::renew::renew;
    use crate::store::MemoryStore;
    use crate::store::records::{ClusterRecord, FormationRecord, Phase};

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    /// Of a token.
    const LIFE: Duration = Duration::from_secs(3600);
    const SPEC: &str =
        "cluster: c\ndomain: a.b\nnetwork: 192.168.7.0/24\nmembers: [{name: m-1}, {name: m-2}]\n";

    struct World {
        store: Store,
        control: Authority,
        token: JoinToken,
    }

    fn node() -> NodeId {
        NodeId { cluster: "c".parse().expect("good"), node: "m-1".parse().expect("good") }
    }

    impl World {
        async fn new() -> Self {
            let store = Store::begin(Arc::new(MemoryStore::default()), || "i".into()).await;
            let store = store.expect("begins");
            let control =
                Authority::generate("control", PathLength::Unbounded, NOW).expect("makes");
            let spec = ClusterRecord {
                spec: crate::spec::parse(SPEC).expect("good"),
                text: SPEC.into(),
                accepted: Default::default(),
            };
            let formation = FormationRecord { token: "t".into(), phase: Phase::Gathering };
            let cluster = node().cluster;
            let change =
                Change::default().put(&cluster, &spec, None).put(&cluster, &formation, None);
            store.commit(change).await.expect("commits");
            let pin = control.pin();
            let token = invite(&store, pin, &node(), Purpose::New, LIFE, NOW).await;
            Self { store, control, token: token.expect("mints").0 }
        }

        /// Another token for m-1, in place of the first.
        async fn replacing(mut self) -> Self {
            let (pin, node) = (self.control.pin(), node());
            let mint = |purpose| invite(&self.store, pin, &node, purpose, LIFE, NOW);
            let again = mint(Purpose::New).await;
            assert!(again.is_err(), "a joined node gets no second token unless it is said why");
            let (token, _) = mint(Purpose::Replace).await.expect("mints");
            self.token = token;
            self
        }

        fn claim(&self, node: &str, key: &PrivateKey) -> JoinClaim {
            let csr = key.to_csr().expect("signs");
            let exporter = [7; 32];
            let mac = self.token.proof_key().prove(&exporter, &csr, node);
            JoinClaim {
                token_id: self.token.id,
                node: node.parse().expect("good"),
                csr,
                mac,
                exporter,
                eth0: vec!["192.168.7.11/24".parse().expect("good")],
            }
        }

        async fn join(&self, claim: &JoinClaim, now: Timestamp) -> Result<Joined, JoinRefusal> {
            join(&self.store, &self.control, claim, now).await
        }

        async fn identity(&self) -> IdentityRecord {
            self.store.read(&node()).await.expect("reads").expect("there").0
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
        let record = world.identity().await;
        assert_eq!((record.current.certificate, record.sequence), (second.certificate.to_vec(), 2));
    }

    #[tokio::test]
    async fn denied_node_cannot_join_with_a_token_that_it_had_before() {
        let (world, key) = (World::new().await, key());
        world.join(&world.claim("m-1", &key), NOW).await.expect("lets in");
        let world = world.replacing().await;
        deny(&world.store, &node(), NOW).await.expect("denies");
        for key in [key, self::key()] {
            let refused = world.join(&world.claim("m-1", &key), NOW).await;
            assert!(matches!(refused, Err(JoinRefusal::Denied { .. })), "{refused:?}");
        }
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
            let late = NOW.plus(LIFE * 2);
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
        let refused = world.join(&world.claim("m-1", &key), NOW.plus(LIFE)).await;
        assert!(matches!(refused, Err(JoinRefusal::Expired { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn token_race_two_nodes_one_wins() {
        let world = World::new().await;
        let (one, two) = (world.claim("m-1", &key()), world.claim("m-1", &key()));
        let (one, two) = tokio::join!(world.join(&one, NOW), world.join(&two, NOW));
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    }

    #[tokio::test]
    async fn a_denied_node_gets_no_further_identity() {
        let world = World::new().await;
        let key = PrivateKey::generate().expect("random bytes");
        world.join(&world.claim("m-1", &key), NOW).await.expect("it is let in");
        let next = PrivateKey::generate().and_then(|key| key.to_csr()).expect("a CSR");
        deny(&world.store, &node(), NOW).await.expect("it is denied");
        let renewed = renew(&world.store, &world.control, &node(), &next, NOW).await;
        assert!(renewed.is_err(), "its current one had passed the door before the denial");
    }
}

//! Holds the coordinator's answer to a join or a renewal against what was asked. Pure; nothing is written before it
//! passes.

use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::pem::{BadPair, Pair};
use pilaster_common::profile::Profile;
use pilaster_common::secret::PrivateKey;
use pilaster_proto::agent::v1 as pb;
use rustls_pki_types::CertificateDer;

use super::files::Identity;
use crate::link::wire::BadMessage;
use crate::link::{Pins, wire};
use crate::trust::{self, BadChain};

/// What was asked, as far as the answer must fit it.
pub(super) struct Asked<'a> {
    /// The coordinator's address that answered.
    pub(super) address: &'a str,
    pub(super) node: &'a NodeName,
    pub(super) token_id: [u8; 8],
    pub(super) pins: &'a Pins,
    pub(super) nonce: [u8; 16],
}

/// An answer that does not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadReply {
    #[error("it answers another question: the nonce differs")]
    Nonce,
    #[error(transparent)]
    Pair(#[from] BadPair),
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    #[error("the certificate does not hold in the roots that came with it")]
    Chain(#[from] BadChain),
    #[error("the roots do not contain one that is trusted already")]
    Pin,
    #[error("the certificate names {found:?}, and this is {node}")]
    Name { found: Vec<String>, node: NodeName },
    #[error(transparent)]
    Message(#[from] BadMessage),
    #[error("the address {0:?} cannot be used")]
    Address(String),
}

impl Help for BadReply {
    fn help(&self) -> Option<String> {
        Some("nothing was written; the log of pilaster-coordinator tells more".into())
    }
}

/// The identity in `reply`.
pub(super) fn check(
    asked: &Asked<'_>,
    key: PrivateKey,
    reply: pb::JoinReply,
    now: Timestamp,
) -> Result<Identity, BadReply> {
    let pb::JoinReply { chain, roots, endpoints, server_time: _, nonce, address } = reply;
    if nonce != asked.nonce {
        return Err(BadReply::Nonce);
    }
    let (pair, roots) = trusted(asked.pins, key, chain, roots, now)?;
    let (installation, cluster) = own_name(&pair, asked.node)?;
    Ok(Identity {
        generation: 1,
        installation,
        cluster,
        node: asked.node.clone(),
        address: address.parse().map_err(|_| BadReply::Address(address))?,
        endpoints: known_good_first(asked.address, wire::checked_endpoints(endpoints)?),
        token_id: asked.token_id,
        pair,
        roots,
    })
}

/// The next identity of the node that has `identity`, which asked `address` to renew it.
pub(super) fn check_renewal(
    identity: &Identity,
    address: &str,
    key: PrivateKey,
    reply: pb::RenewReply,
    now: Timestamp,
) -> Result<Identity, BadReply> {
    let pb::RenewReply { chain, roots, endpoints, server_time: _ } = reply;
    let (pair, roots) = trusted(&Pins::of_roots(&identity.roots), key, chain, roots, now)?;
    let (installation, cluster) = own_name(&pair, &identity.node)?;
    if (&installation, &cluster) != (&identity.installation, &identity.cluster) {
        let found = certificate::read(pair.leaf())?.uris;
        return Err(BadReply::Name { found, node: identity.node.clone() });
    }
    Ok(Identity {
        generation: identity.generation + 1,
        installation,
        cluster,
        node: identity.node.clone(),
        address: identity.address,
        endpoints: known_good_first(address, wire::checked_endpoints(endpoints)?),
        token_id: identity.token_id,
        pair,
        roots,
    })
}

/// The pair and the roots: the key is the certificate's, the chain holds for a client in the roots, and one of them is trusted already.
fn trusted(
    pins: &Pins,
    key: PrivateKey,
    chain: Vec<Vec<u8>>,
    roots: Vec<Vec<u8>>,
    now: Timestamp,
) -> Result<(Pair, Vec<CertificateDer<'static>>), BadReply> {
    let pair = Pair::new(wire::chain_of(chain), key)?;
    let roots = wire::chain_of(roots);
    if !roots.iter().any(|root| pins.fit(root)) {
        return Err(BadReply::Pin);
    }
    trust::check_chain(Profile::Agent, pair.chain(), &trust::anchors(&roots)?, now)?;
    Ok((pair, roots))
}

/// Installation and cluster out of `spiffe://<installation>/cluster/<cluster>/node/<node>`, if the node is `node`.
fn own_name(pair: &Pair, node: &NodeName) -> Result<(String, ClusterName), BadReply> {
    let uris = certificate::read(pair.leaf())?.uris;
    let parts = |uri: &str| {
        let parts: Vec<&str> = uri.strip_prefix("spiffe://")?.split('/').collect();
        let [installation, "cluster", cluster, "node", name] = parts[..] else { return None };
        (!installation.is_empty() && name == node.as_ref())
            .then_some((installation.to_owned(), cluster.parse().ok()?))
    };
    let own = if let [uri] = &uris[..] { parts(uri) } else { None };
    own.ok_or_else(|| BadReply::Name { found: uris, node: node.clone() })
}

/// The address that has just answered, then the others.
pub(crate) fn known_good_first(answered: &str, mut endpoints: Vec<String>) -> Vec<String> {
    endpoints.retain(|endpoint| endpoint != answered);
    endpoints.insert(0, answered.into());
    endpoints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Says, TestCa, now};
    use pilaster_common::error::causes;

    const URI: &str = "spiffe://i-1/cluster/x-k3s/node/m-1";

    struct Case {
        uri: &'static str,
        profile: Profile,
        change: fn(&mut pb::JoinReply),
    }

    const GOOD: Case = Case { uri: URI, profile: Profile::Agent, change: |_| {} };

    #[track_caller]
    fn check_case(case: &Case) -> String {
        let ca = TestCa::new("control");
        let pair = ca.leaf(case.profile, &Says { uri: Some(case.uri), ..Says::default() });
        let mut reply = pb::JoinReply {
            chain: pair.chain().iter().map(|der| der.to_vec()).collect(),
            roots: vec![ca.root.to_vec()],
            endpoints: vec!["192.168.7.2:7443".into()],
            server_time: 0,
            nonce: vec![1; 16],
            address: "192.168.7.11".into(),
        };
        (case.change)(&mut reply);
        let node = "m-1".parse().expect("good");
        let pins = Pins::one(ca.pin());
        let asked = Asked {
            address: "192.168.7.3:7443",
            node: &node,
            token_id: [0; 8],
            pins: &pins,
            nonce: [1; 16],
        };
        let key = PrivateKey::from_pem(pair.key().to_pem().as_bytes()).expect("own");
        match check(&asked, key, reply, now()) {
            Ok(Identity { installation, cluster, endpoints, .. }) => {
                format!("{installation} {cluster} {}", endpoints.join(" "))
            }
            Err(error) => causes(&error),
        }
    }

    #[test]
    fn only_the_answer_to_the_own_question_is_taken() {
        let other = |change| Case { change, ..GOOD };
        let named = |uri| Case { uri, ..GOOD };
        for (case, words) in [
            (GOOD, "i-1 x-k3s 192.168.7.3:7443 192.168.7.2:7443"),
            (other(|reply| reply.nonce[0] = 2), "nonce"),
            (other(|reply| reply.chain.clear()), "no certificate"),
            (other(|reply| reply.roots.clear()), "do not contain"),
            (
                other(|reply| reply.roots = vec![TestCa::new("other").root.to_vec()]),
                "do not contain",
            ),
            (other(|reply| reply.endpoints.clear()), "endpoints"),
            (other(|reply| reply.endpoints[0] = "a b:1".into()), "endpoints"),
            (other(|reply| reply.address = "fe80::1".into()), "address"),
            (named("spiffe://i-1/cluster/x-k3s/node/m-2"), "m-2"),
            (named("spiffe://i-1/cluster/X/node/m-1"), "names"),
            (named("https://i-1/cluster/x-k3s/node/m-1"), "names"),
            (Case { profile: Profile::Peer, ..GOOD }, "must not hold for server"),
        ] {
            let answer = check_case(&case);
            assert!(answer.contains(words), "{words}: {answer}");
        }
    }

    #[test]
    fn a_certificate_for_another_key_is_refused() {
        let answer = check_case(&Case {
            change: |reply| {
                let ca = TestCa::new("control");
                let pair = ca.leaf(Profile::Agent, &Says { uri: Some(URI), ..Says::default() });
                reply.chain = vec![pair.leaf().to_vec()];
            },
            ..GOOD
        });
        assert!(answer.contains("not the one of the certificate"), "{answer}");
    }

    #[track_caller]
    fn check_next(uri: &str, change: impl FnOnce(&mut pb::RenewReply)) -> String {
        let ca = TestCa::new("control");
        let pair = ca.leaf(Profile::Agent, &Says { uri: Some(uri), ..Says::default() });
        let identity = Identity {
            generation: 4,
            installation: "i-1".into(),
            cluster: "x-k3s".parse().expect("good"),
            node: "m-1".parse().expect("good"),
            address: [192, 168, 7, 11].into(),
            endpoints: Vec::new(),
            token_id: [7; 8],
            pair: ca.leaf(Profile::Agent, &Says::default()),
            roots: vec![ca.root.clone()],
        };
        let mut reply = pb::RenewReply {
            chain: vec![pair.leaf().to_vec()],
            roots: vec![TestCa::new("next").root.to_vec(), ca.root.to_vec()],
            endpoints: vec!["192.168.7.2:7443".into()],
            server_time: 0,
        };
        change(&mut reply);
        let key = PrivateKey::from_pem(pair.key().to_pem().as_bytes()).expect("own");
        match check_renewal(&identity, "192.168.7.3:7443", key, reply, now()) {
            Ok(Identity { generation, roots, endpoints, token_id: [7, ..], .. }) => {
                format!("{generation} {} {}", roots.len(), endpoints.join(" "))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => causes(&error),
        }
    }

    #[test]
    fn promise_03_a_renewal_stays_with_this_node_and_a_root_that_is_trusted() {
        assert_eq!(check_next(URI, |_| {}), "5 2 192.168.7.3:7443 192.168.7.2:7443");
        let other = TestCa::new("other");
        for (uri, change, words) in [
            ("spiffe://i-1/cluster/x-k3s/node/m-2", None, "m-2"),
            ("spiffe://i-2/cluster/x-k3s/node/m-1", None, "i-2"),
            ("spiffe://i-1/cluster/y/node/m-1", None, "cluster/y"),
            (URI, Some(vec![other.root.to_vec()]), "trusted already"),
            (URI, Some(Vec::new()), "trusted already"),
        ] {
            let answer = check_next(uri, |reply| {
                if let Some(roots) = change {
                    reply.roots = roots;
                }
            });
            assert!(answer.contains(words), "{words}: {answer}");
        }
        assert!(check_next(URI, |reply| reply.endpoints.clear()).contains("endpoints"));
        let foreign = |reply: &mut pb::RenewReply| {
            let says = Says { uri: Some(URI), ..Says::default() };
            reply.chain = vec![other.leaf(Profile::Agent, &says).leaf().to_vec()];
        };
        assert!(check_next(URI, foreign).contains("not the one of the certificate"));
    }
}

//! Holds the coordinator's answer to a join or a renewal against what was asked. Pure; nothing is
//! written before it passes.

use pilaster_common::certificate;
use pilaster_common::clock::Timestamp;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::Help;
use pilaster_common::name::NodeName;
use pilaster_common::pem::{BadPair, Pair};
use pilaster_common::profile::Profile;
use pilaster_common::secret::PrivateKey;
use pilaster_proto::enrollment::{GivenIdentity, JoinReply};
use pilaster_proto::node_uri::NodeUri;
use pilaster_proto::tls::anchors;
use rustls_pki_types::CertificateDer;

use super::folder::Identity;
use crate::node::{BadChain, Pins, check_chain};

/// What was asked, as far as the answer must fit it.
pub(crate) struct Asked<'a> {
    /// The coordinator's address that answered.
    pub(crate) address: &'a Endpoint,
    pub(crate) node: &'a NodeName,
    pub(crate) token_id: [u8; 8],
    pub(crate) pins: &'a Pins,
    pub(crate) nonce: [u8; 16],
}

/// An answer that does not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadReply {
    #[error("it answers another question: the nonce differs")]
    Nonce,
    #[error(transparent)]
    Pair(#[from] BadPair),
    #[error("the certificate does not hold in the roots that came with it")]
    Chain(#[from] BadChain),
    #[error("the roots do not contain one that is trusted already")]
    Pin,
    #[error("the certificate names {found:?}, and this is {node}")]
    Name { found: Vec<String>, node: NodeName },
}

impl Help for BadReply {
    fn help(&self) -> Option<String> {
        Some("nothing was written; the log of pilaster-coordinator tells more".into())
    }
}

/// The identity in `reply`.
pub(crate) fn check(
    asked: &Asked<'_>,
    key: PrivateKey,
    reply: JoinReply,
    now: Timestamp,
) -> Result<Identity, BadReply> {
    let JoinReply { identity: given, nonce, address } = reply;
    if nonce != asked.nonce {
        return Err(BadReply::Nonce);
    }
    let endpoints = known_good_first(asked.address, given.endpoints.clone());
    let (pair, roots) = trusted(asked.pins, key, given, now)?;
    let NodeUri { installation, node } = name_in(&pair, |uri| uri.node.node == *asked.node)
        .ok_or_else(|| other_name(&pair, asked.node))?;
    let token_id = asked.token_id;
    Ok(Identity { generation: 1, installation, node, address, endpoints, token_id, pair, roots })
}

/// The next identity of the node that has `identity`, which asked `address` to renew it.
pub(super) fn check_renewal(
    identity: &Identity,
    address: &Endpoint,
    key: PrivateKey,
    given: GivenIdentity,
    now: Timestamp,
) -> Result<Identity, BadReply> {
    let endpoints = known_good_first(address, given.endpoints.clone());
    let (pair, roots) = trusted(&Pins::of_roots(&identity.roots), key, given, now)?;
    let own = NodeUri { installation: identity.installation.clone(), node: identity.node.clone() };
    let NodeUri { installation, node } =
        name_in(&pair, |uri| *uri == own).ok_or_else(|| other_name(&pair, &own.node.node))?;
    let Identity { address, token_id, .. } = *identity;
    let generation = identity.generation + 1;
    Ok(Identity { generation, installation, node, address, endpoints, token_id, pair, roots })
}

/// The pair and the roots: the key is the certificate's, the chain holds for a client in the roots,
/// and one of them is trusted already.
fn trusted(
    pins: &Pins,
    key: PrivateKey,
    given: GivenIdentity,
    now: Timestamp,
) -> Result<(Pair, Vec<CertificateDer<'static>>), BadReply> {
    let GivenIdentity { chain, roots, endpoints: _, server_time: _ } = given;
    let pair = Pair::new(chain, key)?;
    if !roots.iter().any(|root| pins.fit(root)) {
        return Err(BadReply::Pin);
    }
    let anchors = anchors(&roots).map_err(BadChain::from)?;
    check_chain(Profile::Agent, pair.chain(), &anchors, now)?;
    Ok((pair, roots))
}

/// The one name in the certificate, if it is the right one.
fn name_in(pair: &Pair, is_own: impl Fn(&NodeUri) -> bool) -> Option<NodeUri> {
    let uris = certificate::read(pair.leaf()).ok()?.uris;
    let [uri] = &uris[..] else { return None };
    uri.parse().ok().filter(is_own)
}

fn other_name(pair: &Pair, node: &NodeName) -> BadReply {
    let found = certificate::read(pair.leaf()).map(|leaf| leaf.uris).unwrap_or_default();
    BadReply::Name { found, node: node.clone() }
}

/// The address that has just answered, then the others.
pub(crate) fn known_good_first(answered: &Endpoint, mut endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
    endpoints.retain(|endpoint| endpoint != answered);
    endpoints.insert(0, answered.clone());
    endpoints
}

/// For a person.
pub(crate) fn listed(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Says, TestCa, node_id, now};
    use pilaster_common::error::causes;

    const URI: &str = "spiffe://i-1/cluster/x-k3s/node/m-1";

    struct Case {
        uri: &'static str,
        profile: Profile,
        change: fn(&mut JoinReply),
    }

    const GOOD: Case = Case { uri: URI, profile: Profile::Agent, change: |_| {} };

    fn given(leaf: &CertificateDer<'static>, roots: &[&CertificateDer<'static>]) -> GivenIdentity {
        GivenIdentity {
            chain: vec![leaf.clone()],
            roots: roots.iter().copied().cloned().collect(),
            endpoints: vec!["192.168.7.2:7443".parse().expect("good")],
            server_time: now(),
        }
    }

    #[track_caller]
    fn check_case(case: &Case) -> String {
        let ca = TestCa::new("control");
        let pair = ca.leaf(case.profile, &Says { uri: Some(case.uri), ..Says::default() });
        let mut reply = JoinReply {
            identity: given(pair.leaf(), &[&ca.root]),
            nonce: [1; 16],
            address: [192, 168, 7, 11].into(),
        };
        (case.change)(&mut reply);
        let node = "m-1".parse().expect("good");
        let pins = Pins::one(ca.pin());
        let asked = Asked {
            address: &"192.168.7.3:7443".parse().expect("good"),
            node: &node,
            token_id: [0; 8],
            pins: &pins,
            nonce: [1; 16],
        };
        let key = PrivateKey::from_pem(pair.key().to_pem().as_bytes()).expect("own");
        match check(&asked, key, reply, now()) {
            Ok(Identity { installation, node, endpoints, .. }) => {
                format!("{installation} {} {}", node.cluster, listed(&endpoints))
            }
            Err(error) => causes(&error),
        }
    }

    #[test]
    fn only_the_answer_to_the_own_question_is_taken() {
        let other = |change| Case { change, ..GOOD };
        let named = |uri| Case { uri, ..GOOD };
        for (case, words) in [
            (GOOD, "i-1 x-k3s 192.168.7.3:7443, 192.168.7.2:7443"),
            (other(|reply| reply.nonce[0] = 2), "nonce"),
            (other(|reply| reply.identity.chain.clear()), "no certificate"),
            (other(|reply| reply.identity.roots.clear()), "do not contain"),
            (
                other(|reply| reply.identity.roots = vec![TestCa::new("other").root]),
                "do not contain",
            ),
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
                reply.identity.chain = vec![pair.leaf().clone()];
            },
            ..GOOD
        });
        assert!(answer.contains("not the one of the certificate"), "{answer}");
    }

    #[track_caller]
    fn check_next(uri: &str, change: impl FnOnce(&mut GivenIdentity)) -> String {
        let ca = TestCa::new("control");
        let pair = ca.leaf(Profile::Agent, &Says { uri: Some(uri), ..Says::default() });
        let identity = Identity {
            generation: 4,
            installation: "i-1".into(),
            node: node_id("x-k3s", "m-1"),
            address: [192, 168, 7, 11].into(),
            endpoints: Vec::new(),
            token_id: [7; 8],
            pair: ca.leaf(Profile::Agent, &Says::default()),
            roots: vec![ca.root.clone()],
        };
        let mut reply = given(pair.leaf(), &[&TestCa::new("next").root, &ca.root]);
        change(&mut reply);
        let key = PrivateKey::from_pem(pair.key().to_pem().as_bytes()).expect("own");
        let address = "192.168.7.3:7443".parse().expect("good");
        match check_renewal(&identity, &address, key, reply, now()) {
            Ok(Identity { generation, roots, endpoints, token_id: [7, ..], .. }) => {
                format!("{generation} {} {}", roots.len(), listed(&endpoints))
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => causes(&error),
        }
    }

    #[test]
    fn promise_03_a_renewal_stays_with_this_node_and_a_root_that_is_trusted() {
        assert_eq!(check_next(URI, |_| {}), "5 2 192.168.7.3:7443, 192.168.7.2:7443");
        let other = TestCa::new("other");
        for (uri, change, words) in [
            ("spiffe://i-1/cluster/x-k3s/node/m-2", None, "m-2"),
            ("spiffe://i-2/cluster/x-k3s/node/m-1", None, "i-2"),
            ("spiffe://i-1/cluster/y/node/m-1", None, "cluster/y"),
            (URI, Some(vec![other.root.clone()]), "trusted already"),
            (URI, Some(Vec::new()), "trusted already"),
        ] {
            let answer = check_next(uri, |reply| {
                if let Some(roots) = change {
                    reply.roots = roots;
                }
            });
            assert!(answer.contains(words), "{words}: {answer}");
        }
        let foreign = |reply: &mut GivenIdentity| {
            let says = Says { uri: Some(URI), ..Says::default() };
            reply.chain = vec![other.leaf(Profile::Agent, &says).leaf().clone()];
        };
        assert!(check_next(URI, foreign).contains("not the one of the certificate"));
    }
}

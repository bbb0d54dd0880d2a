//! How a node gets in and stays: Join, Issue and Renew, asked and answered.

use std::net::Ipv4Addr;

use pilaster_common::clock::Timestamp;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::name::NodeName;
use pilaster_common::profile::{LEAVES, Profile};
use rustls_pki_types::CertificateDer;

use crate::agent::v1 as pb;
use crate::checked::{
    BadMessage, bad, bytes, certificates, each, leaf_profile, parsed, required, sized, texts,
};
use crate::desired::checked_endpoints;
use crate::facts::Facts;

/// A node asks to be let in with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// The token's public part.
    pub token_id: [u8; 8],
    /// The host name.
    pub node: NodeName,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
    /// What it is.
    pub facts: Facts,
    /// Differs after each boot.
    pub boot_id: String,
    /// Comes back in the reply.
    pub nonce: [u8; 16],
    /// The proof of the token, bound to the connection and to all of the above that matters.
    pub mac: Vec<u8>,
}

/// A node's first identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    /// Its certificate, with all that an identity needs.
    pub identity: GivenIdentity,
    /// Of the request.
    pub nonce: [u8; 16],
    /// The address by which the node is known from now on.
    pub address: Ipv4Addr,
}

/// An identity, as the coordinator gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenIdentity {
    /// The leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Every current control root.
    pub roots: Vec<CertificateDer<'static>>,
    /// Where the coordinator is found, best first; never empty.
    pub endpoints: Vec<Endpoint>,
    /// Now, by the coordinator's clock.
    pub server_time: Timestamp,
}

/// A node asks for certificates of its keys for etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueRequest {
    /// Of the desired state that wants them.
    pub generation: u64,
    /// PKCS#10, DER; at most one for each of [`LEAVES`].
    pub csrs: Vec<(Profile, Vec<u8>)>,
}

/// Chains, the leaf first, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueReply {
    /// As asked for.
    pub issued: Vec<(Profile, Vec<CertificateDer<'static>>)>,
}

/// A node asks for its next identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewRequest {
    /// PKCS#10, DER, of a new key.
    pub csr: Vec<u8>,
}

impl IssueReply {
    /// The chains, where they are for the profiles `asked` for, in their order.
    ///
    /// # Errors
    /// They are for others.
    pub fn for_profiles(
        self,
        asked: &[Profile],
    ) -> Result<Vec<Vec<CertificateDer<'static>>>, BadMessage> {
        let (answered, chains): (Vec<Profile>, Vec<_>) = self.issued.into_iter().unzip();
        if answered == asked {
            Ok(chains)
        } else {
            Err(bad("issued", "other profiles than were asked for"))
        }
    }
}

impl TryFrom<pb::JoinRequest> for JoinRequest {
    type Error = BadMessage;

    fn try_from(request: pb::JoinRequest) -> Result<Self, BadMessage> {
        let pb::JoinRequest { token_id, node, csr, facts, boot_id, nonce, mac } = request;
        Ok(Self {
            token_id: sized("token_id", &token_id)?,
            node: parsed("node", &node)?,
            csr,
            facts: required("facts", facts)?.try_into()?,
            boot_id,
            nonce: sized("nonce", &nonce)?,
            mac,
        })
    }
}

impl From<JoinRequest> for pb::JoinRequest {
    fn from(request: JoinRequest) -> Self {
        let JoinRequest { token_id, node, csr, facts, boot_id, nonce, mac } = request;
        Self {
            token_id: token_id.into(),
            node: node.into(),
            csr,
            facts: Some(facts.into()),
            boot_id,
            nonce: nonce.into(),
            mac,
        }
    }
}

impl TryFrom<pb::JoinReply> for JoinReply {
    type Error = BadMessage;

    fn try_from(reply: pb::JoinReply) -> Result<Self, BadMessage> {
        let pb::JoinReply { identity, nonce, address } = reply;
        Ok(Self {
            identity: required("identity", identity)?.try_into()?,
            nonce: sized("nonce", &nonce)?,
            address: parsed("address", &address)?,
        })
    }
}

impl From<JoinReply> for pb::JoinReply {
    fn from(reply: JoinReply) -> Self {
        let JoinReply { identity, nonce, address } = reply;
        Self { identity: Some(identity.into()), nonce: nonce.into(), address: address.to_string() }
    }
}

impl TryFrom<pb::GivenIdentity> for GivenIdentity {
    type Error = BadMessage;

    fn try_from(given: pb::GivenIdentity) -> Result<Self, BadMessage> {
        let pb::GivenIdentity { chain, roots, endpoints, server_time } = given;
        Ok(Self {
            chain: certificates(chain),
            roots: certificates(roots),
            endpoints: checked_endpoints(&endpoints)?,
            server_time: Timestamp::from_unix(server_time),
        })
    }
}

impl From<GivenIdentity> for pb::GivenIdentity {
    fn from(given: GivenIdentity) -> Self {
        let GivenIdentity { chain, roots, endpoints, server_time } = given;
        Self {
            chain: bytes(&chain),
            roots: bytes(&roots),
            endpoints: texts(endpoints),
            server_time: server_time.unix(),
        }
    }
}

impl TryFrom<pb::IssueRequest> for IssueRequest {
    type Error = BadMessage;

    fn try_from(request: pb::IssueRequest) -> Result<Self, BadMessage> {
        let pb::IssueRequest { generation, csrs } = request;
        if csrs.len() > LEAVES.len() {
            return Err(bad("csrs", "more requests than profiles"));
        }
        let csrs = each(csrs, |pb::Csr { profile, der }| {
            Ok((leaf_profile("csrs.profile", profile)?, der))
        })?;
        Ok(Self { generation, csrs })
    }
}

impl From<IssueRequest> for pb::IssueRequest {
    fn from(request: IssueRequest) -> Self {
        let IssueRequest { generation, csrs } = request;
        let csr = |(profile, der)| pb::Csr { profile: pb::Profile::from(profile).into(), der };
        Self { generation, csrs: csrs.into_iter().map(csr).collect() }
    }
}

impl TryFrom<pb::IssueReply> for IssueReply {
    type Error = BadMessage;

    fn try_from(reply: pb::IssueReply) -> Result<Self, BadMessage> {
        let pb::IssueReply { issued } = reply;
        let issued = each(issued, |pb::Issued { profile, chain }| {
            Ok((leaf_profile("issued.profile", profile)?, certificates(chain)))
        })?;
        Ok(Self { issued })
    }
}

impl From<IssueReply> for pb::IssueReply {
    fn from(reply: IssueReply) -> Self {
        let issued = reply.issued.iter().map(|(profile, chain)| pb::Issued {
            profile: pb::Profile::from(*profile).into(),
            chain: bytes(chain),
        });
        Self { issued: issued.collect() }
    }
}

impl From<pb::RenewRequest> for RenewRequest {
    fn from(request: pb::RenewRequest) -> Self {
        let pb::RenewRequest { csr } = request;
        Self { csr }
    }
}

impl From<RenewRequest> for pb::RenewRequest {
    fn from(request: RenewRequest) -> Self {
        let RenewRequest { csr } = request;
        Self { csr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_other_profiles_is_refused() {
        let asked = |profiles: &[Profile], answered: pb::Profile| {
            let issued = vec![pb::Issued { profile: answered.into(), chain: vec![vec![1]] }];
            let reply = IssueReply::try_from(pb::IssueReply { issued });
            reply.and_then(|reply| reply.for_profiles(profiles)).is_ok()
        };
        assert!(asked(&[Profile::Server], pb::Profile::Server));
        assert!(!asked(&[Profile::Server], pb::Profile::Client));
        assert!(!asked(&[Profile::Server, Profile::Peer], pb::Profile::Server));
        assert!(!asked(&[Profile::Server], pb::Profile::Unspecified));
        assert!(!asked(&[Profile::Agent], pb::Profile::Agent));
    }

    #[test]
    fn an_identity_comes_with_an_address_of_the_node_and_of_the_coordinator() {
        let field = |change: fn(&mut pb::JoinReply)| {
            let identity = pb::GivenIdentity {
                endpoints: vec!["192.168.7.2:7443".into()],
                ..Default::default()
            };
            let mut reply = pb::JoinReply {
                identity: Some(identity),
                nonce: vec![1; 16],
                address: "192.168.7.11".into(),
            };
            change(&mut reply);
            JoinReply::try_from(reply).err().map_or("", |error| error.field)
        };
        fn put(reply: &mut pb::JoinReply, endpoints: &[&str]) {
            let endpoints = endpoints.iter().map(ToString::to_string).collect();
            reply.identity.as_mut().expect("it has").endpoints = endpoints;
        }
        assert_eq!(field(|_| {}), "");
        assert_eq!(field(|reply| reply.address = "fe80::1".into()), "address");
        assert_eq!(
            field(|reply| {
                reply.nonce.pop();
            }),
            "nonce"
        );
        assert_eq!(field(|reply| reply.identity = None), "identity");
        assert_eq!(field(|reply| put(reply, &[])), "endpoints");
        assert_eq!(field(|reply| put(reply, &["a b:1"])), "endpoints");
    }

    #[test]
    fn a_node_asks_for_no_more_certificates_than_there_are_kinds() {
        let csr = || pb::Csr { profile: pb::Profile::Peer.into(), der: vec![1] };
        let request = |count| pb::IssueRequest { generation: 1, csrs: vec![csr(); count] };
        assert!(IssueRequest::try_from(request(3)).is_ok());
        assert_eq!(IssueRequest::try_from(request(4)).expect_err("four").field, "csrs");
    }
}

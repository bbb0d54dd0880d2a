//! `client`: signs the key of a person or a program as a `client` of a cluster.

use std::fmt;

use pilaster_common::{certificate, pem};
use serde::{Deserialize, Serialize};
use tonic::Code;

use pilaster_common::name::ClusterName;

use super::dispatch::{Act, Command, Done, Refused};
use super::which;
use crate::ca::issue;
use crate::coordinator::Coordinator;
use crate::spec::ClusterSpec;

/// A common name has at most 64 characters (RFC 5280, A.1); rcgen does not check.
const NAME_MAX: usize = 64;

/// Has a key certified.
#[derive(Debug, Serialize, Deserialize)]
pub struct IssueClient {
    /// `None` for the only one.
    pub cluster: Option<String>,
    /// Whose it is.
    pub name: String,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
}

/// A client's certificate, and whom it trusts.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientIdentity {
    /// Where it is good.
    pub cluster: ClusterName,
    /// DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PEM.
    pub client_ca: String,
}

/// A client of a cluster.
pub(super) struct Client {
    name: String,
    spec: ClusterSpec,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.spec.cluster, self.name)
    }
}

impl Command for IssueClient {
    const NAME: &'static str = "issue client";
    type Answer = ClientIdentity;
}

impl Act for IssueClient {
    type Target = Client;

    async fn target(&self, coordinator: &Coordinator) -> Result<Client, Refused> {
        let spec = which::cluster(coordinator, self.cluster.as_deref()).await?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
        let name = self.name.clone();
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(allowed) {
            let help = "use letters, digits and . _ @ - only, 1 to 64 of them";
            let cause = format!("{name:?} cannot be the name of a client");
            return Err(Refused::missing(cause, help));
        }
        Ok(Client { name, spec })
    }

    async fn act(&self, client: &Client, c: &Coordinator) -> Result<Done<ClientIdentity>, Refused> {
        let invalid = |error| Refused::new(Code::InvalidArgument, &error);
        let public_key = certificate::read_request(&self.csr).map_err(invalid)?;
        let Client { name, spec } = client;
        let authorities = c.authorities.of(&spec.cluster)?;
        let leaf = issue::client(name, spec.certificates.leaf, c.now());
        let certificate = authorities.client.sign(&leaf, &public_key)?;
        let answer = ClientIdentity {
            cluster: spec.cluster.clone(),
            chain: vec![certificate.to_vec()],
            client_ca: pem::encode_certificates([authorities.client.root()]),
        };
        let after = format!("valid until {}", leaf.not_after.date());
        Ok(Done { before: String::new(), after, answer })
    }
}

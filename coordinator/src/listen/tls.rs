//! TLS as this coordinator serves it: its own certificate, and no resumption.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilaster_common::clock::{Clock, Timestamp};
use pilaster_common::error::causes;
use pilaster_common::secret::PrivateKey;
use pilaster_proto::tls;
use rustls::ServerConfig;
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::ca::issue;
use crate::ca::sign::{Authority, SignError};

/// The coordinator's own leaf is renewed when less than this is left: 90 d, renewed at 60.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// A server's configuration with the coordinator's own certificate: gRPC over TLS 1.3, and a client
/// certificate only where there is someone who verifies it.
pub(crate) fn server_config(
    own: &Arc<OwnLeaf>,
    only_clients: Option<Arc<dyn ClientCertVerifier>>,
) -> ServerConfig {
    let builder = match only_clients {
        None => tls::server_config().with_no_client_auth(),
        Some(clients) => tls::server_config().with_client_cert_verifier(clients),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(own) as Arc<dyn ResolvesServerCert>);
    config.time_provider = Arc::new(tls::ByClock(Arc::clone(&own.clock)));
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    // rustls does not ask the verifier again on resumption: there is none.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

/// The coordinator's own certificate: made in memory, renewed by the first handshake that finds it
/// old.
pub(crate) struct OwnLeaf {
    control: Arc<Authority>,
    clock: Arc<dyn Clock>,
    present: Mutex<(Arc<CertifiedKey>, Timestamp)>,
}

impl OwnLeaf {
    /// Signed by the control CA.
    pub(crate) fn new(control: Arc<Authority>, clock: Arc<dyn Clock>) -> Result<Self, SignError> {
        let present = Mutex::new(make(&control, clock.now())?);
        Ok(Self { control, clock, present })
    }
}

impl fmt::Debug for OwnLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnLeaf(..)")
    }
}

impl ResolvesServerCert for OwnLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.clock.now();
        let mut present = self.present.lock().expect("no holder panics");
        if present.1.minus(RENEW_BEFORE) <= now {
            match make(&self.control, now) {
                Ok(made) => *present = made,
                Err(error) => {
                    let causes = causes(&error);
                    tracing::error!("cannot renew the coordinator's certificate: {causes}");
                }
            }
        }
        Some(Arc::clone(&present.0))
    }
}

fn make(control: &Authority, now: Timestamp) -> Result<(Arc<CertifiedKey>, Timestamp), SignError> {
    let key = PrivateKey::generate()?;
    let plan = issue::coordinator(now);
    let leaf = control.sign(&plan, &key.public_key())?;
    let signing_key = any_ecdsa_type(&key.to_der());
    let signing_key = signing_key.expect("ring signs with the P-256 key it has just made");
    let chain = vec![leaf, control.root().clone()];
    Ok((Arc::new(CertifiedKey::new(chain, signing_key)), plan.not_after))
}

//! What agents reach: one listener, TLS 1.3 only, two TLS configurations with routes bound to each
//! (promise 3).
//!
//! [`acceptor`] takes connections, [`auth`] says who is at
//! the other end; [`enrollment`] and [`agent`] are the two services.

pub(crate) mod acceptor;
mod agent;
mod auth;
mod enrollment;

use pilaster_common::name::ClusterName;
use pilaster_proto::enrollment::GivenIdentity;
use rustls_pki_types::CertificateDer;

pub(crate) use agent::AgentService;
pub(crate) use enrollment::EnrollmentService;

use crate::coordinator::Coordinator;

/// An identity with all that its node needs beside the certificate.
async fn given(
    coordinator: &Coordinator,
    cluster: &ClusterName,
    certificate: CertificateDer<'static>,
) -> GivenIdentity {
    let spec = coordinator.store.spec(cluster).await.ok().flatten();
    GivenIdentity {
        chain: vec![certificate],
        roots: vec![coordinator.control.root().clone()],
        endpoints: coordinator.endpoints.for_network(spec.and_then(|spec| spec.network)),
        server_time: coordinator.now(),
    }
}

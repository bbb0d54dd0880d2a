//! TLS 1.3 over a stream that is there already, for the coordinator and for etcd on loopback.

use std::io;
use std::sync::Arc;

use pilaster_common::clock::Clock;
use pilaster_proto::tls::ByClock;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Shakes hands. Nothing is resumed: a resumed session skips the verifier of the other end.
pub(crate) async fn over<S>(
    stream: S,
    mut config: ClientConfig,
    name: ServerName<'static>,
    clock: &Arc<dyn Clock>,
) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    config.resumption = Resumption::disabled();
    config.time_provider = Arc::new(ByClock(Arc::clone(clock)));
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

//! TLS 1.3 over a stream that is there already, for the coordinator and for etcd on loopback.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{Clock, Timestamp};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Certificates are held against the agent's own clock.
#[derive(Debug)]
pub(crate) struct Now(pub(crate) Arc<dyn Clock>);

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}

/// For verifiers: what lies before 1970 is 1970.
pub(crate) fn unix_time(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.unix()).unwrap_or(0)))
}

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
    config.time_provider = Arc::new(Now(Arc::clone(clock)));
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

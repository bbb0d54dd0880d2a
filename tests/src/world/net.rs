//! A network in memory: every host reaches the coordinator, unless its cable is pulled.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pilaster_agent::{BoxedStream, Dial};
use pilaster_common::endpoint::Endpoint;
use pilaster_coordinator::listen::Socket;
use tokio::io::duplex;
use tokio::sync::mpsc;

/// What a connection holds at most on its way.
const ON_THE_WAY: usize = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;

type Accepted = (Box<dyn Socket>, SocketAddr);

/// The network.
#[derive(Debug, Clone)]
pub struct Net {
    endpoint: Endpoint,
    coordinator: mpsc::Sender<Accepted>,
}

impl Net {
    /// With a coordinator at `endpoint`, and the connections to it.
    pub(super) fn with_coordinator(endpoint: Endpoint) -> (Self, mpsc::Receiver<Accepted>) {
        let (coordinator, incoming) = mpsc::channel(BACKLOG);
        (Self { endpoint, coordinator }, incoming)
    }

    /// A host's cable, plugged in.
    pub(super) fn cable(&self, address: Ipv4Addr) -> Cable {
        Cable { net: self.clone(), address, pulled: Arc::default() }
    }

    /// Where the coordinator is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// How a host reaches the network.
#[derive(Debug, Clone)]
pub struct Cable {
    net: Net,
    address: Ipv4Addr,
    pulled: Arc<AtomicBool>,
}

impl Cable {
    /// From now on nobody is reached anew.
    pub fn pull(&self) {
        self.pulled.store(true, Ordering::Relaxed);
    }

    /// As before.
    pub fn plug_in(&self) {
        self.pulled.store(false, Ordering::Relaxed);
    }
}

#[tonic::async_trait]
impl Dial for Cable {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxedStream> {
        if self.pulled.load(Ordering::Relaxed) || *endpoint != self.net.endpoint {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (own, theirs) = duplex(ON_THE_WAY);
        let from = SocketAddr::from((self.address, 40_000));
        let accepted: Accepted = (Box::new(theirs), from);
        let sent = self.net.coordinator.send(accepted).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(own))
    }
}

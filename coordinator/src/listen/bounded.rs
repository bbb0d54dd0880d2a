//! The accept loop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::by_address::{ByAddress, Place};

/// Pause after a failed accept, such as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// A connection's bytes, both ways.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Socket for T {}

/// Where connections come from: a port, or a network in memory.
pub trait Incoming: Send + 'static {
    /// The next connection, and where it comes from. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = io::Result<(Box<dyn Socket>, SocketAddr)>> + Send;
}

impl Incoming for TcpListener {
    async fn next(&mut self) -> io::Result<(Box<dyn Socket>, SocketAddr)> {
        let (stream, address) = self.accept().await?;
        let _ = stream.set_nodelay(true); // one that is gone already is told when it is read
        Ok((Box::new(stream), address))
    }
}

impl Incoming for mpsc::Receiver<(Box<dyn Socket>, SocketAddr)> {
    async fn next(&mut self) -> io::Result<(Box<dyn Socket>, SocketAddr)> {
        match self.recv().await {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await, // nobody connects any more
        }
    }
}

/// How much there may be at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Who connects, for the log: `agents`.
    pub(crate) whom: &'static str,
    /// Of all addresses together; one more waits.
    pub(crate) in_all: usize,
    /// Of one address; one more is closed.
    pub(crate) of_address: usize,
}

/// An accepted connection, with its share of what there may be: given back when dropped. Whoever
/// handles it takes it apart *inside* its future: an `async` block holds only what it names.
pub(crate) struct Connection {
    pub(crate) socket: Box<dyn Socket>,
    pub(crate) address: SocketAddr,
    /// Of all addresses together.
    pub(crate) slot: OwnedSemaphorePermit,
    /// Of its own address.
    pub(crate) place: Place,
}

/// Accepts within `bounds` until it is dropped, which cuts off what `handle` still does.
pub(crate) async fn accept<F>(
    mut incoming: impl Incoming,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    handle: impl Fn(Connection) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let Bounds { whom, in_all, of_address } = bounds;
    let slots = Arc::new(Semaphore::new(in_all));
    let by_address = ByAddress::new(of_address);
    let mut under_way = JoinSet::new();
    let mut told = false;
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("never closed");
        while under_way.try_join_next().is_some() {}
        let (socket, address) = match incoming.next().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("cannot accept {whom}, trying on: {error}");
                }
                clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        told = false;
        match by_address.place(address.ip()) {
            Some(place) => {
                under_way.spawn(handle(Connection { socket, address, slot, place }));
            }
            None => tracing::debug!(%address, "refused, of {whom}: it has {of_address} under way"),
        }
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::clock::SystemClock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const BOUNDS: Bounds = Bounds { whom: "strangers", in_all: 3, of_address: 2 };

    /// Gives errors first, as a process without descriptors gets them.
    struct Failing(usize, mpsc::Receiver<(Box<dyn Socket>, SocketAddr)>);

    impl Incoming for Failing {
        async fn next(&mut self) -> io::Result<(Box<dyn Socket>, SocketAddr)> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(io::Error::other("too many open files"));
            }
            self.1.next().await
        }
    }

    struct Door(mpsc::Sender<(Box<dyn Socket>, SocketAddr)>);

    impl Door {
        async fn connect(&self, last: u8) -> DuplexStream {
            let (own, theirs) = duplex(64);
            let from = SocketAddr::from(([10, 0, 0, last], 4000));
            self.0.send((Box::new(theirs), from)).await.expect("it listens");
            own
        }
    }

    /// A server that holds each connection until the other side says something.
    fn held(failures: usize) -> Door {
        let (sender, incoming) = mpsc::channel(64);
        let handle = |connection: Connection| async move {
            let Connection { mut socket, slot: _slot, place: _place, .. } = connection;
            socket.write_all(b"!").await.expect("open");
            drop(socket.read_u8().await);
        };
        let incoming = Failing(failures, incoming);
        tokio::spawn(accept(incoming, BOUNDS, Arc::new(SystemClock), handle));
        Door(sender)
    }

    /// Whether it is let in at once, is to wait, or is closed.
    async fn answer(stream: &mut DuplexStream) -> &'static str {
        match tokio::time::timeout(Duration::from_secs(1), stream.read_u8()).await {
            Ok(Ok(_)) => "in",
            Ok(Err(_)) => "closed",
            Err(_) => "waits",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_its_share_and_all_together_theirs() {
        let door = held(0);
        let (mut one, mut two) = (door.connect(1).await, door.connect(1).await);
        assert_eq!((answer(&mut one).await, answer(&mut two).await), ("in", "in"));
        assert_eq!(answer(&mut door.connect(1).await).await, "closed");
        let mut other = door.connect(2).await;
        assert_eq!(answer(&mut other).await, "in");
        let mut late = door.connect(3).await;
        assert_eq!(answer(&mut late).await, "waits");
        drop(one);
        assert_eq!(answer(&mut late).await, "in");
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_after_accepting_has_failed_for_a_while() {
        let door = held(5);
        let mut stream = door.connect(1).await;
        assert_eq!(answer(&mut stream).await, "waits", "it does not spin");
        assert_eq!((answer(&mut stream).await, answer(&mut stream).await), ("waits", "in"));
    }
}

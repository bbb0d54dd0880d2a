//! For tests: both directions of what goes between TLS and HTTP/2, appended to the file that `PILASTER_TAP` names.
//!
//! Only with the cargo feature `tap`, which no release has. A test looks there for key bytes (promise 1).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose bytes are copied.
pub(super) struct Tap<S> {
    stream: S,
    file: Option<File>,
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S) -> Self {
        let open = |path| OpenOptions::new().create(true).append(true).open(path).ok();
        Self { stream, file: std::env::var_os("PILASTER_TAP").and_then(open) }
    }

    fn copy(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.copy(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        Poll::Ready(self.copy(&buf[..written]).map(|()| written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn both_directions_are_copied() {
        let place = tempfile::NamedTempFile::new().expect("a file");
        let (here, mut there) = tokio::io::duplex(64);
        let file = OpenOptions::new().append(true).open(place.path()).ok();
        let mut tap = Tap { stream: here, file };
        tap.write_all(b"up ").await.expect("writes");
        there.write_all(b"down").await.expect("writes");
        let mut word = [0; 4];
        tap.read_exact(&mut word).await.expect("reads");
        assert_eq!(std::fs::read(place.path()).expect("reads"), b"up down");
    }
}

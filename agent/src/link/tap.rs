//! For tests: both directions of what goes between TLS and HTTP/2, appended to the file that
//! `PILASTER_TAP` names.
//!
//! Only with the cargo feature `tap`, which no release has. A test looks there for key bytes
//! (promise 1).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, join, split};
use tokio_util::io::{InspectReader, InspectWriter};

/// Where the copy goes.
pub(super) fn place() -> Option<OsString> {
    std::env::var_os("PILASTER_TAP")
}

/// `stream`, whose bytes are copied.
pub(super) fn tap<S: AsyncRead + AsyncWrite>(
    stream: S,
    place: Option<OsString>,
) -> impl AsyncRead + AsyncWrite + Unpin {
    let file = place.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
    let file = file.map(Arc::new);
    let copy = move |bytes: &[u8]| {
        if let Some(mut file) = file.as_deref() {
            file.write_all(bytes).expect("a test has room for its copy");
        }
    };
    let (down, up) = split(stream);
    join(InspectReader::new(down, copy.clone()), InspectWriter::new(up, copy))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn both_directions_are_copied() {
        let place = tempfile::NamedTempFile::new().expect("a file");
        let (here, mut there) = tokio::io::duplex(64);
        let mut tapped = tap(here, Some(place.path().into()));
        tapped.write_all(b"up ").await.expect("writes");
        there.write_all(b"down").await.expect("writes");
        let mut word = [0; 4];
        tapped.read_exact(&mut word).await.expect("reads");
        assert_eq!(std::fs::read(place.path()).expect("reads"), b"up down");
    }
}

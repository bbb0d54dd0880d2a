//! HTTP/1.1 for apk and wget: GET and HEAD of the files that [`super::folder`] knows, and nothing
//! else.
//!
//! Bounded: connections in all and by address, the size of a request's head, the time for it, and
//! the time of a connection.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use pilaster_common::clock::Clock;

use super::Repository;
use crate::listen::{self, Bounds, Connection, Socket, accept};

/// apk has one or two connections, and there may be a dozen nodes behind one router.
const CONNECTIONS: Bounds = Bounds { whom: "who fetches packages", in_all: 256, of_address: 32 };
/// A head comes in one packet. It is also how long an idle connection is kept.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// A head of apk's or wget's has 200 bytes (8 KiB is the least that hyper takes).
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Two megabytes at 10 kB/s, a bad mobile link.
const CONNECTION_MAX: Duration = Duration::from_secs(300);
/// Read from the disk at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Gives the packages out, as long as it is polled.
pub(crate) async fn serve(
    repository: Repository,
    listener: impl listen::Incoming,
    clock: Arc<dyn Clock>,
) {
    let (repository, timer) = (Arc::new(repository), Arc::clone(&clock));
    let handle = move |connection: Connection| {
        let (repository, clock) = (Arc::clone(&repository), Arc::clone(&timer));
        async move {
            let Connection { socket, slot: _slot, place: _place, .. } = connection;
            let _ = clock.within(CONNECTION_MAX, answer_all(&repository, socket)).await; // apk tries again
        }
    };
    accept(listener, CONNECTIONS, clock, handle).await;
}

async fn answer_all(repository: &Repository, socket: Box<dyn Socket>) {
    let answers = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(answer(repository, request.method(), request.uri().path()))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), answers);
    if let Err(error) = connection.await {
        tracing::debug!("who fetched packages: {error}");
    }
}

fn answer(repository: &Repository, method: &Method, path: &str) -> Response<FileBody> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let Ok((file, length)) = repository.find(path) else { return empty(StatusCode::NOT_FOUND) };
    let file = (method == Method::GET).then_some(file);
    let mut found = Response::new(FileBody { left: file.as_ref().map_or(0, |_| length), file });
    let headers = found.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    found
}

fn empty(status: StatusCode) -> Response<FileBody> {
    let mut response = Response::new(FileBody { file: None, left: 0 });
    *response.status_mut() = status;
    response
}

/// The first `left` bytes of a file: one that grows meanwhile gives no more, one that shrinks
/// breaks the connection off.
struct FileBody {
    file: Option<File>,
    left: u64,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads from the disk in place: a chunk of a file that is hardly larger than the page cache's
    /// read-ahead.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let left = self.left;
        let Some(file) = self.file.as_mut().filter(|_| left > 0) else { return Poll::Ready(None) };
        let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(left).unwrap_or(CHUNK_BYTES))];
        Poll::Ready(Some(match file.read(&mut chunk) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                chunk.truncate(bytes);
                self.left -= bytes as u64;
                Ok(Frame::data(chunk.into()))
            }
            Err(error) => Err(error),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::SocketAddr;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use pilaster_common::clock::SystemClock;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::AbortHandle;

    use super::*;

    struct Served {
        folder: TempDir,
        address: SocketAddr,
        task: AbortHandle,
    }

    impl Drop for Served {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    fn put(path: &Path, content: &[u8]) {
        fs::create_dir_all(path.parent().expect("below a folder")).expect("made");
        let file = File::create(path);
        file.and_then(|mut file| io::Write::write_all(&mut file, content)).expect("written");
    }

    /// A repository with one package and an index, beside a file that is not its.
    async fn served() -> Served {
        let folder = tempfile::tempdir().expect("a folder");
        put(&folder.path().join("secret.apk"), b"secret");
        let repository = folder.path().join("repository");
        put(&repository.join("k.rsa.pub"), b"key");
        put(&repository.join("x86_64/a-1-r0.apk"), &[b'a'; 200_000]);
        put(&repository.join("x86_64/APKINDEX.tar.gz"), b"index");
        put(&repository.join("x86_64/notes.txt"), b"secret");
        symlink("../../secret.apk", repository.join("x86_64/link.apk")).expect("linked");
        symlink("..", repository.join("up")).expect("linked");
        fs::create_dir(repository.join("x86_64/folder.apk")).expect("made");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let repository = Repository::open(&repository).expect("there");
        let serving = tokio::spawn(serve(repository, listener, Arc::new(SystemClock)));
        Served { folder, address, task: serving.abort_handle() }
    }

    /// Sends `head` as it is and reads until the end.
    async fn raw(served: &Served, head: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(served.address).await.expect("it listens");
        stream.write_all(head).await.expect("sent");
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await); // one that is reset has answered before
        answer
    }

    /// Status, head and body.
    async fn ask(served: &Served, method: &str, path: &str) -> (u16, String, Vec<u8>) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(served, head.as_bytes()).await;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, head, answer[end + 4..].to_vec())
    }

    #[tokio::test]
    async fn packages_index_and_key_are_given_out() {
        let served = served().await;
        let (status, head, body) = ask(&served, "GET", "/x86_64/a-1-r0.apk").await;
        assert_eq!((status, body.len()), (200, 200_000));
        assert!(head.contains("content-length: 200000"), "{head}");
        assert_eq!(ask(&served, "GET", "/x86_64/APKINDEX.tar.gz").await.2, b"index");
        assert_eq!(ask(&served, "GET", "/k.rsa.pub").await.2, b"key");
        assert_eq!(ask(&served, "GET", "/k.rsa.pub?x=../y").await.2, b"key");
    }

    #[tokio::test]
    async fn head_tells_the_length_and_gives_no_body() {
        let served = served().await;
        let (status, head, body) = ask(&served, "HEAD", "/x86_64/a-1-r0.apk").await;
        assert_eq!((status, body.len()), (200, 0));
        assert!(head.contains("content-length: 200000"), "{head}");
    }

    #[tokio::test]
    async fn nothing_else_of_the_folder_or_beside_it_is_given_out() {
        let served = served().await;
        for path in [
            "/",
            "/x86_64",
            "/x86_64/",
            "/x86_64/notes.txt",
            "/x86_64/none.apk",
            "/none.rsa.pub",
            "/x86_64/folder.apk",
            "/../secret.apk",
            "/x86_64/../../secret.apk",
            "/%2e%2e/secret.apk",
            "/x86_64/%2e%2e/%2e%2e/secret.apk",
            "/x86_64/..%2fa-1-r0.apk",
            "/x86_64/link.apk",
            "/up/secret.apk",
        ] {
            let (status, _, body) = ask(&served, "GET", path).await;
            assert_eq!((status, body.len()), (404, 0), "{path}");
        }
    }

    #[tokio::test]
    async fn other_methods_are_refused() {
        let served = served().await;
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let (status, head, _) = ask(&served, method, "/x86_64/a-1-r0.apk").await;
            assert_eq!(status, 405, "{method}");
            assert!(head.contains("allow: get, head"), "{head}");
        }
        let file = served.folder.path().join("repository/x86_64/a-1-r0.apk");
        assert_eq!(fs::metadata(file).expect("still there").len(), 200_000);
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused() {
        let served = served().await;
        let head = format!("GET /k.rsa.pub HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
        let answer = String::from_utf8_lossy(&raw(&served, head.as_bytes()).await).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    /// Takes as long as the deadline.
    #[tokio::test]
    async fn a_head_that_does_not_come_is_not_waited_for() {
        let served = served().await;
        let began = SystemClock.boot();
        let answer = raw(&served, b"GET /k.rsa.pub HTTP/1.1\r\nHost: ").await;
        assert!(!answer.windows(3).any(|three| three == b"key"), "{answer:?}");
        assert!((HEAD_MAX / 2..HEAD_MAX * 2).contains(&SystemClock.boot().since(began)));
    }

    #[tokio::test]
    async fn one_address_has_its_share_of_connections_and_no_more() {
        let served = served().await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS.of_address {
            idle.push(TcpStream::connect(served.address).await.expect("it listens"));
        }
        let mut refused = TcpStream::connect(served.address).await.expect("it listens");
        drop(refused.write_all(b"GET /k.rsa.pub HTTP/1.1\r\nHost: x\r\n\r\n").await); // it may be closed already
        let mut answer = Vec::new();
        drop(refused.read_to_end(&mut answer).await); // closed or reset
        assert!(answer.is_empty(), "{answer:?}");
        drop(idle);
        tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                let head = b"GET /k.rsa.pub HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                if raw(&served, head).await.ends_with(b"key") {
                    break;
                }
            }
        })
        .await
        .expect("places are given back");
    }
}

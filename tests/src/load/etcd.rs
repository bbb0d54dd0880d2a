//! The few calls of etcd that the load needs, as messages (etcd: api/etcdserverpb/rpc.proto,
//! api/mvccpb/kv.proto), over TLS with a certificate that is read anew for each connection.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

/// A write waits for the disk of a quorum and, at worst, for an election.
const CALL_MAX: Duration = Duration::from_secs(10);

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    range_end: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Header {
    #[prost(int64, tag = "3")]
    revision: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(int64, tag = "3")]
    mod_revision: i64,
    #[prost(bytes = "vec", tag = "5")]
    value: Vec<u8>,
}

/// A connection to one member.
pub(super) struct Member(tonic::client::Grpc<Channel>);

impl Member {
    /// Dials `host:2379` with `client.pem` (and `client-key.pem`, if there is one) of `folder`.
    pub(super) async fn dial(host: &str, folder: &Path) -> Result<Self, String> {
        let key = folder.join("client-key.pem");
        let certificate = folder.join("client.pem");
        let key = if key.exists() { key } else { certificate.clone() };
        let stream = tls(host, 2379, &folder.join("ca.pem"), &certificate, &key).await?;
        let mut once = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let stream =
                once.take().ok_or_else(|| std::io::Error::other("the connection has ended"));
            async move { stream }
        });
        let endpoint = Endpoint::from_shared(format!("http://{host}:2379"))
            .map_err(|error| error.to_string())?;
        let channel = endpoint.timeout(CALL_MAX).connect_with_connector(connector).await;
        Ok(Self(tonic::client::Grpc::new(channel.map_err(|error| error.to_string())?)))
    }

    /// Puts, and answers the revision.
    pub(super) async fn put(&mut self, key: &str, value: &str) -> Result<i64, String> {
        let request = PutRequest { key: key.into(), value: value.into() };
        let reply: PutResponse = self.call("/etcdserverpb.KV/Put", request).await?;
        Ok(reply.header.unwrap_or_default().revision)
    }

    /// All keys that begin with `prefix`, with value and revision; a linearizable read.
    pub(super) async fn all(&mut self, prefix: &str) -> Result<Vec<(String, String, i64)>, String> {
        let mut end = prefix.as_bytes().to_vec();
        *end.last_mut().ok_or("an empty prefix")? += 1;
        let request = RangeRequest { key: prefix.into(), range_end: end };
        let reply: RangeResponse = self.call("/etcdserverpb.KV/Range", request).await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(reply
            .kvs
            .into_iter()
            .map(|kv| (text(kv.key), text(kv.value), kv.mod_revision))
            .collect())
    }

    async fn call<Q, A>(&mut self, path: &'static str, request: Q) -> Result<A, String>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        self.0.ready().await.map_err(|error| error.to_string())?;
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        let reply = self.0.unary(tonic::Request::new(request), path, codec).await;
        reply.map(tonic::Response::into_inner).map_err(|status| status.to_string())
    }
}

/// A TLS 1.3 connection without resumption; the certificate is read from its file now.
pub(super) async fn tls(
    host: &str,
    port: u16,
    ca: &Path,
    certificate: &Path,
    key: &Path,
) -> Result<TlsStream<TcpStream>, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(ca).map_err(|error| text(&error))? {
        roots.add(root.map_err(|error| text(&error))?).map_err(|error| text(&error))?;
    }
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| text(&error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| text(&error))?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| text(&error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| text(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    let stream = TcpStream::connect((host, port)).await.map_err(|error| text(&error))?;
    stream.set_nodelay(true).map_err(|error| text(&error))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
    let connecting =
        tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream);
    match tokio::time::timeout(CALL_MAX, connecting).await {
        Ok(connected) => connected.map_err(|error| text(&error)),
        Err(_) => Err("the handshake was not done in time".into()),
    }
}

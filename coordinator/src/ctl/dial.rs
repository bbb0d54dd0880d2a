//! The way to the coordinator: its admin socket.

use std::path::Path;

use hyper_util::rt::TokioIo;
use pilaster_proto::admin::v1::admin_client::AdminClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::exit::{CtlError, Exit};

/// Opens the admin socket.
///
/// # Errors
/// Exit code 3, with what to do, where nobody answers on it.
pub(super) async fn dial(socket: &Path) -> Result<AdminClient<Channel>, CtlError> {
    let path = socket.to_owned();
    let stream = UnixStream::connect(&path).await.map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "run coordctl as the user who runs pilaster-coordinator"
            }
            _ => "start it here (pilaster-coordinator), or name its socket: --socket PATH",
        };
        let cause = format!("{}: {error}", path.display());
        CtlError::said(Exit::Unreachable, "cannot reach the coordinator", cause, help)
    })?;
    let mut once = Some(stream);
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let stream = once.take().map(TokioIo::new);
        async move { stream.ok_or_else(|| std::io::Error::other("the coordinator has gone")) }
    });
    let channel =
        Endpoint::from_static("http://coordinator").connect_with_connector(connector).await;
    channel.map(AdminClient::new).map_err(|error| {
        let cause = format!("{}: {error}", path.display());
        CtlError::said(
            Exit::Unreachable,
            "cannot reach the coordinator",
            cause,
            "start it again: pilaster-coordinator",
        )
    })
}

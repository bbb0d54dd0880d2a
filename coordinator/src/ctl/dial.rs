//! The way to the coordinator: its admin socket.

use std::path::PathBuf;

use pilaster_proto::client::channel_over;
use tokio::net::UnixStream;

use crate::admin_api::{Admin, Answers, Command, Show};
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::show::Shown;

/// Where the coordinator is, and which cluster a person means.
pub(super) struct Context {
    pub(super) socket: PathBuf,
    /// `None` for the only one.
    pub(super) cluster: Option<String>,
}

impl Context {
    /// Has a command done; what the coordinator says against it is the cause of `what`.
    pub(super) async fn call<C: Command>(
        &self,
        what: &str,
        command: &C,
    ) -> Result<C::Answer, Failure> {
        let answer = self.dial().await?.call(command).await;
        answer.map_err(|status| Failure::answered(what, &status))
    }

    /// What is shown of the cluster now.
    pub(super) async fn show<V: Shown>(&self, what: &str) -> Result<V, Failure> {
        self.call(what, &Show::of(self.cluster.clone())).await
    }

    /// What is shown of the cluster now, and again after each pass.
    pub(super) async fn watch<V: Shown>(&self, what: &'static str) -> Result<Watched<V>, Failure> {
        let answers = self.dial().await?.watch(&Show::of(self.cluster.clone())).await;
        let answers = answers.map_err(|status| Failure::answered(what, &status))?;
        Ok(Watched { answers, what })
    }

    async fn dial(&self) -> Result<Admin, Failure> {
        let unreachable = |error: &dyn std::error::Error, help| {
            let cause = format!("{}: {error}", self.socket.display());
            Failure::said(Exit::Unreachable, "cannot reach the coordinator", cause, help)
        };
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| {
            let help = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "run coordctl as the user who runs pilaster-coordinator"
                }
                _ => "start it here (pilaster-coordinator), or name its socket: --socket PATH",
            };
            unreachable(&error, help)
        })?;
        let channel = channel_over(stream, None).await;
        let gone = |error| unreachable(&error, "start it again: pilaster-coordinator");
        Ok(Admin::over(channel.map_err(gone)?))
    }
}

/// What is shown again and again.
pub(super) struct Watched<V> {
    answers: Answers<V>,
    what: &'static str,
}

impl<V: Shown> Watched<V> {
    pub(super) async fn next(&mut self) -> Result<V, Failure> {
        let answer = self.answers.next().await;
        answer.map_err(|status| Failure::answered(self.what, &status))?.ok_or_else(|| {
            let (cause, help) = ("the coordinator has stopped", "start it: pilaster-coordinator");
            Failure::said(Exit::Unreachable, self.what, cause, help)
        })
    }
}

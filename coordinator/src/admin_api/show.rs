//! Shows a cluster: looks at it as a pass would, and tells what it sees.

use std::marker::PhantomData;
use std::sync::Arc;

use pilaster_common::name::ClusterName;
use pilaster_proto::admin::v1 as pb;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::dispatch::{Command, Question, Refused, to_answer};
use super::which;
use crate::coordinator::Coordinator;
use crate::plan::pass;
use crate::show::{Shown, Sight};

/// Answers that wait to be sent to one watcher; the next is made when there is room.
const WATCH_QUEUE: usize = 1;

/// Shows one thing of a cluster.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Show<V> {
    /// `None` for the only one.
    pub cluster: Option<String>,
    #[serde(skip)]
    what: PhantomData<fn() -> V>,
}

impl<V> Show<V> {
    /// Of this cluster; `None` for the only one.
    pub fn of(cluster: Option<String>) -> Self {
        Self { cluster, what: PhantomData }
    }
}

impl<V: Shown> Command for Show<V> {
    const NAME: &'static str = V::NAME;
    type Answer = V;
}

impl<V: Shown> Question for Show<V> {
    async fn answer(self, coordinator: &Coordinator) -> Result<V, Refused> {
        let spec = which::cluster(coordinator, self.cluster.as_deref()).await?;
        look(coordinator, &spec.cluster).await
    }
}

/// What is there now, with what would follow from it: a wait that is shown is never older than what
/// is shown beside it. Nothing is recorded.
async fn look<V: Shown>(coordinator: &Coordinator, cluster: &ClusterName) -> Result<V, Refused> {
    let view = coordinator.observe(cluster).await?;
    let view = view.ok_or_else(|| Refused::missing(format!("{cluster} is gone"), ""))?;
    let now = coordinator.now();
    let trouble = coordinator.fleet.watch(cluster).borrow().trouble.clone();
    let pass = pass(&view, now);
    Ok(V::of(&Sight { view: &view, pass: &pass, trouble: trouble.as_ref(), now }))
}

/// What is there now, and again after each pass, until the watcher goes.
pub(super) async fn watch<V: Shown>(
    coordinator: Arc<Coordinator>,
    show: Show<V>,
) -> Result<ReceiverStream<Result<pb::Answer, Status>>, Refused> {
    let cluster = which::cluster(&coordinator, show.cluster.as_deref()).await?.cluster;
    let (sender, answers) = mpsc::channel(WATCH_QUEUE);
    tokio::spawn(async move {
        let mut passes = coordinator.fleet.watch(&cluster);
        loop {
            passes.mark_unchanged();
            let answer = look::<V>(&coordinator, &cluster).await;
            let is_last = answer.is_err();
            let answer = answer.map(|answer| to_answer(&answer)).map_err(Status::from);
            if sender.send(answer).await.is_err() || is_last {
                return;
            }
            tokio::select! {
                () = sender.closed() => return, // cancel-safe: holds nothing
                changed = passes.changed() => if changed.is_err() { return }, // cancel-safe: tokio docs
            }
        }
    });
    Ok(ReceiverStream::new(answers))
}

//! The other end: commands as types.

use std::marker::PhantomData;

use pilaster_proto::client;
use tonic::Status;
use tonic::transport::Channel;

use super::Command;
use super::Show;
use crate::show::Shown;

/// A plan for hundreds of nodes has some MiB of diffs.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// The coordinator, over one connection.
#[derive(Debug)]
pub struct Admin(client::Admin);

impl Admin {
    /// Over this connection.
    pub fn over(channel: Channel) -> Self {
        Self(client::Admin::over(channel, ANSWER_MAX))
    }

    /// Has a command done.
    ///
    /// # Errors
    /// What the coordinator says, or that the connection broke.
    pub async fn call<C: Command>(&mut self, command: &C) -> Result<C::Answer, Box<Status>> {
        let answer = self.0.call(C::NAME, to_json(command)).await?;
        read(&answer)
    }

    /// Is shown something, and again after each pass.
    ///
    /// # Errors
    /// What the coordinator says, or that the connection broke.
    pub async fn watch<V: Shown>(&mut self, show: &Show<V>) -> Result<Answers<V>, Box<Status>> {
        let answers = self.0.watch(V::NAME, to_json(show)).await?;
        Ok(Answers { answers, what: PhantomData })
    }
}

/// What is shown again and again.
#[derive(Debug)]
pub struct Answers<V> {
    answers: client::Answers,
    what: PhantomData<fn() -> V>,
}

impl<V: Shown> Answers<V> {
    /// The next one; `None` once the coordinator has stopped.
    ///
    /// # Errors
    /// What the coordinator says, or that the connection broke.
    pub async fn next(&mut self) -> Result<Option<V>, Box<Status>> {
        self.answers.next().await?.map(|answer| read(&answer)).transpose()
    }
}

fn to_json(command: &impl Command) -> Vec<u8> {
    serde_json::to_vec(command).expect("commands are plain data")
}

fn read<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, Box<Status>> {
    let told = |error| Status::internal(format!("its answer cannot be understood: {error}"));
    serde_json::from_slice(json).map_err(|error| Box::new(told(error)))
}

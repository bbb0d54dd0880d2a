//! `plan`: what a spec would change, by the same checks as `apply`.

use serde::{Deserialize, Serialize};

use super::apply::{Looked, look, parse};
use super::dispatch::{Command, Question, Refused};
use crate::coordinator::Coordinator;
use crate::show::Plan;

/// Asks what a spec would change.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlanSpec {
    /// Its text.
    pub spec: String,
}

impl Command for PlanSpec {
    const NAME: &'static str = "plan";
    type Answer = Plan;
}

impl Question for PlanSpec {
    async fn answer(self, coordinator: &Coordinator) -> Result<Plan, Refused> {
        let new = parse(&self.spec)?;
        let Looked { change, formation, .. } = look(coordinator, &new).await?;
        Ok(Plan::new(&new.cluster, &change, formation.has_begun()))
    }
}

//! Why nothing more happens now: one value, shown, logged and tested, never a sentence that is
//! taken apart again.

use std::fmt;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Code, Told};
use pilaster_common::name::NodeName;
use serde::{Deserialize, Serialize};

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// The condition.
    pub code: Code,
    /// Where it is not met; `None` where it is no single node's.
    pub node: Option<NodeName>,
    /// From when on it has been waited for without a break.
    pub since: Timestamp,
    /// What is not as it must be, in words that name the node.
    pub what: String,
    /// What a person can do, or what will happen by itself.
    pub unblocks: String,
}

impl Wait {
    /// Since `now`, unless [`keep_since`] knows better.
    pub(crate) fn new(
        code: Code,
        only_node: Option<&NodeName>,
        now: Timestamp,
        (what, unblocks): (impl Into<String>, impl Into<String>),
    ) -> Self {
        let (what, unblocks) = (what.into(), unblocks.into());
        Self { code, node: only_node.cloned(), since: now, what, unblocks }
    }

    /// What keeps the coordinator itself from going on.
    pub(crate) fn of_coordinator(told: &Told, now: Timestamp) -> Self {
        let Told { code, what, cause, help } = told;
        Self::new(*code, None, now, (format!("{what}: {cause}"), help))
    }

    /// What a node has told as its problem.
    pub(crate) fn told(node: &NodeName, told: &Told, now: Timestamp) -> Self {
        let Told { code, what, cause, help } = told;
        Self::new(*code, Some(node), now, (format!("{node}: {what}: {cause}"), help))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.unblocks.is_empty() { Ok(()) } else { write!(f, "; {}", self.unblocks) }
    }
}

/// `waits`, each since it was first met: a condition of a node that was waited for before has been
/// waited for all the time.
pub(crate) fn keep_since(mut waits: Vec<Wait>, before: &[Wait]) -> Vec<Wait> {
    for wait in &mut waits {
        let same = |other: &&Wait| other.code == wait.code && other.node == wait.node;
        if let Some(earlier) = before.iter().find(same) {
            wait.since = earlier.since;
        }
    }
    waits
}

#[cfg(test)]
mod tests {
    use pilaster_common::error::code;

    use super::*;

    #[test]
    fn a_wait_that_goes_on_keeps_its_beginning() {
        let node: NodeName = "m-1".parse().expect("good");
        let wait = |code, at| {
            Wait::new(code, Some(&node), Timestamp::from_unix(at), ("m-1 waits", "do this"))
        };
        let before = [wait(code::SILENT, 100)];
        let now = vec![wait(code::SILENT, 160), wait(code::NOT_READY, 160)];
        let since: Vec<i64> =
            keep_since(now, &before).iter().map(|wait| wait.since.unix()).collect();
        assert_eq!(since, [100, 160]);
        assert_eq!(before[0].to_string(), "m-1 waits; do this");
    }
}

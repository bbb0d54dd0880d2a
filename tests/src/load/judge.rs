//! Decides whether a history is whole. Pure: what was written and what is there at the end in, what
//! is wrong out.
//!
//! One writer, one write at a time, each to a key of its own: so revisions rise from one
//! acknowledged write to the next, and each acknowledged write must be there at the end, at the
//! revision that was acknowledged. A write that failed may have happened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Its own key.
    pub key: String,
    /// What was written.
    pub value: String,
    /// The revision that was acknowledged; `None` where every try failed.
    pub acknowledged: Option<i64>,
    /// Tries that failed before, and why.
    pub failed_tries: Vec<String>,
    /// From the first try to the answer.
    pub milliseconds: u64,
}

/// What a writer has to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// In order.
    pub writes: Vec<Write>,
    /// What a linearizable read found at the end: key to value and revision.
    pub found: BTreeMap<String, (String, i64)>,
}

/// Something that may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Acknowledged, and not there.
    Lost(String),
    /// There, with another value or at another revision.
    Altered(String),
    /// The acknowledged revision is not above the one before.
    WentBack(String),
    /// Every try failed.
    Failed(String, String),
}

/// All that is wrong.
pub fn judge(history: &History) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut last = 0;
    for write in &history.writes {
        let key = write.key.clone();
        let Some(revision) = write.acknowledged else {
            wrong.push(Wrong::Failed(key, write.failed_tries.join("; ")));
            continue;
        };
        if revision <= last {
            wrong.push(Wrong::WentBack(key.clone()));
        }
        last = revision;
        match history.found.get(&key) {
            None => wrong.push(Wrong::Lost(key)),
            Some(found) if *found != (write.value.clone(), revision) => {
                wrong.push(Wrong::Altered(key))
            }
            Some(_) => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> History {
        let writes: Vec<Write> = (1..=3)
            .map(|i| Write {
                key: format!("w/{i}"),
                value: format!("v{i}"),
                acknowledged: Some(i * 10),
                failed_tries: vec![],
                milliseconds: 1,
            })
            .collect();
        let found = writes
            .iter()
            .map(|w| (w.key.clone(), (w.value.clone(), w.acknowledged.expect("set"))))
            .collect();
        History { writes, found }
    }

    #[track_caller]
    fn check(change: impl Fn(&mut History), wrong: &[Wrong]) {
        let mut history = whole();
        change(&mut history);
        assert_eq!(judge(&history), wrong);
    }

    #[test]
    fn a_broken_history_is_refused() {
        check(|_| {}, &[]);
        check(|h| drop(h.found.remove("w/2")), &[Wrong::Lost("w/2".into())]);
        check(
            |h| {
                h.writes[1].acknowledged = Some(20);
                h.writes[2].acknowledged = Some(15);
                h.found.insert("w/3".into(), ("v3".into(), 15));
            },
            &[Wrong::WentBack("w/3".into())],
        );
        check(
            |h| drop(h.found.insert("w/1".into(), ("other".into(), 10))),
            &[Wrong::Altered("w/1".into())],
        );
        check(|h| h.writes[1].acknowledged = None, &[Wrong::Failed("w/2".into(), String::new())]);
    }
}

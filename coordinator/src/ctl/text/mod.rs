//! How views read at a terminal. Pure; what nodes have said is made harmless here.

use std::time::Duration;

mod access;
mod certificates;
mod nodes;
mod plan;
mod status;
#[cfg(test)]
mod testing;

pub(super) use access::{Environment, Hosts};
pub(super) use plan::summary;
pub(super) use status::told_line;

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

/// `4 s`, `12 min`, `3 h`, `20 d`: one unit, rounded down.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

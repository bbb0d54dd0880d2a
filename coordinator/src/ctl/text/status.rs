//! How a cluster is, on one screen.

use std::fmt::Write;
use std::time::Duration;

use pilaster_common::error::{Told, plain};

use super::{or_dash, span};
use crate::console::output::Show;
use crate::console::table::table;
use crate::show::{Formation, NodeStatus, Role, Status};

impl Show for Status {
    fn to_table(&self) -> String {
        let mut out = headline(self) + "\n";
        let rows: Vec<Vec<String>> = self.nodes.iter().map(row).collect();
        out += &table(&["NODE", "MEMBER", "ROLE", "DB", "LEAVES", "REPORT"], &rows);
        let mut line =
            |text: String| writeln!(out, "{}", plain(&text)).expect("a string takes all");
        for node in &self.nodes {
            let problems = node.problems.iter().map(told_line).chain(node.notices.iter().cloned());
            let refusal = node.refusal.iter().map(|why| format!("refused: {why}"));
            problems.chain(refusal).for_each(|problem| line(format!("{}: {problem}", node.name)));
        }
        for wait in &self.waits {
            line(format!("waits: {wait} (for {})", span(self.now.since(wait.since))));
        }
        self.warnings.iter().for_each(|warning| line(format!("warning: {warning}")));
        out
    }

    fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.to_string()).collect()
    }
}

/// What a node says stands in its way, in one line.
pub(in crate::ctl) fn told_line(told: &Told) -> String {
    let Told { code: _, what, cause, help } = told;
    plain(&format!("{what}: {cause}; {help}"))
}

fn headline(status: &Status) -> String {
    let Status { cluster, versions, healthy_members, members, .. } = status;
    let mut parts = vec![cluster.to_string()];
    if !versions.is_empty() {
        parts.push(format!("etcd {}", versions.join(", ")));
    }
    parts.push(format!("{healthy_members} of {members} members healthy"));
    parts.push(match (&status.leader, status.formation) {
        (Some(leader), _) => format!("leader {leader}"),
        (None, Formation::Gathering) => "not formed yet".into(),
        (None, _) => "no leader known".into(),
    });
    let until = |date| format!("goes on without the coordinator until {date}");
    parts.extend(status.goes_on_until.as_ref().map(until));
    plain(&parts.join("   "))
}

fn row(node: &NodeStatus) -> Vec<String> {
    let role = match node.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Learner => "learner",
        Role::NoLeader => "no leader",
        Role::NotJoined => "not joined",
        Role::Denied => "denied",
        Role::Unknown => "unknown",
        Role::Preparing => "preparing",
        Role::Ready => "ready",
        Role::Starting => "starting",
    };
    let leaves = node.leaves_end_in_seconds.map(|seconds| match seconds {
        0 => "ended".into(),
        seconds if seconds < 86_400 => format!("end in {} min", seconds / 60),
        seconds => format!("end in {} d", seconds / 86_400),
    });
    let age = node.report_age_seconds.map(|age| format!("{} ago", span(Duration::from_secs(age))));
    vec![
        node.name.to_string(),
        or_dash(node.member.clone()),
        role.into(),
        or_dash(node.db_bytes.map(bytes)),
        or_dash(leaves),
        or_dash(age),
    ]
}

/// `20 kB`, `2.1 GB`: as etcdctl shows sizes.
fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let mut size = size as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if size < 10.0 && unit > 0 {
        format!("{size:.1} {}", UNITS[unit])
    } else {
        format!("{size:.0} {}", UNITS[unit])
    }
}

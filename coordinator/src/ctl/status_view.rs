//! What `coordctl status` shows: one value, as a table and as JSON alike. Pure.

use std::fmt::Write;
use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::plain;
use pilaster_proto::admin::v1 as pb;
use pilaster_proto::agent::v1 as agent;
use serde::Serialize;

use super::output::table;

/// A report that is older counts as silence: three reports at one a minute (promise 12).
const REPORT_MAX_AGE: Duration = Duration::from_secs(180);

/// A cluster's state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusView {
    api_version: &'static str,
    cluster: String,
    formation: &'static str,
    versions: Vec<String>,
    healthy_members: usize,
    members: usize,
    leader: Option<String>,
    /// `2027-10-31`.
    goes_on_until: Option<String>,
    nodes: Vec<NodeView>,
    waits: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeView {
    name: String,
    address: Option<String>,
    /// 16 hex digits.
    member: Option<String>,
    role: &'static str,
    healthy: bool,
    version: Option<String>,
    db_bytes: Option<i64>,
    leaves_end: Option<String>,
    leaves_end_in_seconds: Option<u64>,
    report_age_seconds: Option<u64>,
    problems: Vec<String>,
}

impl StatusView {
    /// From what the coordinator says; what nodes have said is made harmless for a terminal here.
    pub(super) fn new(state: &pb::ClusterStatus) -> Self {
        let now = Timestamp::from_unix(state.now);
        let mut nodes: Vec<NodeView> =
            state.nodes.iter().map(|node| NodeView::new(node, now)).collect();
        nodes.sort_by_key(|node| node.healthy); // worst first; stable: else as in the spec
        let mut versions: Vec<String> =
            nodes.iter().filter_map(|node| node.version.clone()).collect();
        versions.sort();
        versions.dedup();
        Self {
            api_version: "pilaster/v1",
            cluster: state.cluster.clone(),
            formation: match state.formation() {
                pb::FormationPhase::Unspecified | pb::FormationPhase::Gathering => "gathering",
                pb::FormationPhase::Forming => "forming",
                pb::FormationPhase::Formed => "formed",
            },
            versions,
            healthy_members: nodes.iter().filter(|node| node.healthy).count(),
            members: nodes.len(),
            leader: nodes.iter().find(|node| node.role == "leader").map(|node| node.name.clone()),
            goes_on_until: (state.goes_on_until > 0)
                .then(|| Timestamp::from_unix(state.goes_on_until).date()),
            warnings: state.warnings.iter().map(|warning| plain(warning)).collect(),
            waits: state.waits.iter().map(|wait| plain(wait)).collect(),
            nodes,
        }
    }

    /// Whether it has formed and every member is healthy.
    pub(super) fn is_healthy(&self) -> bool {
        self.formation == "formed" && self.healthy_members == self.members
    }

    /// As a person reads it.
    pub(super) fn to_text(&self) -> String {
        let mut out = self.cluster.clone();
        if !self.versions.is_empty() {
            write!(out, "   etcd {}", self.versions.join(", ")).expect("a string takes all");
        }
        write!(out, "   {} of {} members healthy", self.healthy_members, self.members)
            .expect("a string takes all");
        match (&self.leader, self.formation) {
            (Some(leader), _) => write!(out, "   leader {leader}"),
            (None, "gathering") => write!(out, "   not formed yet"),
            (None, _) => write!(out, "   no leader known"),
        }
        .expect("a string takes all");
        if let Some(date) = &self.goes_on_until {
            write!(out, "   goes on without the coordinator until {date}")
                .expect("a string takes all");
        }
        let rows = self.nodes.iter().map(NodeView::row).collect();
        out.push('\n');
        out += &table(&["NODE", "MEMBER", "ROLE", "DB", "LEAVES", "REPORT"], rows);
        for node in &self.nodes {
            for problem in &node.problems {
                writeln!(out, "{}: {problem}", node.name).expect("a string takes all");
            }
        }
        for wait in &self.waits {
            writeln!(out, "waits: {wait}").expect("a string takes all");
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}").expect("a string takes all");
        }
        out
    }
}

/// What a node says stands in its way, a line each.
pub(super) fn problem_lines(node: &pb::NodeStatus) -> Vec<String> {
    let problems = node.report.iter().flat_map(|report| &report.problems);
    problems
        .map(|problem| plain(&format!("{}: {}; {}", problem.what, problem.cause, problem.help)))
        .collect()
}

impl NodeView {
    fn new(node: &pb::NodeStatus, now: Timestamp) -> Self {
        let report = node.report.as_ref();
        let age = (node.reported > 0).then(|| now.since(Timestamp::from_unix(node.reported)));
        let fresh = node.connected && age.is_some_and(|age| age < REPORT_MAX_AGE);
        let etcd =
            report.and_then(|report| report.etcd.as_ref()).filter(|etcd| etcd.reachable && fresh);
        let ends = report.and_then(leaves_end);
        let mut problems = problem_lines(node);
        problems.extend(node.notices.iter().map(|notice| plain(notice)));
        if !node.refusal.is_empty() {
            problems.push(plain(&format!("refused: {}", node.refusal)));
        }
        Self {
            name: node.name.clone(),
            address: (!node.address.is_empty()).then(|| node.address.clone()),
            member: etcd
                .filter(|etcd| etcd.member_id != 0)
                .map(|etcd| format!("{:016x}", etcd.member_id)),
            role: role(node, etcd, fresh),
            healthy: etcd.is_some_and(|etcd| etcd.healthy && !etcd.is_learner),
            version: report.and_then(version).map(|version| plain(&version)),
            db_bytes: etcd.map(|etcd| etcd.db_size),
            leaves_end: ends.map(Timestamp::date),
            leaves_end_in_seconds: ends.map(|end| end.since(now).as_secs()),
            report_age_seconds: age.map(|age| age.as_secs()),
            problems,
        }
    }

    fn leaves(&self) -> Option<String> {
        match self.leaves_end_in_seconds? {
            0 => Some("ended".into()),
            seconds if seconds < 86_400 => Some(format!("end in {} min", seconds / 60)),
            seconds => Some(format!("end in {} d", seconds / 86_400)),
        }
    }

    fn row(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        vec![
            self.name.clone(),
            or_dash(self.member.clone()),
            self.role.into(),
            or_dash(self.db_bytes.map(bytes)),
            or_dash(self.leaves()),
            or_dash(self.report_age_seconds.map(|age| format!("{age} s ago"))),
        ]
    }
}

fn role(node: &pb::NodeStatus, etcd: Option<&agent::EtcdState>, fresh: bool) -> &'static str {
    match etcd {
        Some(etcd) if etcd.is_learner => "learner",
        Some(etcd) if etcd.leader_id == 0 => "no leader",
        Some(etcd) if etcd.leader_id == etcd.member_id => "leader",
        Some(_) => "follower",
        None => match node.phase() {
            pb::NodePhase::Unspecified | pb::NodePhase::Invited => "not joined",
            _ if !fresh => "unknown",
            pb::NodePhase::Joined | pb::NodePhase::Reporting | pb::NodePhase::Certified => {
                "preparing"
            }
            pb::NodePhase::Ready => "ready",
            pb::NodePhase::Started | pb::NodePhase::Voting => "starting",
        },
    }
}

/// Of the process, else of the binary.
fn version(report: &agent::Report) -> Option<String> {
    let running = report.etcd.as_ref().map(|etcd| etcd.version.clone());
    let on_disk = report.facts.as_ref().map(|facts| facts.etcd_version.clone());
    running.filter(|version| !version.is_empty()).or(on_disk).filter(|version| !version.is_empty())
}

fn leaves_end(report: &agent::Report) -> Option<Timestamp> {
    let serving = |held: &&agent::HeldCertificate| {
        matches!(held.profile(), agent::Profile::Server | agent::Profile::Peer)
    };
    let ends = report.certificates.iter().filter(serving).map(|held| {
        let served = !held.served_serial.is_empty();
        Timestamp::from_unix(if served { held.served_not_after } else { held.not_after })
    });
    ends.min()
}

/// `20 kB`, `2.1 GB`: as etcdctl shows sizes.
fn bytes(size: i64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, member: u64, leader: u64) -> pb::NodeStatus {
        let etcd = agent::EtcdState {
            reachable: true,
            healthy: true,
            member_id: member,
            leader_id: leader,
            version: "3.5.16".into(),
            db_size: 20_480,
            ..agent::EtcdState::default()
        };
        let held = agent::HeldCertificate {
            profile: agent::Profile::Server.into(),
            not_after: 1_800_000_000 + 341 * 86_400,
            ..agent::HeldCertificate::default()
        };
        pb::NodeStatus {
            name: name.into(),
            phase: pb::NodePhase::Voting.into(),
            address: "192.168.7.11".into(),
            connected: true,
            reported: 1_799_999_996,
            report: Some(agent::Report {
                etcd: Some(etcd),
                certificates: vec![held],
                ..agent::Report::default()
            }),
            ..pb::NodeStatus::default()
        }
    }

    fn state() -> pb::ClusterStatus {
        let mut silent = node("x-k3s-m-3", 0x009b_fd4e_f1e7_2d26, 1);
        silent.connected = false;
        silent.reported -= 190;
        let leader = 0x7e8d_94ba_496c_072d;
        pb::ClusterStatus {
            cluster: "x-k3s".into(),
            nodes: vec![
                node("x-k3s-m-1", leader, leader),
                node("x-k3s-m-2", 0xa01c_b653_43e6_4610, leader),
                silent,
            ],
            formation: pb::FormationPhase::Formed.into(),
            now: 1_800_000_000,
            goes_on_until: 1_825_081_445,
            waits: vec!["x-k3s-m-3 is not connected\u{1b}[2J".into()],
            warnings: vec!["x-k3s-m-1 has etcd 3.5.16".into()],
            ..pb::ClusterStatus::default()
        }
    }

    #[test]
    fn status_reads_as_agreed() {
        let text = StatusView::new(&state()).to_text();
        assert_eq!(
            text,
            "\
x-k3s   etcd 3.5.16   2 of 3 members healthy   leader x-k3s-m-1   goes on without the coordinator until 2027-11-01
NODE       MEMBER            ROLE      DB     LEAVES        REPORT
x-k3s-m-3  -                 unknown   -      end in 341 d  194 s ago
x-k3s-m-1  7e8d94ba496c072d  leader    20 kB  end in 341 d  4 s ago
x-k3s-m-2  a01cb65343e64610  follower  20 kB  end in 341 d  4 s ago
waits: x-k3s-m-3 is not connected\\u{1b}[2J
warning: x-k3s-m-1 has etcd 3.5.16
"
        );
    }

    #[test]
    fn json_is_pinned() {
        let view = StatusView::new(&pb::ClusterStatus { nodes: vec![node("m", 1, 1)], ..state() });
        let json = serde_json::to_value(&view).expect("plain data");
        assert_eq!(json["apiVersion"], "pilaster/v1");
        assert_eq!(json["goesOnUntil"], "2027-11-01");
        assert_eq!(
            json["nodes"][0],
            serde_json::json!({
                "name": "m", "address": "192.168.7.11", "member": "0000000000000001", "role": "leader",
                "healthy": true, "version": "3.5.16", "dbBytes": 20480, "leavesEnd": "2027-12-22",
                "leavesEndInSeconds": 341 * 86_400, "reportAgeSeconds": 4, "problems": []
            })
        );
    }
}

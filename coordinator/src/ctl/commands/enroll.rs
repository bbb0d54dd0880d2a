//! `coordctl enroll`: a token for one node, the lines to run there, and what happens there, step by step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::plain;
use pilaster_common::name::InterfaceName;
use pilaster_proto::admin::v1 as pb;

use super::Context;
use super::status::{next_state, watch};
use crate::config::owner;
use crate::ctl::dial::dial;
use crate::ctl::exit::{CtlError, Exit};
use crate::ctl::output;
use crate::ctl::status_view::problem_lines;
use crate::spec::parse_span;

const WHAT: &str = "cannot enroll";
/// When nothing has changed for so long, a person wants to know what is waited for.
const QUIET: Duration = Duration::from_secs(5);

/// Lets a node in: prints the lines to run on it, then shows what happens there
///
/// It ends when the node votes or, before the cluster has formed, when it has all its files and waits for the others.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The node, as in the spec
    #[arg(required_unless_present = "all")]
    node: Option<String>,
    /// Every node of the spec that has not joined: writes NODE.token into the folder given by --out, and ends
    #[arg(long, conflicts_with_all = ["node", "file", "no_wait"], requires = "out")]
    all: bool,
    /// Where the tokens of --all go: files of mode 0600
    #[arg(long, value_name = "DIR", requires = "all")]
    out: Option<PathBuf>,
    /// Its card was lost or written anew: the new identity takes the place of the old one
    #[arg(long, conflicts_with = "all")]
    replace: bool,
    /// How long the token is good
    #[arg(long, value_parser = parse_span, default_value = "1h", value_name = "SPAN")]
    valid_for: Duration,
    /// Write the token into this file (0600) and do not show it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the lines and end
    #[arg(long)]
    no_wait: bool,
}

/// Makes a token, prints the lines, watches the node.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, CtlError> {
    let Args { node, all: _, out, replace, valid_for, file, no_wait } = args;
    match (node, out) {
        (Some(node), _) => {
            let reply = token(context, &node, replace, valid_for).await?;
            show_lines(&node, file.as_deref(), &reply)?;
            if no_wait {
                return Ok(Exit::Done);
            }
            let context = Context { socket: context.socket.clone(), cluster: reply.cluster };
            follow(&context, &node, Timestamp::from_unix(reply.expires)).await
        }
        (None, Some(folder)) => enroll_all(context, &folder, valid_for).await,
        (None, None) => unreachable!("clap asks for a node, or for --all with --out"),
    }
}

async fn token(
    context: &Context,
    node: &str,
    replace: bool,
    valid_for: Duration,
) -> Result<pb::EnrollReply, CtlError> {
    let mut admin = dial(&context.socket).await?;
    let request = pb::EnrollRequest {
        cluster: context.cluster.clone(),
        node: node.into(),
        valid_for_seconds: valid_for.as_secs().max(1),
        replace,
    };
    let what = format!("{WHAT} {node}");
    let reply = admin.enroll(request).await.map_err(|status| CtlError::answered(&what, &status))?;
    Ok(reply.into_inner())
}

/// A token for each node that has not joined, in a file of its own.
async fn enroll_all(
    context: &Context,
    folder: &Path,
    valid_for: Duration,
) -> Result<Exit, CtlError> {
    let state = super::status::current(context, WHAT).await?;
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    atomic_file::ensure_folder(&folder, Access { mode: 0o700, ..owner() })
        .map_err(|error| CtlError::new(Exit::Failed, WHAT, &error))?;
    let missing: Vec<&pb::NodeStatus> =
        state.nodes.iter().filter(|node| node.joined == 0).collect();
    for node in &missing {
        let reply = token(context, &node.name, false, valid_for).await?;
        show_lines(&node.name, Some(&folder.join(format!("{}.token", node.name))), &reply)?;
    }
    if missing.is_empty() {
        output::note(&format!("every node of {} has joined", state.cluster));
    }
    Ok(Exit::Done)
}

fn show_lines(node: &str, file: Option<&Path>, reply: &pb::EnrollReply) -> Result<(), CtlError> {
    let expires = Timestamp::from_unix(reply.expires);
    let Some(endpoint) = reply.endpoints.first() else {
        let help = "give this machine an address, or start pilaster-coordinator with --advertise HOST:PORT";
        let cause = "the coordinator has no address that a node could dial";
        return Err(CtlError::said(Exit::Failed, WHAT, cause, help));
    };
    if let Some(foreign) = foreign_to_a_line(reply) {
        let cause = format!(
            "the coordinator's answer has {:?}, which no line for root may hold",
            plain(foreign)
        );
        let help = "nothing was shown; is the coordinator to be trusted?";
        return Err(CtlError::said(Exit::Failed, WHAT, cause, help));
    }
    let token = &reply.token;
    let install = install(reply.repository.as_ref());
    let interface = interface(&reply.interface);
    output::data(&format!(
        "On {node}, as root:\n\
         \x20 {install} && {interface}pilaster-agent join {endpoint} --token-file -\n\
         (on Debian first: apt-get install etcd-server etcd-client ./pilaster-agent.deb)\n"
    ));
    let Some(path) = file else {
        output::data(&format!("and give it this token, good once, until {expires}:\n  {token}\n"));
        return Ok(());
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    atomic_file::replace(
        &absolute,
        format!("{token}\n").as_bytes(),
        Access { mode: 0o600, ..owner() },
    )
    .map_err(|error| CtlError::new(Exit::Failed, WHAT, &error))?;
    output::data(&format!("with the token in {}, good once, until {expires}.\n", path.display()));
    Ok(())
}

/// What of the answer may not stand in a line that a person gives a shell of root's: anything but letters, digits and a few marks.
fn foreign_to_a_line(reply: &pb::EnrollReply) -> Option<&str> {
    let of_repository = reply.repository.iter().flat_map(|repository| {
        let pb::Repository { url, key_name, key_sha256 } = repository;
        [url, key_name, key_sha256]
    });
    let is_plain = |text: &str| {
        let marks = |c: char| c.is_ascii_alphanumeric() || "._-:/[]".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && text.chars().all(marks)
    };
    let mut words = reply.endpoints.iter().chain([&reply.token]).chain(of_repository);
    words.find(|word| !is_plain(word)).map(String::as_str)
}

/// The part of the line that tells the agent which interface to look at: in its settings, so that it stays and a person finds it.
fn interface(name: &str) -> String {
    match name.parse::<InterfaceName>() {
        Ok(name) => {
            format!("echo 'export PILASTER_INTERFACE=\"{name}\"' >>/etc/conf.d/pilaster-agent && ")
        }
        Err(_) => String::new(), // the agent's default
    }
}

/// The part of the line that installs the agent. From a repository: its key is fetched, and goes among those that apk trusts only when it has the
/// hash that is in the line, which came here by the admin socket.
fn install(repository: Option<&pb::Repository>) -> String {
    let Some(pb::Repository { url, key_name, key_sha256 }) = repository else {
        return "apk add etcd etcd-ctl ./pilaster-agent.apk".into();
    };
    format!(
        "cd /etc/apk && wget -qO {key_name} {url}/{key_name} && echo '{key_sha256}  {key_name}' | sha256sum -c && mv {key_name} keys/ && \
         echo {url} >>repositories && apk add -U pilaster-agent etcd etcd-ctl"
    )
}

/// Shows each step of the node until it is where `enroll` ends.
async fn follow(context: &Context, node: &str, expires: Timestamp) -> Result<Exit, CtlError> {
    let mut states = watch(context, WHAT).await?;
    let mut told: Vec<String> = Vec::new();
    loop {
        let changed = tokio::time::timeout(QUIET, next_state(&mut states, WHAT)).await;
        let (state, quiet) = match changed {
            Ok(state) => (state?, false),
            Err(_) => (super::status::current(context, WHAT).await?, true), // has the token ended?
        };
        let Some(seen) = state.nodes.iter().find(|seen| seen.name == node) else {
            return Err(CtlError::said(
                Exit::Failed,
                WHAT,
                format!("{node} is not in the spec any more"),
                "coordctl status",
            ));
        };
        let waits =
            state.waits.iter().filter(|_| quiet).map(|wait| format!("waits: {}", plain(wait)));
        for line in steps(seen).into_iter().chain(waits) {
            if !told.contains(&line) {
                output::note(&format!("{node}: {line}"));
                told.push(line);
            }
        }
        match (seen.phase(), state.formation()) {
            (pb::NodePhase::Voting, pb::FormationPhase::Formed) => return Ok(Exit::Done),
            (pb::NodePhase::Ready, pb::FormationPhase::Gathering)
                if !others(&state, node).is_empty() =>
            {
                for wait in refusals(&state, node) {
                    output::note(&format!("{node}: waits: {wait}"));
                }
                output::note(&format!("{node}: waits for {}", others(&state, node).join(", ")));
                return Ok(Exit::Done);
            }
            // all are ready, and yet it does not begin
            (pb::NodePhase::Ready, pb::FormationPhase::Gathering) if quiet => {
                if let Some(wait) = refusals(&state, node).into_iter().next() {
                    let help = "coordctl status shows when that is mended; the formation then begins by itself";
                    return Err(CtlError::said(
                        Exit::Refused,
                        "cannot form the cluster",
                        wait,
                        help,
                    ));
                }
            }
            (pb::NodePhase::Invited, _) if Timestamp::from_unix(state.now) >= expires => {
                let help = format!("make a new token: coordctl enroll {node}");
                let cause = "the token ended before the node joined";
                return Err(CtlError::said(Exit::TimedOut, &format!("{WHAT} {node}"), cause, help));
            }
            _ => {}
        }
    }
}

/// Members that are not as far as `node`.
fn others(state: &pb::ClusterStatus, node: &str) -> Vec<String> {
    let behind = |other: &&pb::NodeStatus| {
        other.name != node && other.phase < i32::from(pb::NodePhase::Ready)
    };
    state.nodes.iter().filter(behind).map(|other| other.name.clone()).collect()
}

/// What keeps the cluster from forming and does not end by waiting for the others: what is not about a member that is behind.
fn refusals(state: &pb::ClusterStatus, node: &str) -> Vec<String> {
    let behind = others(state, node);
    let about = |wait: &&String| {
        let name = wait.split([' ', ':']).next().unwrap_or_default();
        !behind.iter().any(|behind| behind == name)
    };
    state.waits.iter().filter(about).map(|wait| plain(wait)).collect()
}

/// What has happened on the node so far, a line each.
fn steps(node: &pb::NodeStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if !node.refusal.is_empty() {
        lines.push(format!("was refused: {}", plain(&node.refusal)));
    }
    let phase = node.phase();
    if phase >= pb::NodePhase::Joined {
        lines.push(format!("joined as {}", node.address));
    }
    if let (Some(facts), true) =
        (node.report.as_ref().and_then(|r| r.facts.as_ref()), phase >= pb::NodePhase::Reporting)
    {
        let (etcd, arch) = (plain(&facts.etcd_version), plain(&facts.architecture));
        lines
            .push(format!("has etcd {etcd} on {arch}, {} MiB of memory", facts.memory_bytes >> 20));
    }
    lines.extend(problem_lines(node));
    let later = [
        (pb::NodePhase::Certified, "holds its certificates"),
        (pb::NodePhase::Ready, "has all its files"),
        (pb::NodePhase::Started, "has started etcd"),
        (pb::NodePhase::Voting, "is a healthy, voting member"),
    ];
    lines.extend(
        later.iter().filter(|(needed, _)| phase >= *needed).map(|(_, line)| (*line).to_owned()),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_of_the_spec_is_set_where_a_person_would_set_it() {
        assert_eq!(
            interface("wlan0"),
            "echo 'export PILASTER_INTERFACE=\"wlan0\"' >>/etc/conf.d/pilaster-agent && "
        );
        assert_eq!((interface(""), interface("a'b;")), (String::new(), String::new()));
    }

    #[test]
    fn what_no_waiting_mends_is_told_beside_whom_is_waited_for() {
        let node = |name: &str, phase: pb::NodePhase| pb::NodeStatus {
            name: name.into(),
            phase: phase.into(),
            ..pb::NodeStatus::default()
        };
        let minors =
            "m-1 has etcd 3.5.16 and m-2 has 3.6.16: a cluster forms with one minor version";
        let state = pb::ClusterStatus {
            nodes: vec![
                node("m-1", pb::NodePhase::Ready),
                node("m-2", pb::NodePhase::Ready),
                node("m-3", pb::NodePhase::Invited),
            ],
            waits: vec!["m-3 has not joined: coordctl enroll m-3".into(), minors.into()],
            ..pb::ClusterStatus::default()
        };
        assert_eq!(others(&state, "m-2"), ["m-3"]);
        assert_eq!(refusals(&state, "m-2"), [minors]);
    }

    #[test]
    fn promise_13_what_no_shell_takes_as_it_stands_is_in_no_line_for_root() {
        let good = pb::EnrollReply {
            token: "pj1_0a".into(),
            endpoints: vec!["192.168.7.2:7443".into(), "[fd00::1]:7443".into()],
            repository: Some(pb::Repository {
                url: "http://[fd00::1]:7480".into(),
                key_name: "pilaster-1a.rsa.pub".into(),
                key_sha256: "00ff".into(),
            }),
            ..pb::EnrollReply::default()
        };
        assert_eq!(foreign_to_a_line(&good), None);
        let with = |change: fn(&mut pb::EnrollReply)| {
            let mut reply = good.clone();
            change(&mut reply);
            foreign_to_a_line(&reply).map(str::to_owned)
        };
        assert!(with(|reply| reply.endpoints[1] = "x; reboot".into()).is_some());
        assert!(with(|reply| reply.token = "$(reboot)".into()).is_some());
        assert!(
            with(|reply| reply.repository.as_mut().expect("one").key_name = "x;y".into()).is_some()
        );
        assert!(
            with(|reply| reply.repository.as_mut().expect("one").url = "http://a\u{1b}[2J".into())
                .is_some()
        );
        assert!(
            with(|reply| reply.repository.as_mut().expect("one").key_sha256 = "-c".into())
                .is_some()
        );
    }

    #[test]
    fn the_key_of_a_repository_is_trusted_only_with_the_hash_in_the_line() {
        let repository = pb::Repository {
            url: "http://192.168.7.2:7480".into(),
            key_name: "pilaster-1a2b3c4d.rsa.pub".into(),
            key_sha256: "00ff".into(),
        };
        let line = install(Some(&repository));
        let order = [
            "wget -qO pilaster",
            "sha256sum -c && mv pilaster-1a2b3c4d.rsa.pub keys/",
            ">>repositories",
            "apk add -U",
        ];
        let places: Vec<_> = order.iter().map(|words| line.find(words).expect(words)).collect();
        assert!(places.is_sorted(), "{line}");
        assert!(
            line.contains("echo '00ff  pilaster-1a2b3c4d.rsa.pub'")
                && !line.contains("--allow-untrusted"),
            "{line}"
        );
        assert_eq!(install(None), "apk add etcd etcd-ctl ./pilaster-agent.apk");
    }
}

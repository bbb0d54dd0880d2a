//! `coordctl enroll`: a token for one node, the lines to run there, and what happens there, step by
//! step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::plain;
use pilaster_common::name::{InterfaceName, NodeName};

use crate::admin_api::{Enroll, Invitation};
use crate::config::owner;
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::ctl::dial::Context;
use crate::ctl::text::told_line;
use crate::plan::Wait;
use crate::repository::PackageSource;
use crate::show::{Formation, NodePhase, NodeStatus, Nodes, Status};
use crate::spec::parse_span;

const WHAT: &str = "cannot enroll";
/// When nothing has changed for so long, a person wants to know what is waited for.
const QUIET: Duration = Duration::from_secs(5);

/// Lets a node in: prints the lines to run on it, then shows what happens there
///
/// It ends when the node votes or, before the cluster has formed, when it has all its files and
/// waits for the others.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The node, as in the spec
    #[arg(required_unless_present = "all")]
    node: Option<String>,
    /// Every node of the spec that has not joined: writes NODE.token into the folder given by
    /// --out, and ends
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
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { node, all: _, out, replace, valid_for, file, no_wait } = args;
    match (node, out) {
        (Some(node), _) => {
            let invitation = invite(context, &node, replace, valid_for).await?;
            show_lines(&node, file.as_deref(), &invitation)?;
            if no_wait {
                return Ok(Exit::Done);
            }
            let Invitation { cluster, expires, .. } = invitation;
            let socket = context.socket.clone();
            let context = Context { socket, cluster: Some(cluster.to_string()) };
            let node = node.parse().map_err(|error| Failure::new(Exit::Failed, WHAT, &error))?;
            follow(&context, &node, expires).await
        }
        (None, Some(folder)) => enroll_all(context, &folder, valid_for).await,
        (None, None) => unreachable!("clap asks for a node, or for --all with --out"),
    }
}

async fn invite(
    context: &Context,
    node: &str,
    replace: bool,
    valid_for: Duration,
) -> Result<Invitation, Failure> {
    let (cluster, node) = (context.cluster.clone(), node.to_owned());
    let what = format!("{WHAT} {node}");
    context.call(&what, &Enroll { cluster, node, valid_for, replace }).await
}

/// A token for each node that has not joined, in a file of its own.
async fn enroll_all(
    context: &Context,
    folder: &Path,
    valid_for: Duration,
) -> Result<Exit, Failure> {
    let nodes: Nodes = context.show(WHAT).await?;
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    atomic_file::ensure_folder(&folder, Access { mode: 0o700, ..owner() })
        .map_err(|error| Failure::new(Exit::Failed, WHAT, &error))?;
    let missing: Vec<&str> = nodes
        .nodes
        .iter()
        .filter(|node| node.joined.is_none())
        .map(|node| node.name.as_ref())
        .collect();
    for node in &missing {
        let invitation = invite(context, node, false, valid_for).await?;
        show_lines(node, Some(&folder.join(format!("{node}.token"))), &invitation)?;
    }
    if missing.is_empty() {
        output::note(&format!("every node of {} has joined", nodes.cluster));
    }
    Ok(Exit::Done)
}

fn show_lines(node: &str, file: Option<&Path>, invitation: &Invitation) -> Result<(), Failure> {
    let expires = invitation.expires;
    let Some(endpoint) = invitation.endpoints.first() else {
        let help = "give this machine an address, or start pilaster-coordinator with --advertise HOST:PORT";
        let cause = "the coordinator has no address that a node could dial";
        return Err(Failure::said(Exit::Failed, WHAT, cause, help));
    };
    if let Some(foreign) = foreign_to_a_line(invitation) {
        let cause = format!(
            "the coordinator's answer has {:?}, which no line for root may hold",
            plain(&foreign)
        );
        let help = "nothing was shown; is the coordinator to be trusted?";
        return Err(Failure::said(Exit::Failed, WHAT, cause, help));
    }
    let token = &invitation.token;
    let install = install(invitation.packages.as_ref());
    let interface = interface(invitation.interface.as_ref());
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
    .map_err(|error| Failure::new(Exit::Failed, WHAT, &error))?;
    output::data(&format!("with the token in {}, good once, until {expires}.\n", path.display()));
    Ok(())
}

/// What of the answer may not stand in a line that a person gives a shell of root's: anything but
/// letters, digits and a few marks.
fn foreign_to_a_line(invitation: &Invitation) -> Option<String> {
    let Invitation { endpoints, token, packages, .. } = invitation;
    let of_packages = packages.iter().flat_map(|packages| {
        let PackageSource { url, key_name, key_sha256 } = packages.clone();
        [url, key_name, key_sha256]
    });
    let is_plain = |text: &String| {
        let marks = |c: char| c.is_ascii_alphanumeric() || "._-:/[]".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && text.chars().all(marks)
    };
    let endpoints = endpoints.iter().map(ToString::to_string);
    let mut words = endpoints.chain([token.clone()]).chain(of_packages);
    words.find(|word| !is_plain(word))
}

/// The part of the line that tells the agent which interface to look at: in its settings, so that
/// it stays and a person finds it.
fn interface(name: Option<&InterfaceName>) -> String {
    let set = |name| {
        format!("echo 'export PILASTER_INTERFACE=\"{name}\"' >>/etc/conf.d/pilaster-agent && ")
    };
    name.map(set).unwrap_or_default() // else the agent's default
}

/// The part of the line that installs the agent. From a repository: its key is fetched, and goes
/// among those that apk trusts only when it has the hash that is in the line, which came here by
/// the admin socket.
fn install(packages: Option<&PackageSource>) -> String {
    let Some(PackageSource { url, key_name, key_sha256 }) = packages else {
        return "apk add etcd etcd-ctl ./pilaster-agent.apk".into();
    };
    format!(
        "cd /etc/apk && wget -qO {key_name} {url}/{key_name} && echo '{key_sha256}  {key_name}' | sha256sum -c && mv {key_name} keys/ && \
         echo {url} >>repositories && apk add -U pilaster-agent etcd etcd-ctl"
    )
}

/// Shows each step of the node until it is where `enroll` ends.
async fn follow(context: &Context, node: &NodeName, expires: Timestamp) -> Result<Exit, Failure> {
    let mut states = context.watch::<Status>(WHAT).await?;
    let mut told: Vec<String> = Vec::new();
    loop {
        let (status, quiet) = match tokio::time::timeout(QUIET, states.next()).await {
            Ok(status) => (status?, false),
            Err(_) => (context.show::<Status>(WHAT).await?, true), // has the token ended?
        };
        let Some(seen) = status.node(node) else {
            let cause = format!("{node} is not in the spec any more");
            return Err(Failure::said(Exit::Failed, WHAT, cause, "coordctl status"));
        };
        let waits = status.waits.iter().filter(|_| quiet);
        let waits = waits.map(|wait| format!("waits: {}", plain(&wait.to_string())));
        for line in steps(seen).into_iter().chain(waits) {
            if !told.contains(&line) {
                output::note(&format!("{node}: {line}"));
                told.push(line);
            }
        }
        let ready = (NodePhase::Ready, Formation::Gathering);
        match (seen.phase, status.formation) {
            (NodePhase::Voting, Formation::Formed) => return Ok(Exit::Done),
            now if now == ready && !others(&status, node).is_empty() => {
                for wait in not_by_others(&status, node) {
                    output::note(&format!("{node}: waits: {}", plain(&wait.to_string())));
                }
                output::note(&format!("{node}: waits for {}", others(&status, node).join(", ")));
                return Ok(Exit::Done);
            }
            // all are ready, and yet it does not begin
            now if now == ready && quiet => {
                if let Some(wait) = not_by_others(&status, node).next() {
                    let what = "cannot form the cluster";
                    let help = format!("{}; the formation then begins by itself", wait.unblocks);
                    return Err(Failure::said(Exit::Refused, what, &wait.what, help));
                }
            }
            (NodePhase::Invited, _) if status.now >= expires => {
                let help = format!("make a new token: coordctl enroll {node}");
                let cause = "the token ended before the node joined";
                return Err(Failure::said(Exit::TimedOut, &format!("{WHAT} {node}"), cause, help));
            }
            _ => {}
        }
    }
}

/// Members that are not as far as `node`.
fn others<'a>(status: &'a Status, node: &NodeName) -> Vec<&'a str> {
    let behind = |other: &&NodeStatus| other.name != *node && other.phase < NodePhase::Ready;
    status.nodes.iter().filter(behind).map(|other| other.name.as_ref()).collect()
}

/// What keeps the cluster from forming and does not end by waiting for the others: what is not
/// about a member that is behind.
fn not_by_others<'a>(status: &'a Status, node: &NodeName) -> impl Iterator<Item = &'a Wait> {
    let behind = others(status, node);
    let about =
        move |wait: &&Wait| !wait.node.as_ref().is_some_and(|node| behind.contains(&node.as_ref()));
    status.waits.iter().filter(about)
}

/// What has happened on the node so far, a line each.
fn steps(node: &NodeStatus) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(node.refusal.iter().map(|why| format!("was refused: {}", plain(why))));
    let address = node.address.iter().filter(|_| node.phase >= NodePhase::Joined);
    lines.extend(address.map(|address| format!("joined as {address}")));
    if let (Some(architecture), Some(memory)) = (&node.architecture, node.memory_bytes) {
        let etcd = node.version.as_deref().unwrap_or_default();
        let (etcd, architecture) = (plain(etcd), plain(architecture));
        lines.push(format!("has etcd {etcd} on {architecture}, {} MiB of memory", memory >> 20));
    }
    lines.extend(node.problems.iter().map(told_line));
    let later = [
        (NodePhase::Certified, "holds its certificates"),
        (NodePhase::Ready, "has all its files"),
        (NodePhase::Started, "has started etcd"),
        (NodePhase::Voting, "is a healthy, voting member"),
    ];
    let reached = later.iter().filter(|(needed, _)| node.phase >= *needed);
    lines.extend(reached.map(|(_, line)| (*line).to_owned()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            cluster: "c".parse().expect("good"),
            token: "pj1_0a".into(),
            expires: Timestamp::from_unix(0),
            endpoints: ["192.168.7.2:7443", "[fd00::1]:7443"]
                .map(|endpoint| endpoint.parse().expect("good"))
                .to_vec(),
            packages: Some(PackageSource {
                url: "http://[fd00::1]:7480".into(),
                key_name: "pilaster-1a.rsa.pub".into(),
                key_sha256: "00ff".into(),
            }),
            interface: None,
        }
    }

    #[test]
    fn an_interface_of_the_spec_is_set_where_a_person_would_set_it() {
        assert_eq!(
            interface(Some(&"wlan0".parse().expect("good"))),
            "echo 'export PILASTER_INTERFACE=\"wlan0\"' >>/etc/conf.d/pilaster-agent && "
        );
        assert_eq!(interface(None), "");
    }

    #[test]
    fn promise_13_what_no_shell_takes_as_it_stands_is_in_no_line_for_root() {
        assert_eq!(foreign_to_a_line(&invitation()), None);
        let with = |change: fn(&mut Invitation, &mut PackageSource)| {
            let mut invitation = invitation();
            let mut packages = invitation.packages.take().expect("one");
            change(&mut invitation, &mut packages);
            foreign_to_a_line(&Invitation { packages: Some(packages), ..invitation })
        };
        assert!(with(|i, _| i.endpoints[1] = "x;reboot:1".parse().expect("taken")).is_some());
        assert!(with(|i, _| i.token = "$(reboot)".into()).is_some());
        assert!(with(|_, p| p.key_name = "x;y".into()).is_some());
        assert!(with(|_, p| p.url = "http://a\u{1b}[2J".into()).is_some());
        assert!(with(|_, p| p.key_sha256 = "-c".into()).is_some());
    }

    #[test]
    fn the_key_of_a_repository_is_trusted_only_with_the_hash_in_the_line() {
        let packages = invitation().packages;
        let line = install(packages.as_ref());
        let order = [
            "wget -qO pilaster",
            "sha256sum -c && mv pilaster-1a.rsa.pub keys/",
            ">>repositories",
            "apk add -U",
        ];
        let places: Vec<_> = order.iter().map(|words| line.find(words).expect(words)).collect();
        assert!(places.is_sorted(), "{line}");
        assert!(
            line.contains("echo '00ff  pilaster-1a.rsa.pub'")
                && !line.contains("--allow-untrusted"),
            "{line}"
        );
        assert_eq!(install(None), "apk add etcd etcd-ctl ./pilaster-agent.apk");
    }
}

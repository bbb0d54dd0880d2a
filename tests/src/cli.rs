//! The program `lab`: stands a lab up, looks into it, breaks it, takes it down.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use clap::{Parser, Subcommand};
use nix::sys::signal::{SigSet, Signal};

use crate::bench::{self, bare};
use crate::demo::{self, Afterwards};
use crate::error::LabError;
use crate::lab::etcd::{self, EtcdRelease};
use crate::lab::{
    Journal, Lab, LabId, LabOptions, LinkState, Root, all_ids, all_labs, machine, root, take_down,
};
use crate::load::{handshake, write};
use crate::prove::{packages, renewals};
use crate::report;

/// Real hosts on one machine: Debian or Alpine with OpenRC and etcd, on a network of their own
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage; `exec` ends with the command's own.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Arguments {
    /// Which lab; may be left out where there is only one
    #[arg(long, global = true)]
    id: Option<String>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Stand a lab up: x-k3s-m-1 (192.168.7.11), x-k3s-m-2 … and the workstation `ws` (192.168.7.2)
    Up {
        /// How many hosts
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=200))]
        hosts: u8,
        /// What they stand on; several, with commas, for one host each, the last for all that
        /// remain
        #[arg(long, value_delimiter = ',', default_value = "debian")]
        root: Vec<Root>,
        /// Stay, and take it down at the end: with Ctrl-C or SIGTERM
        #[arg(long)]
        foreground: bool,
    },
    /// Take a lab down
    Down,
    /// Run a command in a host, or on the workstation `ws`
    Exec {
        /// A host's name, or `ws`
        node: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Crash a host: all of its processes die at once
    Kill {
        /// A host's name
        node: String,
    },
    /// Boot a host that is off
    Boot {
        /// A host's name
        node: String,
    },
    /// Put a new, empty SD card into a host; it is off then
    Wipe {
        /// A host's name
        node: String,
    },
    /// Plug a host's network cable in, or pull it
    Link {
        /// A host's name
        node: String,
        /// The cable's state
        state: Cable,
    },
    /// Show all labs and hosts
    Status,
    /// Make etcd of every minor version, or just one, and show its version and where it is
    Etcd {
        /// `3.5.16`, or `3.5` for the newest of that minor
        #[arg(value_name = "VERSION")]
        only_version: Option<EtcdRelease>,
    },
    /// Show the main job: from three bare hosts to a healthy cluster, checked and timed
    Demo {
        /// Leave the lab standing
        #[arg(long)]
        keep: bool,
    },
    /// Prove what takes too long for every test run
    Prove {
        /// What
        what: Prove,
        /// How many
        #[arg(long, default_value_t = 1000)]
        rounds: u32,
        /// At most one in this time, such as 1s; 0s: one after the other
        #[arg(long, default_value = "1s", value_parser = pilaster_coordinator::spec::parse_span)]
        every: Duration,
    },
    /// Measure, beside something bare in the same run
    Bench {
        /// What
        #[command(subcommand)]
        what: Bench,
    },
    /// Load on a cluster, with a history of it
    #[command(hide = true)]
    Load {
        #[command(subcommand)]
        what: Load,
    },
    /// A server that a bench measures against
    #[command(hide = true)]
    BenchBare {
        /// What it does
        what: bare::Bare,
        /// Where it keeps what it writes
        folder: std::path::PathBuf,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Prove {
    /// A node's leaves are renewed under a loop of handshakes
    Renewals,
    /// The packages for 64-bit and 32-bit ARM are installed, and join; without rounds
    Packages,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Writes
    Write(write::WriteLoad),
    /// Handshakes
    Handshake(handshake::HandshakeLoad),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Joining, idle agents, rotating leaves
    Identity,
    /// Planning a changed spec
    Plan,
    /// The agent on a Pi: sizes, memory, writes and processor time while nothing happens
    Agent {
        /// How long nothing happens
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// Sizes for every processor, not only for this machine's
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Cable {
    Up,
    Down,
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let Arguments { id, action } = Arguments::parse();
    let id = id.as_deref();
    let done = match action {
        Action::Up { hosts, root, foreground: false } => {
            up(id, hosts, &root, Life::Kept).and_then(|_| status())
        }
        Action::Up { hosts, root, foreground: true } => up_in_the_foreground(id, hosts, &root),
        Action::Down => down(id),
        Action::Exec { node, command } => exec(id, &node, &command),
        Action::Kill { node } => on_host(id, &node, "killed", |lab| lab.find_host(&node)?.kill()),
        Action::Boot { node } => on_host(id, &node, "booted", |lab| lab.find_host(&node)?.boot()),
        Action::Wipe { node } => {
            on_host(id, &node, "has a new SD card", |lab| lab.find_host(&node)?.wipe())
        }
        Action::Link { node, state: Cable::Up } => {
            on_host(id, &node, "has its cable", |lab| lab.find_host(&node)?.link(LinkState::Up))
        }
        Action::Link { node, state: Cable::Down } => {
            on_host(id, &node, "is without its cable", |lab| {
                lab.find_host(&node)?.link(LinkState::Down)
            })
        }
        Action::Status => status(),
        Action::Etcd { only_version } => show_etcd(only_version),
        Action::Bench { what: Bench::Identity } => bench::identity().map(|()| ExitCode::SUCCESS),
        Action::Bench { what: Bench::Plan } => bench::plan().map(|()| ExitCode::SUCCESS),
        Action::Bench { what: Bench::Agent { minutes, all } } => {
            let sizes = if all { bench::Sizes::All } else { bench::Sizes::ThisMachine };
            bench::agent(minutes, sizes).map(|()| ExitCode::SUCCESS)
        }
        Action::Prove { what: Prove::Packages, .. } => packages::run().map(|()| ExitCode::SUCCESS),
        Action::Prove { what: Prove::Renewals, rounds, every } => prove_renewals(rounds, every),
        Action::Load { what: Load::Write(load) } => write::run(&load).map(|()| ExitCode::SUCCESS),
        Action::Load { what: Load::Handshake(load) } => {
            handshake::run(&load).map(|()| ExitCode::SUCCESS)
        }
        Action::BenchBare { what, folder } => {
            bare::serve(what, &folder).map(|()| ExitCode::SUCCESS)
        }
        Action::Demo { keep } => {
            demo::run(if keep { Afterwards::Keep } else { Afterwards::Down }).map(all_right)
        }
    };
    done.unwrap_or_else(|error| {
        report::note(error.told());
        ExitCode::FAILURE
    })
}

fn prove_renewals(rounds: u32, every: Duration) -> Result<ExitCode, LabError> {
    let program = std::env::current_exe();
    let program =
        program.map_err(|source| LabError::Start { line: "lab load handshake".into(), source })?;
    let proof = renewals::run(rounds, every, &program)?;
    proof.print();
    Ok(all_right(proof.is_within_goal()))
}

fn all_right(all_right: bool) -> ExitCode {
    if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long a lab stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Until it is taken down.
    Kept,
    /// As long as this process runs; if that is killed, until the next run of any lab.
    Ours,
}

fn up(id: Option<&str>, hosts: u8, roots: &[Root], life: Life) -> Result<Lab, LabError> {
    report::step("this machine is ready", machine::prepare)?;
    let roots = &roots[..roots.len().min(hosts.into())];
    report::step("the root file systems are there", || {
        [&[Root::Debian], roots]
            .concat()
            .into_iter()
            .try_for_each(|root| root::ensure(root).map(drop))
    })?;
    let root_of =
        |n: u8| roots.get(usize::from(n) - 1).or(roots.last()).copied().unwrap_or_default();
    let hosts: Vec<Root> = (1..=hosts).map(root_of).collect();
    let (id, kept) = (id.map(str::to_owned), life == Life::Kept);
    let options = LabOptions { id, kept, ..LabOptions::on(&hosts) };
    let lab = report::step("switch, workstation and hosts are up", || Lab::up(options))?;
    match life {
        Life::Kept => report::note(format_args!("lab: `lab down --id {}` ends it", lab.id())),
        Life::Ours => report::note("lab: Ctrl-C ends it"),
    }
    Ok(lab)
}

fn up_in_the_foreground(id: Option<&str>, hosts: u8, roots: &[Root]) -> Result<ExitCode, LabError> {
    let ends = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    ends.thread_block().expect("both signals can be blocked"); // one that comes while it is stood up waits until then
    let lab = up(id, hosts, roots, Life::Ours)?;
    status()?;
    ends.wait().expect("the set is not empty");
    report::step(format_args!("lab {} is down", lab.id().clone()), || lab.down())?;
    Ok(ExitCode::SUCCESS)
}

fn down(id: Option<&str>) -> Result<ExitCode, LabError> {
    let id = id.map_or_else(|| Lab::open(None).map(|lab| lab.id().clone()), known_id)?;
    report::step(format_args!("lab {id} is down"), || take_down(&id))?;
    Ok(ExitCode::SUCCESS)
}

/// A lab of which there is anything; it needs no readable journal.
fn known_id(text: &str) -> Result<LabId, LabError> {
    let (id, ids) = (text.parse()?, all_ids()?);
    if ids.contains(&id) {
        return Ok(id);
    }
    let known = ids.iter().map(LabId::to_string).collect::<Vec<_>>().join(", ");
    Err(LabError::Unknown { kind: "lab", name: text.to_owned(), known })
}

fn exec(id: Option<&str>, node: &str, words: &[String]) -> Result<ExitCode, LabError> {
    let lab = Lab::open(id)?;
    let mut command: Command = if node == "ws" {
        lab.workstation().command(words)
    } else {
        lab.find_host(node)?.command(words)?
    };
    let status =
        command.status().map_err(|source| LabError::Start { line: words.join(" "), source })?;
    Ok(exit_code(status))
}

/// The command's own exit code; 128 and the signal's number where a signal ended it, as a shell has
/// it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn on_host(
    id: Option<&str>,
    node: &str,
    done: &str,
    act: impl FnOnce(&Lab) -> Result<(), LabError>,
) -> Result<ExitCode, LabError> {
    let lab = Lab::open(id)?;
    report::step(format_args!("{node} {done}"), || act(&lab))?;
    Ok(ExitCode::SUCCESS)
}

fn status() -> Result<ExitCode, LabError> {
    report::line(format_args!(
        "{:<12} {:<10} {:<20} {:<18} {:<6} PID",
        "LAB", "OWNER", "HOST", "ADDRESS", "STATE"
    ));
    for journal in all_labs()? {
        let lab = Lab::open(Some(&journal.id.to_string()))?;
        let (id, owner) = (lab.id(), owner(&journal));
        let workstation = lab.workstation().address().to_string();
        report::line(format_args!(
            "{id:<12} {owner:<10} {:<20} {workstation:<18} {:<6} -",
            "ws", "up"
        ));
        for host in lab.hosts() {
            let (name, address) = (host.name(), host.address().to_string());
            let pid1 = host.pid1().map(|pid1| pid1.pid.to_string());
            let (state, pid) = pid1.as_deref().map_or(("off", "-"), |pid| ("up", pid));
            report::line(format_args!(
                "{id:<12} {owner:<10} {name:<20} {address:<18} {state:<6} {pid}"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_etcd(only_version: Option<EtcdRelease>) -> Result<ExitCode, LabError> {
    let releases = only_version.map_or_else(|| EtcdRelease::ALL.to_vec(), |only| vec![only]);
    for release in releases {
        let programs = etcd::ensure(release)?;
        let version = programs.version()?;
        for path in [Some(programs.etcd), Some(programs.etcdctl), programs.etcdutl].iter().flatten()
        {
            report::line(format_args!("{version:<8} {}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn owner(journal: &Journal) -> String {
    match (journal.kept, journal.owner.is_alive()) {
        (true, _) => "kept".to_owned(),
        (false, true) => journal.owner.pid.to_string(),
        (false, false) => "gone".to_owned(),
    }
}

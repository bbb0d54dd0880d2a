//! `coordctl init`: writes the first spec.

use std::path::PathBuf;

use ipnet::Ipv4Net;
use pilaster_common::atomic_file;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, DomainName, NodeName};

use crate::config::{own_networks, owner};
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::spec;

const WHAT: &str = "cannot write a spec";

/// Writes a spec to read, edit and keep in git
///
/// The file is NAME.yml in this folder. Needs no coordinator.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The cluster's name: one DNS label
    name: String,
    /// Members are NODE.DOMAIN
    #[arg(long)]
    domain: String,
    /// The nodes' host names
    #[arg(long, value_delimiter = ',', required = true, value_name = "NODE,NODE,…")]
    members: Vec<String>,
    /// Where the nodes' addresses lie [default: the network of this machine]
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    network: Option<Ipv4Net>,
    /// Write it there instead
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the file; one that is there is left alone.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    let Args { name, domain, members, network, out } = args;
    let cluster: ClusterName = checked(&name)?;
    let domain: DomainName = checked(&domain)?;
    let members: Vec<NodeName> =
        members.iter().map(|name| checked(name)).collect::<Result<_, _>>()?;
    let network = network.map_or_else(own_network, Ok)?.trunc();
    let text = spec::template(&cluster, &domain, network, &members);
    spec::parse(&text).map_err(|error| Failure::new(Exit::Failed, WHAT, &error))?;
    let path = out.unwrap_or_else(|| format!("{cluster}.yml").into());
    if path.exists() {
        let cause = format!("{} exists", path.display());
        let help = format!("edit it and apply it: coordctl apply {}", path.display());
        return Err(Failure::said(Exit::Failed, WHAT, cause, help));
    }
    let access = atomic_file::Access { mode: 0o644, ..owner() };
    atomic_file::replace(
        &std::path::absolute(&path).unwrap_or(path.clone()),
        text.as_bytes(),
        access,
    )
    .map_err(|error| Failure::new(Exit::Failed, WHAT, &error))?;
    output::note(&format!(
        "wrote {path}; read it, then: coordctl apply {path}",
        path = path.display()
    ));
    Ok(Exit::Done)
}

fn checked<T>(name: &str) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: Help,
{
    name.parse().map_err(|error| Failure::new(Exit::Failed, WHAT, &error))
}

fn own_network() -> Result<Ipv4Net, Failure> {
    match &own_networks()[..] {
        [only] => Ok(*only),
        found => {
            let found: Vec<String> = found.iter().map(|net| net.trunc().to_string()).collect();
            let cause = match found.is_empty() {
                true => "this machine has no network to take over".into(),
                false => format!("this machine has several networks: {}", found.join(", ")),
            };
            Err(Failure::said(
                Exit::Failed,
                WHAT,
                cause,
                "say in which one the nodes are: --network 192.168.7.0/24",
            ))
        }
    }
}

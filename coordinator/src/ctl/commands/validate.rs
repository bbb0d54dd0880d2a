//! `coordctl validate`: says whether specs are good, without a coordinator.

use std::io::Read;
use std::path::{Path, PathBuf};

use pilaster_common::error::Told;

use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::spec::{self, BadSpec, ClusterSpec, span_text};

/// Bytes that are read of a file: more than any spec may have, so that its size is told too.
const READ_MAX: u64 = 2 * 1024 * 1024;

/// Says whether specs are good
///
/// Needs no coordinator. What has to be asked of one, such as a service name of another cluster,
/// `coordctl apply` tells.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// The specs; - is stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Looks at each file, also behind one that is wrong.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut first_wrong: Option<Failure> = None;
    for file in &args.files {
        let name = shown(file);
        match read_spec(file) {
            Ok((_, spec)) => {
                output::data(&format!("{name}: good: {}\n", summary(&spec)));
                for warning in spec::warnings(&spec) {
                    output::note(&format!("{name}: warning: {warning}"));
                }
            }
            Err(cause) => {
                let error = cause.of(&format!("{name} is not good"));
                if let Some(before) = first_wrong.replace(error) {
                    output::note(&before.told.to_string());
                }
            }
        }
    }
    first_wrong.map_or(Ok(Exit::Done), Err)
}

/// Why a file is no spec.
#[derive(Debug)]
pub(super) enum NoSpec {
    /// It cannot be read.
    Unreadable(String),
    /// It is wrong.
    Bad(BadSpec),
}

impl NoSpec {
    /// As the cause of `what`.
    pub(super) fn of(self, what: &str) -> Failure {
        match self {
            Self::Unreadable(cause) => {
                let help = "coordctl init NAME … writes a first one";
                Failure::said(Exit::Failed, what, cause, help)
            }
            Self::Bad(error) => Failure { exit: Exit::Failed, told: Told::new(what, &error) },
        }
    }
}

/// Reads and checks a file; its errors name it as the person typed it.
pub(super) fn read_spec(file: &Path) -> Result<(String, ClusterSpec), NoSpec> {
    let mut bytes = Vec::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().take(READ_MAX).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(file).and_then(|file| file.take(READ_MAX).read_to_end(&mut bytes))
        }
    };
    read.map_err(|error| NoSpec::Unreadable(format!("cannot read it: {error}")))?;
    let parsed = spec::text_of(&bytes).and_then(|text| Ok((text.to_owned(), spec::parse(text)?)));
    parsed.map_err(|error| NoSpec::Bad(error.in_file(shown(file))))
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") { "stdin".into() } else { file.display().to_string() }
}

/// What was understood, in one line.
fn summary(spec: &ClusterSpec) -> String {
    let count = match spec.members.len() {
        1 => "1 member".into(),
        count => format!("{count} members"),
    };
    let (heartbeat, election) = (span_text(spec.etcd.heartbeat()), span_text(spec.etcd.election()));
    let storage = spec.etcd.storage;
    let shown_already = ["storage", "heartbeat_interval", "election_timeout"];
    let own = spec.etcd.written().into_iter().filter(|(key, _)| !shown_already.contains(key));
    let own: String =
        own.filter_map(|(key, value)| value.map(|value| format!(", {key} {value}"))).collect();
    format!(
        "cluster {}, {count}, etcd on {storage}: heartbeat {heartbeat}, election {election}{own}",
        spec.cluster
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_spec_is_told_in_one_line() {
        let spec = spec::parse(
            "cluster: c\ndomain: a.b\nmembers: [{name: m-1}]\netcd: {storage: ssd, quota: 1GiB}\n",
        );
        assert_eq!(
            summary(&spec.expect("good")),
            "cluster c, 1 member, etcd on ssd: heartbeat 100ms, election 1s, quota 1GiB"
        );
    }
}

//! The program `pilaster-coordinator`: its log, its first lines, its exit code.

use std::process::ExitCode;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pilaster_common::error::Told;

use crate::config::Config;
use crate::console::{Exit, output};
use crate::run::{Listening, run};

/// Two workers serve thousands of idle agents; passes and signatures take the rest.
const WORKERS: usize = 2;

/// Runs the program.
pub fn main() -> ExitCode {
    let config = match Config::try_parse() {
        Ok(config) => config,
        Err(error) => return output::usage(&error),
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    harden();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = runtime.expect("the system gives two threads and an epoll");
    match runtime.block_on(run(config, greet)) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            output::note(&Told::new("pilaster-coordinator does not run", &error).to_string());
            Exit::Failed.into()
        }
    }
}

/// No core dumps, which would hold CA keys (promise 1); as many descriptors as there may be, one
/// for each agent.
fn harden() {
    let no_core = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let dumpable = nix::sys::prctl::set_dumpable(false);
    if let Err(error) = no_core.and(dumpable) {
        tracing::warn!("cannot turn core dumps off: {error}");
    }
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!("cannot raise the number of open files: {error}");
    }
}

fn greet(listening: &Listening) {
    let Listening { endpoints, socket, state, packages } = listening;
    let dial = if endpoints.is_empty() {
        "nowhere: this machine has no address".into()
    } else {
        endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    output::note(&format!(
        "pilaster-coordinator {version}: agents dial {dial}; coordctl opens {socket}; state in {state}\n\
         next: coordctl init NAME --domain DOMAIN --members A,B,C, then coordctl apply NAME.yml",
        version = env!("CARGO_PKG_VERSION"),
        socket = socket.display(),
        state = state.display(),
    ));
    if let Some(offer) = packages {
        output::note(&format!("nodes fetch packages from {offer}"));
    }
}

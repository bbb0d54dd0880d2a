//! The program `coordctl`: what a person types and sees.
//!
//! [`args`] is the command line, `commands/` has one file a command, [`output`] is the only place that prints, [`exit`] the exit codes, and
//! [`dial`] the way to the coordinator. Data goes to stdout; progress, notes and errors to stderr.

mod args;
mod certs_view;
mod commands;
mod dial;
mod exit;
#[cfg(test)]
mod manual;
pub mod output;
mod plan_view;
mod status_view;

use std::process::ExitCode;

use clap::Parser;

pub use exit::Exit;

use args::Args;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return output::usage(&error),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system gives an epoll");
    match runtime.block_on(commands::run(args)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::note(&error.told.to_string());
            error.exit.into()
        }
    }
}

//! The program `coordctl`: what a person types and sees.
//!
//! [`args`] is the command line, `commands/` has one file a command, [`text`] says how views read
//! at a terminal, and [`dial`] is the way to the coordinator, which has made what is shown.

mod args;
mod commands;
mod dial;
#[cfg(test)]
mod manual;
mod text;

use std::process::ExitCode;

use clap::Parser;

use crate::console::output;
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

//! One file a command: its arguments, and what it does.

pub(super) mod apply;
pub(super) mod approve;
pub(super) mod certs;
pub(super) mod client;
pub(super) mod enroll;
pub(super) mod env;
pub(super) mod hosts;
pub(super) mod init;
pub(super) mod node;
pub(super) mod plan;
pub(super) mod rotate;
pub(super) mod schema;
pub(super) mod status;
pub(super) mod validate;

use super::args::{Args, Command};
use super::dial::Context;
use crate::console::Exit;
use crate::console::exit::Failure;

/// Runs the command that was typed.
pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let Args { socket, cluster, command } = args;
    let context = Context { socket, cluster };
    match command {
        Command::Init(args) => init::run(args),
        Command::Validate(args) => validate::run(&args),
        Command::Schema(args) => schema::run(args),
        Command::Plan(args) => plan::run(&context, args).await,
        Command::Apply(args) => apply::run(&context, args).await,
        Command::Enroll(args) => enroll::run(&context, args).await,
        Command::Approve(args) => approve::run(&context, args).await,
        Command::Node(args) => node::run(&context, args).await,
        Command::Status(args) => status::run(&context, args).await,
        Command::Certs(args) => certs::run(&context, args).await,
        Command::Rotate(args) => rotate::run(&context, args).await,
        Command::Client(args) => client::run(&context, args).await,
        Command::Env(args) => env::run(&context, args).await,
        Command::Hosts(args) => hosts::run(&context, args).await,
    }
}

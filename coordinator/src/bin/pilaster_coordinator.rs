//! `pilaster-coordinator`: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    pilaster_coordinator::daemon::main()
}

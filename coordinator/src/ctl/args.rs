//! The command line of `coordctl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::commands::{apply, client, enroll, env, hosts, init, status};
use crate::config::default_socket;

/// Sets up and looks after etcd clusters.
#[derive(Debug, Parser)]
#[command(name = "coordctl", version)]
pub(super) struct Args {
    /// Where the coordinator listens
    #[arg(long, global = true, env = "PILASTER_SOCKET", default_value_os_t = default_socket(), value_name = "PATH")]
    pub(super) socket: PathBuf,
    /// Which cluster; may be left out when there is one
    #[arg(short, long, global = true, env = "PILASTER_CLUSTER", value_name = "NAME")]
    pub(super) cluster: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Init(init::Args),
    Apply(apply::Args),
    Enroll(enroll::Args),
    Status(status::Args),
    Client(client::Args),
    Env(env::Args),
    Hosts(hosts::Args),
}

/// `90s`, `15m`, `1h`: a number and a unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no time span: give a number and a unit, such as 90s, 15m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_time_span_has_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "90", "s", "1w", "-1s", "1.5h", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

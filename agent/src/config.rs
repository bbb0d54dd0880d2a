//! Every default, deadline and setting of the agent, each with the reason for its number.

use std::path::PathBuf;
use std::time::Duration;

use pilaster_common::endpoint::Endpoint;
use pilaster_common::paths;

/// What `/etc/conf.d/pilaster-agent` exports.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `PILASTER_INTERFACE`: whose address the cluster uses.
    pub interface: String,
    /// `PILASTER_LOG`: error, warn, info, debug or trace.
    pub log: tracing::Level,
}

impl Settings {
    /// Reads the settings from the environment, then from `/etc/conf.d/pilaster-agent`, since a command typed by hand does not
    /// get what OpenRC exports. What is not set, or not understood, has its default.
    pub fn read() -> Self {
        let file = std::fs::read_to_string(SETTINGS_FILE).unwrap_or_default();
        let set = |name| {
            let exported = std::env::var(name).ok();
            exported.or_else(|| in_file(&file, name)).filter(|value| !value.is_empty())
        };
        Self {
            interface: set("PILASTER_INTERFACE").unwrap_or_else(|| "eth0".into()),
            log: set("PILASTER_LOG")
                .and_then(|level| level.parse().ok())
                .unwrap_or(tracing::Level::INFO),
        }
    }
}

/// The value of `export NAME="value"`; the last one counts.
fn in_file(file: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let line = line.trim();
        let assigned = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let value = assigned.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    file.lines().rev().find_map(value)
}

/// What `pilaster-agent join` was asked.
#[derive(Debug)]
pub struct JoinOptions {
    /// Where the coordinator is.
    pub coordinator: Endpoint,
    /// Where the token is.
    pub token: TokenSource,
    /// How long an unreachable coordinator is tried.
    pub give_up_after: Duration,
    /// Whether the agent's service is started at the end.
    pub start: bool,
}

/// Where a token is read from: never an argument, which `ps` and the shell's history would show.
#[derive(Debug)]
pub enum TokenSource {
    /// One line of standard input.
    Stdin,
    /// A file, removed once it has served.
    File(PathBuf),
}

/// How long `join` tries an unreachable coordinator unless told otherwise: a workstation that is just being started.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// `/var/lib/pilaster/identity`.
pub(crate) fn identity_folder() -> PathBuf {
    PathBuf::from(paths::AGENT_STATE).join("identity")
}

/// OpenRC's settings of the agent's service.
const SETTINGS_FILE: &str = "/etc/conf.d/pilaster-agent";
/// What the daemon tells `pilaster-agent status`; in memory, so that it costs the card nothing (promise 12).
pub(crate) const STATUS_FILE: &str = "/run/pilaster/status";
/// The agent's own service.
pub(crate) const AGENT_SERVICE: &str = "pilaster-agent";
/// etcd's service.
pub(crate) const ETCD_SERVICE: &str = "etcd";
/// The user that Debian's and Alpine's packages make for etcd.
pub(crate) const ETCD_USER: &str = "etcd";

/// A TCP connection on a home network stands within milliseconds, over a slow mobile link within seconds.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The server drops a handshake after the same time (docs/PROTOCOL.md, One verified connection).
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// A join waits for one durable commit on the coordinator.
pub(crate) const JOIN_DEADLINE: Duration = Duration::from_secs(15);
/// The stream's headers come before anything else is done for it.
pub(crate) const ATTACH_DEADLINE: Duration = Duration::from_secs(10);
/// Three signatures and one durable commit.
pub(crate) const ISSUE_DEADLINE: Duration = Duration::from_secs(15);
/// One signature and one durable commit.
pub(crate) const RENEW_DEADLINE: Duration = Duration::from_secs(15);
/// Ping on an idle connection; with [`PING_DEADLINE`] a dead link is noticed within 50 s.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long a ping may stay unanswered.
pub(crate) const PING_DEADLINE: Duration = Duration::from_secs(20);
/// A desired state has about 10 kB; this bounds what a bad coordinator can make the agent hold.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Pauses of `join` while the coordinator cannot be reached.
pub(crate) const JOIN_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(10));
/// Pauses between streams.
pub(crate) const LINK_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(15));
/// Pauses after a step that failed: no hot retry, on a full disk for example.
pub(crate) const STEP_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(30));
/// Pauses after a step that keeps nothing waiting: each try starts processes.
pub(crate) const ASIDE_BACKOFF: (Duration, Duration) =
    (Duration::from_secs(15), Duration::from_secs(1800));
/// Pauses while the coordinator refuses this node: only a person there can change that.
pub(crate) const REFUSED_BACKOFF: (Duration, Duration) =
    (Duration::from_secs(30), Duration::from_secs(300));
/// Pauses after a renewal that failed: there are weeks left, and a person who asked for it waits two minutes.
pub(crate) const RENEW_BACKOFF: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(600));
/// Pauses before a leaf that was taken back is replaced again: each try costs a signature, and refused handshakes.
pub(crate) const LEAF_BACKOFF: (Duration, Duration) =
    (Duration::from_secs(15), Duration::from_secs(1800));
/// A cause that stays the same is logged again after this time.
pub(crate) const LOG_AGAIN: Duration = Duration::from_secs(3600);

/// A look for the identity of a node that has not joined: a stat, nothing is written.
pub(crate) const IDENTITY_LOOK: Duration = Duration::from_secs(1);
/// A report when nothing changed (promise 12).
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// A look at the node when nothing changed: a few small files are read, nothing is written.
pub(crate) const RESYNC_INTERVAL: Duration = Duration::from_secs(5);
/// How old memory, free disk and the like may be.
pub(crate) const FACTS_MAX_AGE: Duration = Duration::from_secs(60);

/// A question to a healthy etcd.
pub(crate) const ETCD_INTERVAL: Duration = Duration::from_secs(5);
/// A question to an etcd that should be healthy and is not: it is what a person waits for.
pub(crate) const ETCD_INTERVAL_EAGER: Duration = Duration::from_millis(150);
/// The same once it has been sick for [`ETCD_EAGER_SPAN`].
pub(crate) const ETCD_INTERVAL_SICK: Duration = Duration::from_secs(5);
/// A formation at 5 s election timeout takes less.
pub(crate) const ETCD_EAGER_SPAN: Duration = Duration::from_secs(60);
/// `/health` makes a linearizable read, which waits for a leader.
pub(crate) const ETCD_HEALTH_DEADLINE: Duration = Duration::from_secs(3);
/// Status is answered from memory; the member list waits for a leader, and is asked only where there is one.
pub(crate) const ETCD_CALL_DEADLINE: Duration = Duration::from_secs(2);

/// A look at what a port of etcd shows, when nothing changed.
pub(crate) const SERVED_INTERVAL: Duration = Duration::from_secs(60);
/// The same while a new leaf has not been seen yet.
pub(crate) const SERVED_INTERVAL_EAGER: Duration = Duration::from_millis(500);
/// etcd reads its leaf at each handshake: a new one that is not shown after this time will not be.
pub(crate) const SERVED_GRACE: Duration = Duration::from_secs(10);
/// A handshake between etcd's two reads of one file may fail once, not for this long.
pub(crate) const SERVED_GRACE_REFUSED: Duration = Duration::from_secs(2);
/// A handshake on this host takes milliseconds; a busy Pi may take a second.
pub(crate) const SERVED_DEADLINE: Duration = Duration::from_secs(2);

/// `rc-service etcd start` with all that it starts before.
pub(crate) const SERVICE_DEADLINE: Duration = Duration::from_secs(30);
/// What is cut off after SIGTERM; OpenRC kills after 5 s.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_millis(800);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_as_the_shell_would_find_it() {
        let file = "#export PILASTER_INTERFACE=\"no\"\nexport PILASTER_INTERFACE=\"eth1\"\nPILASTER_LOG=debug\n";
        assert_eq!(in_file(file, "PILASTER_INTERFACE").as_deref(), Some("eth1"));
        assert_eq!(in_file(file, "PILASTER_LOG").as_deref(), Some("debug"));
        assert_eq!(in_file(file, "PILASTER"), None);
    }
}

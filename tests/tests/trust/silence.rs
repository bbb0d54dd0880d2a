//! A link that is dead and says nothing: no packet comes back, and none says so. Both ends notice
//! within 90 s.

use std::time::{Duration, Instant};

use lab::stage::{LIMIT, Stage};
use lab::{LabError, LinkState, wait_until};

use super::bench::{is_connected, join};

/// What both ends are bound to.
const NOTICED: Duration = Duration::from_secs(90);

#[test]
fn a_dead_link_is_noticed_on_both_ends_within_90_s() -> Result<(), LabError> {
    let stage = Stage::of(1)?;
    stage.apply()?;
    let host = &stage.hosts()[0];
    join(&stage, host)?;

    let told = || -> Result<usize, LabError> {
        let log = host.exec_ok(["cat", "/var/log/pilaster-agent.log"])?;
        Ok(log.matches("no stream to the coordinator").count())
    };
    let before = told()?;
    // the cable is pulled at the switch, and the host's end stays up: what is sent gets lost
    let start = Instant::now();
    let left = || NOTICED.saturating_sub(start.elapsed());
    host.link(LinkState::Down)?;
    wait_until("the coordinator knows", left(), || Ok(!is_connected(&stage)?))?;
    wait_until("the agent knows", left(), || Ok(told()? > before))?;
    host.link(LinkState::Up)?;
    wait_until("connected again", LIMIT, || is_connected(&stage))
}

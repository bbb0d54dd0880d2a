//! A link that is dead and says nothing: no packet comes back, and none says so. Both ends notice within 90 s.

use std::time::{Duration, Instant};

use lab::journey::Journey;
use lab::{Binaries, LabError, LinkState, wait_until};

use super::bench::{LIMIT, hosts, is_connected};

/// What both ends are bound to.
const NOTICED: Duration = Duration::from_secs(90);

#[test]
fn a_dead_link_is_noticed_on_both_ends_within_90_s() -> Result<(), LabError> {
    let (lab, binaries) = (hosts(1)?, Binaries::build()?);
    let journey = Journey::begin(&lab, &binaries)?;
    journey.apply()?;
    let host = &lab.hosts()[0];
    let token = journey.token(host.name(), &[])?;
    assert!(journey.join(host, &token, &[])?.status.success());
    wait_until("connected", LIMIT, || is_connected(&journey))?;

    let told = || -> Result<usize, LabError> {
        let log = host.exec_ok(["cat", "/var/log/pilaster-agent.log"])?;
        Ok(log.matches("no stream to the coordinator").count())
    };
    let before = told()?;
    // the cable is pulled at the switch, and the host's end stays up: what is sent gets lost
    let start = Instant::now();
    let left = || NOTICED.saturating_sub(start.elapsed());
    host.link(LinkState::Down)?;
    wait_until("the coordinator knows", left(), || Ok(!is_connected(&journey)?))?;
    wait_until("the agent knows", left(), || Ok(told()? > before))?;
    host.link(LinkState::Up)?;
    wait_until("connected again", LIMIT, || is_connected(&journey))
}

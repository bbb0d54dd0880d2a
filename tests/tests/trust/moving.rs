//! The coordinator moves to another address, and the agents follow: the list of endpoints comes
//! with the desired state and is kept.

use lab::stage::{LIMIT, Stage};
use lab::{LabError, wait_until};

use super::bench::{is_connected, join};

#[test]
fn a_coordinator_that_moves_to_another_address_is_followed() -> Result<(), LabError> {
    let stage = Stage::of(1)?;
    stage.apply()?;
    let (host, workstation) = (&stage.hosts()[0], stage.workstation());
    join(&stage, host)?;

    // it has both addresses for a while, and says so
    workstation.exec_ok(["ip", "address", "add", "192.168.7.3/24", "dev", "eth0"])?;
    stage.restart_coordinator_with("PILASTER_ADVERTISE", "192.168.7.3:7443,192.168.7.2:7443")?;
    let link = "/var/lib/pilaster/identity/current/link.json";
    wait_until("the agent knows", LIMIT, || {
        Ok(host.exec_ok(["cat", link])?.contains("192.168.7.3:7443"))
    })?;

    stage.kill_coordinator(); // a clean end of its connections: a dead link takes up to 50 s to be noticed
    workstation.exec_ok(["ip", "address", "del", "192.168.7.2/24", "dev", "eth0"])?;
    workstation.exec_ok(["sh", "-c", "ip address replace 192.168.7.3/24 dev eth0"])?;
    stage.restart_coordinator_with("PILASTER_ADVERTISE", "192.168.7.3:7443")?;
    wait_until("the agent has followed", LIMIT, || is_connected(&stage))?;
    wait_until("the old address is forgotten", LIMIT, || {
        Ok(!host.exec_ok(["cat", link])?.contains("192.168.7.2:7443"))
    })
}

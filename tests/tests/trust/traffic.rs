//! Promise 1, on the wire: both directions of what agents and coordinator say, decrypted, hold no
//! private key.
//!
//! Method: an agent built with a tap between TLS and HTTP/2 writes down all that it sends and
//! receives. Joining, forming and a rotation of every certificate go over it. Then every key that
//! the node ever had in its files is looked for in it, as in all other files; keys that are planted
//! there are found first.

use lab::journey::keys;
use lab::stage::Stage;
use lab::{Cards, LabError};

#[test]
fn promise_01_the_decrypted_traffic_holds_no_key() -> Result<(), LabError> {
    let stage = Stage::instrumented(Cards::Folders)?;
    let host = &stage.hosts()[0];
    host.write("/etc/conf.d/pilaster-agent", "export PILASTER_TAP=/var/lib/pilaster-tap\n", 0o644)?;
    stage.apply()?;
    let token = stage.token(host.name(), &[])?;
    let mut join = host.command([
        "sh",
        "-c",
        "pilaster-agent join 192.168.7.2:7443 --token-file /root/token",
    ])?;
    host.write("/root/token", &token, 0o600)?;
    assert!(join.env("PILASTER_TAP", "/var/lib/pilaster-tap").status().expect("runs").success());
    stage.await_healthy()?;
    let first = keys::needles(&stage)?;
    stage.ctl(["rotate", "--all"])?;
    let second = keys::needles(&stage)?;

    let tap = host.path("/var/lib/pilaster-tap");
    let length = std::fs::metadata(&tap).expect("the tap has written").len();
    assert!(length > 10_000, "{length} bytes went over it");
    let text = std::fs::read(&tap).expect("reads");
    assert!(text.windows(4).any(|window| window == b"grpc"), "it is HTTP/2 in the clear");
    for needles in [&first, &second] {
        let searched = keys::search_for(&stage, needles)?;
        assert_eq!(searched.missed, [""; 0], "what was planted is found");
        let leaks: Vec<_> = searched.leaks.iter().map(|hit| (&hit.needle, &hit.path)).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
    }
    Ok(())
}

//! Promise 3: every RPC against every credential that is not a node's own, over real sockets to the
//! release coordinator.
//!
//! Method: one node joins and is served (the twin). Then each RPC of the agents is called with no
//! certificate, with one of another CA, of another profile, of another cluster, with a serial that
//! nobody recorded, with one that has ended, and after a denial. The test signs them with the
//! coordinator's own CA, so that nothing but the rule under test can refuse them.

use std::path::Path;
use std::time::Duration;

use lab::LabError;
use lab::bench::nodes::{self, Calls};
use lab::stage::{Loopback, SPEC, on_loopback};
use pilaster_common::clock::{Clock, SystemClock};
use pilaster_common::pem::Pair;
use pilaster_common::secret::PrivateKey;
use pilaster_coordinator::admin_api::Deny;
use pilaster_coordinator::ca::issue::{self, Leaf};
use pilaster_coordinator::ca::sign::{Authority, PathLength};
use pilaster_coordinator::spec::{self, ClusterSpec};
use tonic::Code;

#[test]
fn promise_03_every_rpc_but_join_and_recover_needs_a_nodes_own_certificate() -> Result<(), LabError>
{
    on_loopback(show)
}

#[test]
fn resumption_is_off() -> Result<(), LabError> {
    let resumes = on_loopback(async |Loopback { server, token, .. }| {
        let own = nodes::join(server.address, "n-1", &token).await?;
        nodes::resumes(server.address, &own).await
    });
    assert!(!resumes?, "rustls does not run the client verifier again on resumption");
    Ok(())
}

async fn show(coordinator: Loopback<'_>) -> Result<(), LabError> {
    let Loopback { server, mut admin, folder, token } = coordinator;
    let own = nodes::join(server.address, "n-1", &token).await?;
    let calls = Calls::to(server.address);

    for (call, code) in calls.with(Some(&own)).await {
        assert_eq!(code, Ok(None), "the twin: {call} with the node's own");
    }
    let spec = spec::parse(SPEC).expect("good");
    let (control, installation) = (control(folder), installation_of(&own));
    let now = SystemClock.now();
    let node = "n-1".parse().expect("good");
    let identity =
        |installation: &str, spec: &ClusterSpec| issue::identity(installation, spec, &node, now);
    let good = identity(&installation, &spec);
    let other_ca =
        Authority::generate("pilaster control", PathLength::Unbounded, now).expect("makes");
    let other_cluster = spec::parse(&SPEC.replace("c-1", "c-2")).expect("good");
    let two_days = Duration::from_secs(2 * 86_400);
    let ended = Leaf {
        not_before: now.minus(two_days),
        not_after: now.minus(two_days / 2),
        ..good.clone()
    };
    let early = Leaf { not_before: now.plus(two_days), ..good.clone() };

    // refused in the handshake: nothing of the service is reached
    for (what, credential) in [
        ("no certificate", None),
        ("of another CA", Some(sign(&other_ca, &good))),
        ("of another profile", Some(sign(&control, &issue::coordinator(now)))),
        ("ended", Some(sign(&control, &ended))),
        ("not valid yet", Some(sign(&control, &early))),
    ] {
        for (call, code) in calls.with(credential.as_ref()).await {
            assert_eq!(code, Err(()), "{call}, {what}: no connection");
        }
    }
    // verified, and still nobody: told by each call itself
    for (what, credential, wanted) in [
        (
            "of another cluster",
            sign(&control, &identity(&installation, &other_cluster)),
            Code::PermissionDenied,
        ),
        (
            "of another installation",
            sign(&control, &identity("0000000000000000", &spec)),
            Code::Unauthenticated,
        ),
        ("a serial that nobody recorded", sign(&control, &good), Code::PermissionDenied),
        (
            "a client without a URI",
            sign(&control, &issue::client("n-1", two_days, now)),
            Code::Unauthenticated,
        ),
    ] {
        for (call, code) in calls.with(Some(&credential)).await {
            assert_eq!(code, Ok(Some(wanted)), "{call}, {what}");
        }
    }
    admin.call(&Deny { cluster: None, node: "n-1".into() }).await.expect("denies");
    for (call, code) in calls.with(Some(&own)).await {
        assert_eq!(code, Ok(Some(Code::PermissionDenied)), "{call}, denied");
    }
    Ok(())
}

fn sign(ca: &Authority, leaf: &Leaf) -> Pair {
    let key = PrivateKey::generate().expect("random bytes");
    let certificate = ca.sign(leaf, &key.public_key()).expect("signs");
    Pair::new(vec![certificate], key).expect("fits")
}

fn control(folder: &Path) -> Authority {
    let text = std::fs::read(folder.join("state/ca/control-g1.pem")).expect("reads");
    Authority::from_pair(Pair::from_pem(&text).expect("a CA")).expect("a CA")
}

/// `spiffe://<installation>/…`
fn installation_of(pair: &Pair) -> String {
    let facts = pilaster_common::certificate::read(pair.leaf()).expect("reads");
    facts.uris[0].split('/').nth(2).expect("an installation").to_owned()
}

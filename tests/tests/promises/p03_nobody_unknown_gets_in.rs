//! Promise 3: nobody unknown gets in.
//!
//! Goal: without a valid client certificate nothing of the coordinator is reached but Join, and
//! Join needs proof. Method: a coordinator with one node. First the handshake, with the stock
//! `openssl s_client` from the workstation and from the node: each refusal has a positive twin on
//! the same port. Then, over a connection that was let in for Join, every call of the other
//! services, with a client whose TLS is dialled by hand, since no client of ours would do so. Not
//! here: what a token must prove (`coordinator::enrollment`), whom the agent trusts
//! (`agent::link::dial`, `journeys::bad_input`).

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use lab::bench::nodes;
use lab::stage::{ENDPOINT, Stage};
use lab::{Host, LabError};
use pilaster_proto::admin::v1::Command as AdminCommand;
use pilaster_proto::admin::v1::admin_client::AdminClient;
use pilaster_proto::agent::v1::agent_client::AgentClient;
use pilaster_proto::agent::v1::enrollment_client::EnrollmentClient;
use pilaster_proto::agent::v1::{Facts, IssueRequest, JoinRequest, Report};
use pilaster_proto::client::channel_over;
use pilaster_proto::names;
use tonic::Code;
use tonic::transport::Channel;

/// The name with which everything but Join is asked for.
const AGENTS: &str = "-servername coordinator.pilaster.internal";
/// The name with which Join is asked for.
const JOIN: &str = "-servername join.pilaster.internal";
/// HTTP/2's preface and empty SETTINGS (RFC 9113, 3.4): a server that lets us in answers with its
/// own SETTINGS.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What came of a connection.
#[derive(Debug)]
enum Answer {
    /// HTTP/2 was spoken.
    Served,
    /// Not one byte came back; what openssl said.
    Refused(String),
}

/// Says hello over `openssl s_client WORDS`, which `place` runs.
fn connect(place: impl FnOnce(&[&str]) -> Command, words: &str) -> Answer {
    let line = format!("openssl s_client -quiet -no_ign_eof -alpn h2 -connect {ENDPOINT} {words}");
    let mut command = place(&line.split(' ').collect::<Vec<_>>());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut openssl = piped.spawn().unwrap();
    let mut stdin = openssl.stdin.take().unwrap();
    let _ = stdin.write_all(HELLO); // one that was refused already has gone
    let mut frame = [0; 9];
    let served = openssl.stdout.take().unwrap().read_exact(&mut frame).is_ok();
    let _ = openssl.kill(); // it ends by itself when it is refused
    let said = openssl.wait_with_output().unwrap().stderr;
    drop(stdin);
    if served {
        assert_eq!(frame[3], 4, "a SETTINGS frame: {frame:?}");
        return Answer::Served;
    }
    Answer::Refused(String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn assert_refused(answer: &Answer, words: &str) {
    match answer {
        Answer::Refused(said) if said.contains(words) => {}
        other => panic!("no refusal with {words:?}: {other:?}"),
    }
}

#[test]
fn promise_03_nobody_without_an_identity_reaches_more_than_join() -> Result<(), LabError> {
    let stage = Stage::formed(1)?.settled()?;
    stage.ctl(["client", "admin", "--out", "."])?;
    handshakes_without_an_identity_are_refused(&stage)?;
    stage.workstation().inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(every_other_call_over_a_connection_for_join_is_unknown());
    })
}

fn handshakes_without_an_identity_are_refused(stage: &Stage) -> Result<(), LabError> {
    let from_ws = |words: &str| connect(|line| stage.workstation().command(line), words);
    let host: &Host = &stage.hosts()[0];
    let on_host = |words: &str| connect(|line| host.command(line).unwrap(), words);
    let identity = "/var/lib/pilaster/identity/current/identity.pem";
    let with_identity = format!("{AGENTS} -tls1_3 -cert {identity} -key {identity}");

    assert!(matches!(on_host(&with_identity), Answer::Served), "the twin: a node gets in");
    for name in [AGENTS, "-noservername", "-servername etcd.edge.huatai.me", "-servername JOIN"] {
        assert_refused(&from_ws(&format!("{name} -tls1_3")), "certificate required");
    }
    let of_etcd = "-tls1_3 -cert client.pem -key client.pem";
    assert_refused(&from_ws(&format!("{AGENTS} {of_etcd}")), "unknown ca");
    for leaf in ["client.pem", "x-k3s-m-1.pem"] {
        let words = format!("{AGENTS} -tls1_3 -cert /etc/etcd/{leaf} -key /etc/etcd/{leaf}");
        assert_refused(&on_host(&words), "unknown ca");
    }
    let make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x-k3s-m-1 \
                -addext subjectAltName=URI:spiffe://i/cluster/x-k3s/node/x-k3s-m-1 -keyout own.pem -out own.crt && cat own.crt >>own.pem";
    stage.workstation().exec_ok(["sh", "-c", make])?;
    let self_made = format!("{AGENTS} -tls1_3 -cert own.pem -key own.pem");
    assert_refused(&from_ws(&self_made), "SSL alert number");

    assert!(
        matches!(from_ws(&format!("{JOIN} -tls1_3")), Answer::Served),
        "for Join none is asked"
    );
    tls12_refused(&from_ws);
    Ok(())
}

fn tls12_refused(from_ws: &impl Fn(&str) -> Answer) {
    for name in [JOIN, AGENTS] {
        assert_refused(&from_ws(&format!("{name} -tls1_2")), "protocol version");
    }
}

async fn every_other_call_over_a_connection_for_join_is_unknown() {
    let channel = dial_for_join().await;
    let mut agent = AgentClient::new(channel.clone());
    let mut admin = AdminClient::new(channel.clone());
    let watch =
        admin.watch(AdminCommand { name: "status".into(), json: b"{}".to_vec() }).await.map(drop);
    for (call, answer) in [
        ("Attach", agent.attach(tokio_stream::iter([Report::default()])).await.map(drop)),
        ("Issue", agent.issue(IssueRequest::default()).await.map(drop)),
        ("Call", admin.call(AdminCommand { name: "apply".into(), json: vec![] }).await.map(drop)),
        ("Watch", watch),
    ] {
        assert_eq!(answer.map_err(|status| status.code()), Err(Code::Unimplemented), "{call}");
    }
    let unproven = JoinRequest { token_id: vec![7; 8], node: "x-k3s-m-1".into(), ..join_request() };
    let answer = EnrollmentClient::new(channel).join(unproven).await.map(drop);
    let status = answer.expect_err("it proves nothing");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unauthenticated, "the coordinator does not know this token")
    );
}

/// Of the right form.
fn join_request() -> JoinRequest {
    let facts = Facts { hostname: "x-k3s-m-1".into(), ..Facts::default() };
    JoinRequest {
        facts: Some(facts),
        csr: vec![0x30; 200],
        mac: vec![7; 32],
        nonce: vec![7; 16],
        ..JoinRequest::default()
    }
}

/// gRPC over a connection that asked for Join by its SNI. The requests themselves name the
/// coordinator, as an agent's do.
async fn dial_for_join() -> Channel {
    let stranger = nodes::tls(ENDPOINT.parse().unwrap(), names::JOIN, None).await.unwrap();
    channel_over(stranger, None).await.unwrap()
}

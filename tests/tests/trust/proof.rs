//! Promise 3: the proof of a token is good for one connection and one CSR, over real connections to the release coordinator.
//!
//! Each refusal has a twin: the very question that was refused elsewhere is answered where it was made for.

use lab::bench::nodes::JoinConnection;
use lab::bench::served::{self, Served};
use lab::{Binaries, LabError};
use pilaster_common::secret::PrivateKey;
use pilaster_common::token::JoinToken;
use pilaster_proto::client::CallError;
use pilaster_proto::enrollment::JoinReply;
use tonic::Code;

const SPEC: &str =
    "cluster: c-1\ndomain: c-1.example\nnetwork: 10.0.0.0/8\nmembers: [{name: n-1}, {name: n-2}]\n";

#[test]
fn proof_replayed_on_other_connection_refused_and_mac_for_other_csr_refused() -> Result<(), LabError>
{
    let binaries = Binaries::build()?;
    let folder = std::env::temp_dir().join(format!("pilaster-proof-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("makes");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let shown = runtime.expect("starts").block_on(async {
        let server = Served::coordinator(&binaries.coordinator, &folder)?;
        let mut client = served::admin(&folder).await?;
        served::apply(&mut client, SPEC).await?;
        let token = served::token(&mut client, "c-1", "n-1").await?;
        let token: JoinToken = token.parse().expect("a token");
        let csr = || PrivateKey::generate().and_then(|key| key.to_csr()).expect("a CSR");

        let (own, other) = (
            JoinConnection::open(server.address).await?,
            JoinConnection::open(server.address).await?,
        );
        let question = own.request(&token, "n-1", csr());
        let replayed = code(other.send(question.clone()).await, "another connection");
        assert_eq!(replayed, Code::Unauthenticated);
        let mut stolen = question.clone();
        stolen.csr = csr();
        let stolen = code(own.send(stolen).await, "another CSR");
        assert_eq!(stolen, Code::Unauthenticated);
        let mut renamed = question.clone();
        renamed.node = "n-2".parse().expect("good");
        let renamed = code(own.send(renamed).await, "another node");
        assert_eq!(renamed, Code::Unauthenticated);

        let first =
            own.send(question.clone()).await.expect("the twin, and nothing of it was burnt");
        let again = own.send(question).await.expect("the same question again");
        assert_eq!(first.identity.chain, again.identity.chain, "a lost answer is given again");
        let late = code(own.send(own.request(&token, "n-1", csr())).await, "another key");
        assert_eq!(late, Code::PermissionDenied);
        Ok(())
    });
    std::fs::remove_dir_all(&folder).expect("removes");
    shown
}

#[track_caller]
fn code(answer: Result<JoinReply, CallError>, what: &str) -> Code {
    match answer {
        Err(CallError::Status(status)) => status.code(),
        other => panic!("{what}: {other:?}"),
    }
}

//! Promise 3: the proof of a token is good for one connection and one CSR, over real connections to
//! the release coordinator.
//!
//! Each refusal has a twin: the very question that was refused elsewhere is answered where it was
//! made for.

use lab::LabError;
use lab::bench::nodes::JoinConnection;
use lab::stage::on_loopback;
use pilaster_common::secret::PrivateKey;
use pilaster_common::token::JoinToken;
use pilaster_proto::client::CallError;
use pilaster_proto::enrollment::JoinReply;
use tonic::Code;

#[test]
fn proof_replayed_on_other_connection_refused_and_mac_for_other_csr_refused() -> Result<(), LabError>
{
    on_loopback(async |coordinator| {
        let token: JoinToken = coordinator.token.parse().expect("a token");
        let address = coordinator.server.address;
        let csr = || PrivateKey::generate().and_then(|key| key.to_csr()).expect("a CSR");

        let (own, other) =
            (JoinConnection::open(address).await?, JoinConnection::open(address).await?);
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
    })
}

#[track_caller]
fn code(answer: Result<JoinReply, CallError>, what: &str) -> Code {
    match answer {
        Err(CallError::Status(status)) => status.code(),
        other => panic!("{what}: {other:?}"),
    }
}

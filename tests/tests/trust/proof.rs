//! Promise 3: the proof of a token is good for one connection and one CSR, over real connections to the release coordinator.
//!
//! Each refusal has a twin: the very question that was refused elsewhere is answered where it was made for.

use lab::bench::nodes::JoinConnection;
use lab::bench::served::{self, Served};
use lab::{Binaries, LabError};
use pilaster_common::secret::PrivateKey;
use pilaster_common::token::JoinToken;
use pilaster_proto::admin::v1 as admin;
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
        client
            .apply(admin::ApplyRequest { spec: SPEC.into(), ..Default::default() })
            .await
            .expect("applies");
        let enroll = admin::EnrollRequest { node: "n-1".into(), ..admin::EnrollRequest::default() };
        let token = client.enroll(enroll).await.expect("enrolls").into_inner().token;
        let token: JoinToken = token.parse().expect("a token");
        let csr = || PrivateKey::generate().and_then(|key| key.to_csr()).expect("a CSR");

        let (own, other) = (
            JoinConnection::open(server.address).await?,
            JoinConnection::open(server.address).await?,
        );
        let question = own.request(&token, "n-1", csr());
        let replayed = other.send(question.clone()).await.expect_err("another connection");
        assert_eq!(replayed.code(), Code::Unauthenticated, "{replayed:?}");
        let mut stolen = question.clone();
        stolen.csr = csr();
        let stolen = own.send(stolen).await.expect_err("another CSR");
        assert_eq!(stolen.code(), Code::Unauthenticated, "{stolen:?}");
        let mut renamed = question.clone();
        renamed.node = "n-2".into();
        let renamed = own.send(renamed).await.expect_err("another node");
        assert_eq!(renamed.code(), Code::Unauthenticated, "{renamed:?}");

        let first =
            own.send(question.clone()).await.expect("the twin, and nothing of it was burnt");
        let again = own.send(question).await.expect("the same question again");
        assert_eq!(first.chain, again.chain, "a lost answer is given again");
        let late = own.send(own.request(&token, "n-1", csr())).await.expect_err("another key");
        assert_eq!(late.code(), Code::PermissionDenied, "{late:?}");
        Ok(())
    });
    std::fs::remove_dir_all(&folder).expect("removes");
    shown
}

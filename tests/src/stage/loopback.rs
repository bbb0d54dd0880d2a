//! A coordinator on loopback, for what needs no hosts.

use std::path::Path;

use pilaster_coordinator::admin_api::Admin;

use crate::Binaries;
use crate::bench::served::{self, Served};
use crate::error::{LabError, at};

/// The spec that it has.
pub const SPEC: &str =
    "cluster: c-1\ndomain: c-1.example\nnetwork: 10.0.0.0/8\nmembers: [{name: n-1}, {name: n-2}]\n";

/// The release coordinator in a process of its own, with [`SPEC`] applied.
#[expect(missing_docs, reason = "the names say it")]
pub struct Loopback<'a> {
    pub server: Served,
    pub admin: Admin,
    /// It keeps its state below.
    pub folder: &'a Path,
    /// Lets `n-1` in.
    pub token: String,
}

/// Runs `show` beside such a coordinator. Nothing of it is left afterwards.
///
/// # Errors
/// It does not start, or what `show` answers.
///
/// # Panics
/// `show` does.
pub fn on_loopback<T>(
    show: impl AsyncFnOnce(Loopback<'_>) -> Result<T, LabError>,
) -> Result<T, LabError> {
    let binaries = Binaries::build()?;
    let folder = tempfile::tempdir().map_err(at("make", std::env::temp_dir()))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("the system gives a thread").block_on(async {
        let folder = folder.path();
        let server = Served::coordinator(&binaries.coordinator, folder)?;
        let mut admin = served::admin(folder).await?;
        served::apply(&mut admin, SPEC).await?;
        let token = served::token(&mut admin, "c-1", "n-1").await?;
        show(Loopback { server, admin, folder, token }).await
    })
}

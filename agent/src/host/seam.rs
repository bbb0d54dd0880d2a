//! The one interface to a host: what looks at it, and what changes it.

use std::fmt;

use super::deed::{Deed, DeedError, Done};
use super::seen::{Known, Seen};

/// A host, as far as the agent may touch it.
#[tonic::async_trait]
pub trait Host: fmt::Debug + Send + Sync {
    /// What the host is. May start `etcd --version`, once for each binary.
    async fn facts(&self) -> Known;

    /// What lies and runs there now. Reads small files and starts nothing.
    async fn look(&self) -> Seen;

    /// Does one thing, whole. Each may be done twice, but for
    /// [`Deed::InstallLeaf`], whose key is used up.
    async fn perform(&self, deed: Deed) -> Result<Done, DeedError>;
}

//! The servers of a bench as processes: started, measured, ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pilaster_coordinator::admin_api::{Admin, Apply, Enroll};
use pilaster_proto::client::channel_over;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::bare::Bare;
use super::nodes::failed;
use crate::error::LabError;

/// Longer than any bench takes.
const TOKEN_LIFE: std::time::Duration = std::time::Duration::from_secs(3600);

/// A server in a process of its own; killed when dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Served {
    /// The release coordinator on a port of loopback, with its state in `folder`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn coordinator(program: &Path, folder: &Path) -> Result<Self, LabError> {
        let address = free_address()?;
        let mut command = Command::new(program);
        command.arg("--state").arg(folder.join("state")).args(["--listen", &address.to_string()]);
        command.arg("--socket").arg(socket(folder));
        Ok(Self { child: spawn(command)?, address })
    }

    /// A bare server: this very program.
    pub(super) fn bare(what: Bare, folder: &Path) -> Result<Self, LabError> {
        let program = std::env::current_exe();
        let program =
            program.map_err(|source| LabError::Start { line: "lab bench-bare".into(), source })?;
        let mut command = Command::new(program);
        let what = match what {
            Bare::Enroll => "enroll",
            Bare::Hold => "hold",
        };
        command.args(["bench-bare", what]).arg(folder).stdout(Stdio::piped());
        let mut child = spawn(command)?;
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("piped above"));
        let read = said.read_line(&mut line);
        read.map_err(|source| LabError::Start { line: "lab bench-bare".into(), source })?;
        let port: u16 = line.trim().parse().map_err(|error| failed("bare server")(&error))?;
        Ok(Self { child, address: ([127, 0, 0, 1], port).into() })
    }

    /// Resident memory, in bytes (proc(5), VmRSS).
    pub(super) fn resident(&self) -> Result<u64, LabError> {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let status = std::fs::read_to_string(&path).map_err(crate::error::at("read", &path))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| LabError::NotYet(format!("no VmRSS in {}", path.display())))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

/// The admin service of the coordinator in `folder`, once it answers.
///
/// # Errors
/// Nobody answers within ten seconds.
pub async fn admin(folder: &Path) -> Result<Admin, LabError> {
    let path = socket(folder);
    for _ in 0..500 {
        if let Ok(stream) = tokio::net::UnixStream::connect(&path).await
            && let Ok(channel) = channel_over(stream, None).await
        {
            return Ok(Admin::over(channel));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(LabError::NotYet(format!("nobody answers on {}", path.display())))
}

/// A token for a node.
///
/// # Errors
/// The coordinator does not give one.
pub async fn token(admin: &mut Admin, cluster: &str, node: &str) -> Result<String, LabError> {
    let enroll = Enroll {
        cluster: Some(cluster.into()),
        node: node.into(),
        valid_for: TOKEN_LIFE,
        replace: false,
    };
    let invitation = admin.call(&enroll).await;
    Ok(invitation.map_err(|status| failed("enroll")(&*status))?.token)
}

/// Makes a spec the wanted one.
///
/// # Errors
/// The coordinator refuses it.
pub async fn apply(admin: &mut Admin, spec: &str) -> Result<(), LabError> {
    let apply = Apply { spec: spec.into(), accepted: [].into() };
    admin.call(&apply).await.map(drop).map_err(|status| failed("apply")(&*status))
}

/// As many descriptors as this process may have: each simulated node takes one.
pub(super) fn raise_descriptors() {
    let _ = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard)); // too few are noticed when they run out
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("coordinator.sock")
}

fn spawn(mut command: Command) -> Result<Child, LabError> {
    let line = crate::command::line_of(&command);
    let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().map_err(|source| LabError::Start { line, source })
}

/// A port of loopback that was free a moment ago.
fn free_address() -> Result<SocketAddr, LabError> {
    let listener =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|source| LabError::Start { line: "bind 127.0.0.1".into(), source })
}

/// Takes any client certificate: the bare server measures the handshake, not the rules.
#[derive(Debug)]
pub(super) struct AnyClient;

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    pilaster_proto::tls13_signatures!();
}

//! `coordctl client`: a certificate for a person or a program. The key is made here and stays here
//! (promise 1).

use std::path::{Path, PathBuf};

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::certificate;
use pilaster_common::error::Help;
use pilaster_common::pem::{self, Pair};
use pilaster_common::secret::PrivateKey;

use crate::admin_api::{ClientIdentity, IssueClient};
use crate::config::owner;
use crate::console::Exit;
use crate::console::exit::Failure;
use crate::console::output;
use crate::ctl::dial::Context;

const WHAT: &str = "cannot make a client certificate";

/// Makes a client certificate of etcd for a person or a program
///
/// Writes ca.pem and client.pem (certificate and key, 0600) into a folder. Whoever holds client.pem
/// may read and write everything in the cluster.
#[derive(Debug, clap::Args)]
pub(in crate::ctl) struct Args {
    /// Whose it is: the certificate's common name
    name: String,
    /// Where the files go
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// The key in a file of its own: client-key.pem
    #[arg(long)]
    split: bool,
}

/// Makes a key, has it signed, writes the files.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { name, out, split } = args;
    let failed = |error: &dyn std::error::Error| {
        let cause = pilaster_common::error::causes(error);
        Failure::said(Exit::Failed, WHAT, cause, "try again")
    };
    let out = std::path::absolute(&out).unwrap_or(out);
    check_whose(&out.join("client.pem"), &name)?;
    let key = PrivateKey::generate().map_err(|error| failed(&error))?;
    let csr = key.to_csr().map_err(|error| failed(&error))?;
    let command = IssueClient { cluster: context.cluster.clone(), name: name.clone(), csr };
    let ClientIdentity { cluster, chain, client_ca } = context.call(WHAT, &command).await?;
    let pair = Pair::new(chain.into_iter().map(Into::into).collect(), key)
        .map_err(|error| failed(&error))?;
    atomic_file::ensure_folder(&out, folder_access(&out)).map_err(|error| refused(&error))?;
    write(&out.join("ca.pem"), client_ca.as_bytes(), 0o644)?;
    if split {
        write(&out.join("client-key.pem"), pair.key().to_pem().as_bytes(), 0o600)?;
        write(&out.join("client.pem"), pem::encode_certificates(pair.chain()).as_bytes(), 0o644)?;
    } else {
        write(&out.join("client.pem"), pair.to_pem().as_bytes(), 0o600)?;
        atomic_file::remove(&out.join("client-key.pem")).map_err(|error| refused(&error))?; // of a split one before
    }
    let folder = out.display();
    output::note(&format!("{name} may use {cluster}: wrote ca.pem and client.pem into {folder}"));
    output::note(&format!("for etcdctl: eval \"$(coordctl env --certs {folder})\""));
    Ok(Exit::Done)
}

/// A client's own certificate may be replaced by a newer one; another one's is left alone.
fn check_whose(path: &Path, name: &str) -> Result<(), Failure> {
    let Ok(text) = atomic_file::read(path) else { return Ok(()) };
    let present = pem::certificates(&zeroize::Zeroizing::new(text)).ok();
    let facts = present.and_then(|chain| certificate::read(chain.first()?).ok());
    match facts {
        Some(facts) if facts.common_name == name => Ok(()),
        _ => {
            let cause = format!("{} is there and is not a certificate of {name}", path.display());
            Err(Failure::said(Exit::Failed, WHAT, cause, "choose another folder: --out DIR"))
        }
    }
}

/// A folder that is there keeps its mode; a new one is private.
fn folder_access(folder: &Path) -> Access {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata(folder) {
        Ok(present) => {
            Access { uid: present.uid(), gid: present.gid(), mode: present.mode() & 0o7777 }
        }
        Err(_) => Access { mode: 0o700, ..owner() },
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Failure> {
    let replaced = atomic_file::replace(path, content, Access { mode, ..owner() });
    replaced.map(drop).map_err(|error| refused(&error))
}

fn refused(error: &impl Help) -> Failure {
    Failure::new(Exit::Failed, WHAT, error)
}

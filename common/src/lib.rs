//! What agent and coordinator really share, and nothing else.
//!
//! Validated names ([`name`], [`endpoint`]), certificate profiles ([`profile`]) and what
//! certificates say ([`certificate`]), the PEM file that holds a certificate with its key
//! ([`pem`]), private keys that cannot be printed ([`secret`]), the join token ([`token`]), etcd's
//! configuration by version ([`etcd_conf`]), its service files ([`service_files`]), the versions of
//! both's texts ([`templates`]) and which files they are for ([`node_file`]), the block in
//! `/etc/hosts` ([`hosts_block`]), paths and ports on a node ([`paths`], [`ports`]), whole-file
//! writing ([`atomic_file`]), the clock ([`clock`]), how errors read ([`error`]) and where a test
//! may kill a process ([`mod@failpoint`]). Not here: anything that talks to a network, a store or a
//! service manager.

pub mod atomic_file;
pub mod certificate;
pub mod clock;
pub mod endpoint;
pub mod error;
pub mod etcd_conf;
pub mod failpoint;
pub mod hosts_block;
pub mod name;
pub mod node_file;
pub mod paths;
pub mod pem;
pub mod ports;
pub mod profile;
pub mod secret;
pub(crate) mod service_files;
pub mod templates;
pub mod token;

/// Holds `text` against a reviewed file; `UPDATE_GOLDEN=1` writes the file instead.
#[cfg(test)]
#[track_caller]
fn golden(path: &str, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let access = atomic_file::Access {
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            mode: 0o644,
        };
        atomic_file::replace(path.as_ref(), text.as_bytes(), access).expect("writes");
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        text, reviewed,
        "{path} differs: UPDATE_GOLDEN=1 cargo test rewrites it, then review the change"
    );
}

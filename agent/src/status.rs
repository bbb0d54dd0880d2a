//! `pilaster-agent status`: who this node is, what it holds, and what it waits for. Reads files only.

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::certificate;
use pilaster_common::name::NodeId;
use pilaster_common::profile::LEAVES;

use crate::apply::{Host, ManagedFile, System};
use crate::config::{STATUS_FILE, Settings, identity_folder};
use crate::console::say;
use crate::exit::Failure;
use crate::identity::{Folder, IdentityError, listed};
use crate::reconcile::held_certificate;
use crate::service::Services;

/// Prints it.
///
/// # Errors
/// When this node has not joined.
pub fn status(settings: Settings) -> Result<(), Failure> {
    let identity = Folder::at(identity_folder())
        .current()
        .and_then(|current| current.ok_or(IdentityError::NotJoined))
        .map_err(|error| Failure::new("cannot tell how this node is", &error))?;
    let NodeId { cluster, node } = identity.node;
    say(format_args!("{node} of {cluster}, {}", identity.address));
    say(format_args!("coordinator: {}", listed(&identity.endpoints)));
    if let Ok(leaf) = certificate::read(identity.pair.leaf()) {
        say(format_args!("identity ends {}", leaf.not_after));
    }
    let system = System::new(node, settings.interface, Services::OpenRc);
    for profile in LEAVES {
        let present = system.read(ManagedFile::Leaf(profile)).ok().flatten();
        match present.and_then(|present| held_certificate(&present.content)) {
            Some(leaf) => say(format_args!("{profile} ends {}", leaf.not_after)),
            None => say(format_args!("{profile}: none yet")),
        }
    }
    match std::fs::read_to_string(STATUS_FILE) {
        Ok(lines) => say(lines.trim_end()),
        Err(_) => say("the agent does not run: rc-service pilaster-agent start"),
    }
    Ok(())
}

/// What the daemon knows, for this command; in memory, where a failure to write costs nothing else.
pub(crate) fn write(lines: &str) {
    drop(atomic_file::replace(STATUS_FILE.as_ref(), lines.as_bytes(), Access::root(0o644)));
}

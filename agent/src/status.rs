//! `pilaster-agent status`: who this node is, what it holds, and what it waits for. Changes
//! nothing.

use pilaster_common::certificate;
use pilaster_common::name::NodeId;
use pilaster_common::paths;
use pilaster_common::profile::LEAVES;

use crate::console::say;
use crate::exit::Failure;
use crate::host::File;
use crate::identity::{Folder, IdentityError, listed};
use crate::reconcile::{STATUS_FILE, held_certificate};
use crate::run::Parts;
use crate::settings::Settings;

/// Prints it.
///
/// # Errors
/// When this node has not joined.
pub async fn status(settings: Settings) -> Result<(), Failure> {
    let identity = Folder::of(paths::AGENT_STATE.as_ref())
        .current()
        .and_then(|current| current.ok_or(IdentityError::NotJoined))
        .map_err(|error| Failure::new("cannot tell how this node is", &error))?;
    let NodeId { cluster, node } = identity.node;
    say(format_args!("{node} of {cluster}, {}", identity.address));
    say(format_args!("coordinator: {}", listed(&identity.endpoints)));
    if let Ok(leaf) = certificate::read(identity.pair.leaf()) {
        say(format_args!("identity ends {}", leaf.not_after));
    }
    let seen = Parts::of_this_host(node, &settings).host.look().await;
    for profile in LEAVES {
        match seen.files.get(&File::Leaf(profile)).and_then(held_certificate) {
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

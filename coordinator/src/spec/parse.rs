//! From text to a checked spec: strict, so that a misspelt key is told and not passed over.
//!
//! Three steps, each for the whole file before the next begins: [`yaml`] makes a tree with places, [`shape`] holds it against the table
//! of keys, [`check`] looks at what the values mean together. All mistakes of the first step that finds any are told.

use super::cluster::{ClusterSpec, MemberSpec};
use super::mistake::{BadSpec, Mistake, Place};
use super::read::{Draft, DraftMember, draft};
use super::{check, shape, yaml};

/// The text of a file: UTF-8, with or without a byte order mark.
///
/// # Errors
/// [`BadSpec`] with the place of the first byte that is none.
pub fn text_of(bytes: &[u8]) -> Result<&str, BadSpec> {
    let wrong = |text: &str, place, message: &str, help: &str| {
        Err(BadSpec::new(text, vec![Mistake::new(place, message, help)]))
    };
    let first = Place { line: 1, column: 1, width: 1 };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return wrong("", first, "the file is UTF-16", "save it as UTF-8");
    }
    std::str::from_utf8(bytes).or_else(|error| {
        let lossy = String::from_utf8_lossy(bytes);
        let before = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there");
        let before = before.strip_prefix(BYTE_ORDER_MARK).unwrap_or(before);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]);
        let lossy = lossy.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&lossy);
        wrong(lossy, Place { line, column, width: 1 }, &message, "save the file as UTF-8")
    })
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads and checks a spec.
///
/// # Errors
/// [`BadSpec`], with the place of each mistake.
pub fn parse(text: &str) -> Result<ClusterSpec, BadSpec> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let wrong = |mistakes| BadSpec::new(text, mistakes);
    let tree = yaml::read(text).map_err(|mistake| wrong(vec![mistake]))?;
    let mistakes = shape::mistakes(&tree);
    if !mistakes.is_empty() {
        return Err(wrong(mistakes));
    }
    let draft = draft(&tree);
    let service = check::mistakes(&draft).map_err(wrong)?;
    let Draft {
        cluster,
        domain,
        service: _, // the one that holds is the check's
        network,
        names,
        members,
        extra_names,
        extra_addresses,
        etcd,
        timing: _,
        certificates,
        lifetimes: _,
    } = draft;
    let member = |member: DraftMember| MemberSpec {
        name: member.name.value,
        address: member.address.map(|at| at.value),
        addresses: member.addresses.into_iter().map(|at| at.value).collect(),
        interface: member.interface,
    };
    Ok(ClusterSpec {
        cluster: cluster.value,
        domain: domain.value,
        service,
        network: network.map(|at| at.value),
        names,
        members: members.into_iter().map(member).collect(),
        extra_names: extra_names.into_iter().map(|at| at.value).collect(),
        extra_addresses: extra_addresses.into_iter().map(|at| at.value).collect(),
        etcd,
        certificates,
    })
}

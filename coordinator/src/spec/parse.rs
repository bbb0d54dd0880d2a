//! From text to a checked spec: strict, so that a misspelt key is told and not passed over.
//!
//! Three steps, each for the whole file before the next begins: [`yaml`] makes a tree with places,
//! [`shape`] holds it against the tables of keys, [`check`] looks at what the values mean together.
//! All mistakes of the first step that finds any are told.

use pilaster_common::name::DomainName;

use super::mistake::{BadSpec, Mistake, Place};
use super::table::FORM;
use super::yaml::{Key, Node, Value};
use super::{ClusterSpec, check, shape, yaml};

/// The text of a file: UTF-8, with or without a byte order mark.
///
/// # Errors
/// [`BadSpec`] with the place of the first byte that is none.
pub fn text_of(bytes: &[u8]) -> Result<&str, BadSpec> {
    let wrong = |text: &str, place, message: &str, help: &str| {
        Err(BadSpec::new(text, vec![Mistake::new(place, message, help)]))
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return wrong("", Place::FIRST, "the file is UTF-16", "save it as UTF-8");
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
    let mut tree = yaml::read(text).map_err(|mistake| wrong(vec![mistake]))?;
    let mistakes = shape::mistakes(&tree);
    if !mistakes.is_empty() {
        return Err(wrong(mistakes));
    }
    add_service(&mut tree).map_err(|mistake| wrong(vec![mistake]))?;
    let spec = ClusterSpec::of(Some(&tree));
    let mistakes = check::mistakes(&spec, &tree);
    if mistakes.is_empty() { Ok(spec) } else { Err(wrong(mistakes)) }
}

/// The one default that follows from another key: the service's name.
fn add_service(tree: &mut Node) -> Result<(), Mistake> {
    let domain = tree.get("domain").expect(FORM);
    let (name, place) = (format!("etcd.{}", domain.text()), domain.place);
    if tree.get("service").is_some() {
        return Ok(());
    }
    if let Err(error) = name.parse::<DomainName>() {
        let message = format!("{name} would be the service name: {error}");
        return Err(Mistake::new(place, message, "choose a shorter domain"));
    }
    if let Value::Map(entries) = &mut tree.value {
        let value = Value::Scalar { text: name, plain: true };
        entries.push((Key { place, name: "service".into() }, Node { place, value }));
    }
    Ok(())
}

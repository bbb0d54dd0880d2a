//! Checks a tree against the table of keys: what is unknown, missing, doubled, of the wrong kind or out of range.
//!
//! All mistakes are gathered in one pass. Whatever passes, [`super::read`] can take apart without asking again.

use std::collections::BTreeMap;

use super::fields::{CERTIFICATES, ETCD, MEMBER, SPEC};
use super::fields::{Field, Kind, Section, Text, Wrong};
use super::forbidden::{Instead, instead_of};
use super::mistake::{Mistake, Place};
use super::quantity::{parse_size, parse_span, size_text, span_text};
use super::yaml::{Key, Node, Resolved, Value, resolve};

/// Mistakes that are gathered: more are of a file of another kind.
const MISTAKES_MAX: usize = 100;
/// Entries of a list. etcd suggests seven members at most (docs, FAQ), and a load balancer has a handful of names.
const ITEMS_MAX: usize = 100;

/// All mistakes of a whole spec's form.
pub(super) fn mistakes(root: &Node) -> Vec<Mistake> {
    let mut found = Found(Vec::new());
    match &root.value {
        Value::Map(entries) => found.section(&SPEC, entries, root.place),
        _ => found.add(
            root.place,
            "a spec is made of lines such as cluster: x-k3s",
            "`coordctl init NAME …` writes a first one",
        ),
    }
    found.0
}

struct Found(Vec<Mistake>);

impl Found {
    fn add(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.0.push(Mistake::new(place, message, help));
    }

    fn section(&mut self, section: &'static Section, entries: &[(Key, Node)], place: Place) {
        let mut lines = BTreeMap::new();
        for (key, value) in entries {
            if self.0.len() >= MISTAKES_MAX {
                return;
            }
            if let Some(first) = lines.insert(&key.name, key.place.line) {
                let message = format!("{} stands in line {first} already", key.name);
                self.add(key.place, message, "remove one of the two: only one could hold");
                continue;
            }
            match section.field(&key.name) {
                Some(field) => self.field(field, key, value),
                None => self.unknown(section, key),
            }
        }
        for field in section.fields.iter().filter(|field| field.needed) {
            if !lines.contains_key(&field.name.to_owned()) {
                let message = format!("{} has no {}", section.title, field.name);
                self.add(place, message, format!("add {}: {}", field.name, example(&field.kind)));
            }
        }
    }

    fn unknown(&mut self, section: &'static Section, key: &Key) {
        let name = &key.name;
        let message = format!("{name:?} is no key of {}", section.title.trim_end_matches(':'));
        let as_here = name.to_ascii_lowercase().replace('-', "_");
        if let Some(field) = section.field(&as_here) {
            return self.add(key.place, message, format!("did you mean {}?", field.name));
        }
        let others = [&SPEC, &ETCD, &CERTIFICATES, &MEMBER];
        if let Some(home) = others.into_iter().find(|other| other.field(&as_here).is_some()) {
            let home = match home.title {
                "a spec" => "at the start of a line, outside of everything".into(),
                "a member" => "to a member, below members:".to_owned(),
                title => format!("below {title}"),
            };
            return self.add(key.place, message, format!("{as_here} belongs {home}"));
        }
        match instead_of(name) {
            Some(Instead::Named(here)) => {
                let message = format!("{name:?} is etcd's own word");
                self.add(key.place, message, format!("here it is {here}, below etcd:"));
            }
            Some(Instead::Never { why, help }) => {
                self.add(key.place, format!("{name} cannot be set: {why}"), help);
            }
            None => {
                let help = match close(&as_here, section.fields.iter().map(|field| field.name)) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => format!("there are: {}", keys_of(section)),
                };
                self.add(key.place, message, help);
            }
        }
    }

    fn field(&mut self, field: &'static Field, key: &Key, node: &Node) {
        if !is_null(node) {
            return self.value(&key.name, &field.kind, node);
        }
        // a section or a list whose lines are all comments is empty, and that may be
        if field.needed || !matches!(field.kind, Kind::Section(_) | Kind::List(_)) {
            let help = match field.needed {
                true => format!("write {}: {}", field.name, example(&field.kind)),
                false => {
                    format!("write a value, such as {}, or remove the line", example(&field.kind))
                }
            };
            self.add(key.place, format!("{} has no value", key.name), help);
        }
    }

    fn value(&mut self, name: &str, kind: &'static Kind, node: &Node) {
        match (kind, &node.value) {
            (Kind::Section(section), Value::Map(entries)) => {
                self.section(section, entries, node.place);
            }
            (Kind::List(of), Value::List(items)) => {
                if items.len() > ITEMS_MAX {
                    let message = format!("{name} has {} entries", items.len());
                    let help = format!("is it the right file? At most {ITEMS_MAX} are allowed");
                    return self.add(items[ITEMS_MAX].place, message, help);
                }
                for item in items {
                    self.value(name, of, item);
                }
                if name == "members" && items.is_empty() {
                    let help = "name at least one: members: [{name: x-k3s-m-1}]";
                    self.add(node.place, "members is empty", help);
                }
            }
            (Kind::Section(section), _) => {
                let (message, help) = match (&node.value, section.title) {
                    (Value::Scalar { text, .. }, "a member") if !is_null(node) => {
                        ("a member is written with its keys".into(), format!("write name: {text}"))
                    }
                    (_, title) => (
                        format!("{name} has {} where keys and values are wanted", what(node)),
                        format!(
                            "keys of {} are: {}",
                            title.trim_end_matches(':'),
                            keys_of(section)
                        ),
                    ),
                };
                self.add(node.place, message, help);
            }
            (Kind::List(of), value) => {
                let item = match value {
                    Value::Scalar { text, .. } => text.clone(),
                    _ => example(of),
                };
                let message = format!("{name} has {} where a list is wanted", what(node));
                self.add(node.place, message, format!("write {name}: [{item}]"));
            }
            (_, Value::Scalar { text, plain }) => {
                if let Err(Wrong { message, help }) = scalar(name, kind, text, *plain) {
                    self.add(node.place, message, help);
                }
            }
            _ => {
                let help = format!("write {}", example(kind));
                self.add(
                    node.place,
                    format!("{name} has {} where one value is wanted", what(node)),
                    help,
                );
            }
        }
    }
}

/// Whether a scalar is of its kind.
fn scalar(name: &str, kind: &'static Kind, text: &str, plain: bool) -> Result<(), Wrong> {
    let wrong = |message: String, help: String| Err(Wrong { message, help });
    let resolved = resolve(text, plain);
    match kind {
        Kind::Text(Text { check, .. }) => match resolved {
            Resolved::Text => check(text),
            Resolved::Null => {
                wrong(format!("{name} has no value"), format!("write {}", example(kind)))
            }
            Resolved::Bool(_) => wrong(
                format!("{name}: {text} is yes or no for YAML"),
                format!("put it in quotes: \"{text}\""),
            ),
            Resolved::Number => wrong(
                format!("{name}: {text} is a number for YAML"),
                format!("put it in quotes: \"{text}\""),
            ),
        },
        Kind::Word(words) if words.contains(&text) => Ok(()),
        Kind::Word(words) => {
            let meant = close(text, words.iter().copied());
            let help = meant.map_or_else(
                || format!("write {}", or(words)),
                |word| format!("did you mean {word}? There are: {}", words.join(", ")),
            );
            wrong(format!("{name} is {text:?}, which is none of {}", or(words)), help)
        }
        Kind::Bool => match resolved {
            Resolved::Bool(_) => Ok(()),
            _ => wrong(
                format!("{name} is {text:?}, which is neither true nor false"),
                match plain {
                    true => "write true or false".into(),
                    false => "write true or false, without quotes".into(),
                },
            ),
        },
        Kind::Count(min, max) => {
            let digits = plain && text.bytes().all(|byte| byte.is_ascii_digit());
            let canonical = digits && !(text.len() > 1 && text.starts_with('0'));
            match text.parse::<u64>() {
                Ok(count) if canonical && (*min..=*max).contains(&count) => Ok(()),
                Ok(_) if canonical => wrong(
                    format!("{name} is {text}, out of its range"),
                    format!("{min} to {max} are allowed"),
                ),
                Ok(_) if !plain => wrong(
                    format!("{name} is {text:?}, which is a text"),
                    format!("write {text} without quotes"),
                ),
                _ => wrong(
                    format!("{name} is {text:?}, which is no whole number"),
                    format!("write digits alone, {min} to {max}, such as {}", example(kind)),
                ),
            }
        }
        Kind::Span(min, max) => {
            let range = || format!("{} to {} are allowed", in_span(*min), in_span(*max));
            match parse_span(text) {
                Ok(span) if (u128::from(*min)..=u128::from(*max)).contains(&span.as_millis()) => {
                    // certificates have seconds, and so has etcd's retention; only short spans have parts of one
                    match *max > 3_600_000 && span.subsec_millis() != 0 {
                        true => wrong(
                            format!("{name} is {text}, which is not of whole seconds"),
                            "write seconds or more, such as 90s".into(),
                        ),
                        false => Ok(()),
                    }
                }
                Ok(_) => wrong(format!("{name} is {text}, out of its range"), range()),
                Err(_) => wrong(
                    format!("{name} is {text:?}, which is no time span"),
                    without_unit(
                        text,
                        ["ms", "s"],
                        "a number and a unit (ms, s, m, h, d), such as 500ms, 90s, 1h or 365d",
                    ),
                ),
            }
        }
        Kind::Size(min, max) => match parse_size(text) {
            Ok(size) if (*min..=*max).contains(&size) => Ok(()),
            Ok(_) => wrong(
                format!("{name} is {text}, out of its range"),
                format!("{} to {} are allowed", size_text(*min), size_text(*max)),
            ),
            Err(_) => wrong(
                format!("{name} is {text:?}, which is no size"),
                without_unit(
                    text,
                    ["MiB", "GiB"],
                    "a whole number and a unit (KiB, MiB, GiB), such as 512MiB or 2GiB",
                ),
            ),
        },
        Kind::List(_) | Kind::Section(_) => Ok(()), // not a scalar's kinds
    }
}

fn without_unit(text: &str, units: [&str; 2], help: &str) -> String {
    let bytes = text.parse().ok().filter(|bytes| units[0] == "MiB" && *bytes >= 1 << 20);
    if let Some(bytes) = bytes.filter(|bytes: &u64| bytes.is_multiple_of(1 << 10)) {
        return format!("if it is bytes, write {}", size_text(bytes)); // as etcd's own file has them
    }
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("say of what: {text}{} or {text}{}?", units[0], units[1]),
        false => format!("give {help}"),
    }
}

fn in_span(milliseconds: u64) -> String {
    span_text(std::time::Duration::from_millis(milliseconds))
}

pub(super) fn is_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain } if resolve(text, *plain) == Resolved::Null)
}

fn what(node: &Node) -> &'static str {
    match &node.value {
        Value::Scalar { .. } if is_null(node) => "nothing",
        Value::Scalar { .. } => "one value",
        Value::List(_) => "a list",
        Value::Map(_) => "keys and values",
    }
}

fn keys_of(section: &Section) -> String {
    section.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

fn or(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.join(""),
    }
}

/// What could stand there.
pub(super) fn example(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) => text.example.into(),
        Kind::Word(words) => words[0].into(),
        Kind::Bool => "true".into(),
        Kind::Count(min, max) => 1000.clamp(*min, *max).to_string(),
        Kind::Span(min, max) => in_span(1000.clamp(*min, *max)),
        Kind::Size(min, max) => size_text((512 << 20).clamp(*min, *max)),
        Kind::List(of) => format!("[{}]", example(of)),
        Kind::Section(section) => {
            let field = &section.fields[0];
            format!("{{{}: {}}}", field.name, example(&field.kind))
        }
    }
}

/// The nearest word, at most a third of it away.
fn close<'words>(word: &str, words: impl Iterator<Item = &'words str>) -> Option<&'words str> {
    const LONG: usize = 64; // nobody means a key by this, and the distance costs the product of both lengths
    if word.len() > LONG {
        return None;
    }
    words
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

//! Checks a tree against the table of keys: what is unknown, missing, doubled, of the wrong kind or out of range.
//!
//! All mistakes are gathered in one pass. Whatever passes, [`super::read`] can take apart without asking again.

use std::collections::BTreeMap;

use super::forbidden::{Instead, instead_of};
use super::mistake::{Mistake, Place};
use super::quantity::{parse_size, parse_span, size_text, span_text};
use super::table::{Field, Kind, Section, Wrong, wrong};
use super::yaml::{Key, Node, Resolved, Value, resolve};
use super::{ClusterSpec, EtcdSettings, Lifetimes, MemberSpec};

/// Mistakes that are gathered: more are of a file of another kind.
const MISTAKES_MAX: usize = 100;
/// Entries of a list. etcd suggests seven members at most (docs, FAQ), and a load balancer has a handful of names.
const ITEMS_MAX: usize = 100;

/// All mistakes of a whole spec's form.
pub(super) fn mistakes(root: &Node) -> Vec<Mistake> {
    let mut found = Found(Vec::new());
    match &root.value {
        Value::Map(entries) => found.section(&ClusterSpec::SECTION, entries, root.place),
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
            if let Some(first) = lines.insert(key.name.as_str(), key.place.line) {
                let message = format!("{} stands in line {first} already", key.name);
                self.add(key.place, message, "remove one of the two: only one could hold");
                continue;
            }
            match section.field(&key.name) {
                Some(field) => self.field(field, key, value),
                None => self.unknown(section, key),
            }
        }
        for field in section.fields.iter().filter(|field| field.default.is_none()) {
            if !lines.contains_key(field.name) {
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
        let others =
            [ClusterSpec::SECTION, EtcdSettings::SECTION, Lifetimes::SECTION, MemberSpec::SECTION];
        if let Some(home) = others.iter().find(|other| other.field(&as_here).is_some()) {
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
        if !node.is_null() {
            return self.value(&key.name, &field.kind, node);
        }
        let example = example(&field.kind);
        let help = match (field.default, &field.kind) {
            (None, _) => format!("write {}: {example}", field.name),
            // one whose lines are all comments is empty, and that may be
            (Some(_), Kind::Section(_) | Kind::List(_)) => return,
            (Some(_), _) => format!("write a value, such as {example}, or remove the line"),
        };
        self.add(key.place, format!("{} has no value", key.name), help);
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
            (Kind::Section(Section { title: "a member", .. }), Value::Scalar { text, .. })
                if !node.is_null() =>
            {
                let help = format!("write name: {text}");
                self.add(node.place, "a member is written with its keys", help);
            }
            (Kind::Section(section), _) => {
                let message = format!("{name} has {} where keys and values are wanted", what(node));
                let title = section.title.trim_end_matches(':');
                let help = format!("keys of {title} are: {}", keys_of(section));
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
                let message = format!("{name} has {} where one value is wanted", what(node));
                self.add(node.place, message, format!("write {}", example(kind)));
            }
        }
    }
}

/// Whether a scalar is of its kind.
fn scalar(name: &str, kind: &Kind, text: &str, plain: bool) -> Result<(), Wrong> {
    let is = |what: &str| format!("{name} is {text:?}, which is {what}");
    let for_yaml = |what: &str| {
        let message = format!("{name}: {text} is {what} for YAML");
        wrong(message, format!("put it in quotes: \"{text}\""))
    };
    let resolved = resolve(text, plain);
    match kind {
        Kind::Text(form) => match resolved {
            Resolved::Text => (form.check)(text),
            Resolved::Null => {
                wrong(format!("{name} has no value"), format!("write {}", example(kind)))
            }
            Resolved::Bool(_) => for_yaml("yes or no"),
            Resolved::Number => for_yaml("a number"),
        },
        Kind::Word(words) if words.contains(&text) => Ok(()),
        Kind::Word(words) => {
            let help = match close(text, words.iter().copied()) {
                Some(word) => format!("did you mean {word}? There are: {}", words.join(", ")),
                None => format!("write {}", or(words)),
            };
            wrong(is(&format!("none of {}", or(words))), help)
        }
        Kind::Bool => match (resolved, plain) {
            (Resolved::Bool(_), _) => Ok(()),
            (_, true) => wrong(is("neither true nor false"), "write true or false"),
            (_, false) => {
                wrong(is("neither true nor false"), "write true or false, without quotes")
            }
        },
        Kind::Count(min, max) => {
            let canonical = text.bytes().all(|byte| byte.is_ascii_digit())
                && !(text.len() > 1 && text.starts_with('0'));
            match text.parse() {
                Ok(count) if plain && canonical => {
                    within(name, text, count, (*min, *max), |count| count.to_string())
                }
                Ok(_) if !plain => wrong(is("a text"), format!("write {text} without quotes")),
                _ => {
                    let example = example(kind);
                    let help = format!("write digits alone, {min} to {max}, such as {example}");
                    wrong(is("no whole number"), help)
                }
            }
        }
        Kind::Span(min, max) => {
            let Ok(span) = parse_span(text) else {
                let help = "a number and a unit (ms, s, m, h, d), such as 500ms, 90s, 1h or 365d";
                return wrong(is("no time span"), without_unit(text, ["ms", "s"], help));
            };
            let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            within(name, text, milliseconds, (*min, *max), in_span)?;
            // certificates have seconds, and so has etcd's retention; only short spans have parts of one
            match *max > 3_600_000 && span.subsec_millis() != 0 {
                true => wrong(
                    format!("{name} is {text}, which is not of whole seconds"),
                    "write seconds or more, such as 90s",
                ),
                false => Ok(()),
            }
        }
        Kind::Size(min, max) => match parse_size(text) {
            Ok(size) => within(name, text, size, (*min, *max), size_text),
            Err(_) => {
                let help = "a whole number and a unit (KiB, MiB, GiB), such as 512MiB or 2GiB";
                wrong(is("no size"), without_unit(text, ["MiB", "GiB"], help))
            }
        },
        Kind::List(_) | Kind::Section(_) => Ok(()), // not a scalar's kinds
    }
}

fn within(
    name: &str,
    text: &str,
    value: u64,
    (min, max): (u64, u64),
    write: impl Fn(u64) -> String,
) -> Result<(), Wrong> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => wrong(
            format!("{name} is {text}, out of its range"),
            format!("{} to {} are allowed", write(min), write(max)),
        ),
    }
}

/// What to do about a quantity that is no number with a unit.
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

fn what(node: &Node) -> &'static str {
    match &node.value {
        Value::Scalar { .. } if node.is_null() => "nothing",
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

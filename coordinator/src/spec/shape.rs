//! Checks a tree against the table of keys: what is unknown, missing, doubled, of the wrong kind or
//! out of range.
//!
//! All mistakes are gathered in one pass. Whatever passes, [`super::table`] can read without asking
//! again.

use std::collections::BTreeMap;

use super::forbidden::{Instead, instead_of};
use super::mistake::{Mistake, Place};
use super::scalar::{Written, close, example};
use super::table::{Field, Kind, Section, Wrong};
use super::yaml::{Key, Node, Value};
use super::{ClusterSpec, EtcdSettings, Lifetimes, MemberSpec};

/// Mistakes that are gathered: more are of a file of another kind.
const MISTAKES_MAX: usize = 100;
/// Entries of a list. etcd suggests seven members at most (docs, FAQ), and a load balancer has a
/// handful of names.
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
                None => {
                    let (message, help) = unknown(section, &key.name);
                    self.add(key.place, message, help);
                }
            }
        }
        for field in section.fields.iter().filter(|field| field.default.is_none()) {
            if !lines.contains_key(field.name) {
                let message = format!("{} has no {}", section.title, field.name);
                self.add(place, message, format!("add {}: {}", field.name, example(&field.kind)));
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
                let written = Written { name, text, plain: *plain };
                if let Err(Wrong { message, help }) = written.check(kind) {
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

/// What is said of a key that a section does not have: what is wrong, and what may be meant.
fn unknown(section: &'static Section, name: &str) -> (String, String) {
    let message = format!("{name:?} is no key of {}", section.title.trim_end_matches(':'));
    let as_here = name.to_ascii_lowercase().replace('-', "_");
    if let Some(field) = section.field(&as_here) {
        return (message, format!("did you mean {}?", field.name));
    }
    let others =
        [ClusterSpec::SECTION, EtcdSettings::SECTION, Lifetimes::SECTION, MemberSpec::SECTION];
    if let Some(home) = others.iter().find(|other| other.field(&as_here).is_some()) {
        let home = match home.title {
            "a spec" => "at the start of a line, outside of everything",
            "a member" => "to a member, below members:",
            title => &format!("below {title}"),
        };
        return (message, format!("{as_here} belongs {home}"));
    }
    match instead_of(name) {
        Some(Instead::Named(here)) => {
            (format!("{name:?} is etcd's own word"), format!("here it is {here}, below etcd:"))
        }
        Some(Instead::Never { why, help }) => (format!("{name} cannot be set: {why}"), help.into()),
        None => match close(&as_here, section.fields.iter().map(|field| field.name)) {
            Some(meant) => (message, format!("did you mean {meant}?")),
            None => (message, format!("there are: {}", keys_of(section))),
        },
    }
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

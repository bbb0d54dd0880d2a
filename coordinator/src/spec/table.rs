//! What a table of keys is made of: [`section!`] takes its rows, and from them follow the struct,
//! what the reader and the JSON Schema know of each key, how its value is read and how it is
//! written. The tables are in [`super::cluster`] and [`super::settings`].

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::name::{ClusterName, DomainName, HostName, InterfaceName, NodeName};

use super::quantity::{parse_size, parse_span, size_text, span_text};
use super::yaml::Node;

/// Keys that stand together.
pub(super) struct Section {
    /// As a person finds it: `etcd:`.
    pub(super) title: &'static str,
    pub(super) fields: &'static [Field],
}

/// One key.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What holds where it is missing, in words; `None` for a key that is needed.
    pub(super) default: Option<&'static str>,
    /// What it is for: a sentence of the schema.
    pub(super) about: &'static str,
}

/// What a value has to be.
pub(super) enum Kind {
    Text(Text),
    /// One of these.
    Word(&'static [&'static str]),
    Bool,
    /// A whole number in this range.
    Count(u64, u64),
    /// A time span in this range of milliseconds.
    Span(u64, u64),
    /// A size in this range of bytes.
    Size(u64, u64),
    /// A list of these.
    List(&'static Kind),
    /// Keys of its own.
    Section(&'static Section),
}

/// A text with a form of its own.
pub(super) struct Text {
    pub(super) example: &'static str,
    /// The same for an editor, as far as a regular expression can tell it.
    pub(super) pattern: &'static str,
    pub(super) check: fn(&str) -> Result<(), Wrong>,
}

/// What is wrong with a value, and what is allowed.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

pub(super) fn wrong(message: impl Into<String>, help: impl Into<String>) -> Result<(), Wrong> {
    Err(Wrong { message: message.into(), help: help.into() })
}

impl Section {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A section, from a row for each key: `key: Type = kind, default, "what it is for";`, where the
/// default is told in words, or `needed`.
macro_rules! section {
    (@default needed) => { None };
    (@default $default:expr) => { Some($default) };
    (
        $(#[$meta:meta])*
        pub struct $name:ident as $title:literal {
            $(
                $(#[$doc:meta])*
                $key:ident: $type:ty = $kind:expr, $default:tt, $about:literal;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $(
                #[doc = $about]
                $(#[$doc])*
                pub $key: $type,
            )*
        }

        impl $name {
            pub(super) const SECTION: Section = Section {
                title: $title,
                fields: &[$(Field {
                    name: stringify!($key),
                    kind: $kind,
                    default: section!(@default $default),
                    about: $about,
                }),*],
            };

            fn field(name: &str) -> &'static Field {
                Self::SECTION.field(name).expect("each key has its row")
            }

            /// From a tree whose form was checked; without one, what holds where nothing is said.
            pub(super) fn of(node: Option<&Node>) -> Self {
                let node = |name| node.and_then(|node| node.get(name));
                Self {
                    $($key: Slot::read(Self::field(stringify!($key)), node(stringify!($key))),)*
                }
            }

            /// Each key and its value, as it is written in a spec; `None` where nothing is said.
            pub fn written(&self) -> Vec<(&'static str, Option<String>)> {
                vec![$(
                    (stringify!($key), Slot::said(&self.$key, Self::field(stringify!($key)))),
                )*]
            }
        }

        impl Slot for $name {
            fn read(_: &Field, node: Option<&Node>) -> Self {
                Self::of(node)
            }

            fn said(&self, _: &Field) -> Option<String> {
                None // each of its keys says something of its own
            }
        }
    };
}
pub(super) use section;

/// What may stand behind a key.
pub(super) trait Slot: Sized {
    /// From a node whose form was checked.
    fn read(field: &Field, node: Option<&Node>) -> Self;

    /// As it is written in a spec; `None` where nothing is said.
    fn said(&self, field: &Field) -> Option<String>;
}

/// One value.
pub(super) trait Scalar: Sized {
    fn of_text(text: &str, kind: &Kind) -> Option<Self>;
    fn text(&self, kind: &Kind) -> String;
}

/// Why `expect` is safe where a checked tree is read.
pub(super) const FORM: &str = "the form was checked against the table of keys";

fn scalar<T: Scalar>(text: &str, field: &Field) -> T {
    T::of_text(text, &field.kind).expect(FORM)
}

impl<T: Scalar> Slot for T {
    fn read(field: &Field, node: Option<&Node>) -> Self {
        scalar(node.map(Node::text).or(field.default).expect(FORM), field)
    }

    fn said(&self, field: &Field) -> Option<String> {
        Some(self.text(&field.kind))
    }
}

impl<T: Scalar> Slot for Option<T> {
    fn read(field: &Field, node: Option<&Node>) -> Self {
        node.map(|node| scalar(node.text(), field))
    }

    fn said(&self, field: &Field) -> Option<String> {
        self.as_ref().map(|value| value.text(&field.kind))
    }
}

impl<T: Scalar> Slot for Vec<T> {
    fn read(field: &Field, node: Option<&Node>) -> Self {
        node.map_or(&[][..], Node::items).iter().map(|item| scalar(item.text(), field)).collect()
    }

    fn said(&self, field: &Field) -> Option<String> {
        let texts: Vec<String> = self.iter().map(|value| value.text(&field.kind)).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Scalar for $type {
            fn of_text(text: &str, _: &Kind) -> Option<Self> {
                text.parse().ok()
            }

            fn text(&self, _: &Kind) -> String {
                self.to_string()
            }
        })*
    };
}
plain!(ClusterName, DomainName, HostName, InterfaceName, NodeName, Ipv4Net, Ipv4Addr, IpAddr);

impl Scalar for bool {
    fn of_text(text: &str, _: &Kind) -> Option<Self> {
        text.to_ascii_lowercase().parse().ok()
    }

    fn text(&self, _: &Kind) -> String {
        self.to_string()
    }
}

/// A count, or a size in bytes.
impl Scalar for u64 {
    fn of_text(text: &str, kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Size(..) => parse_size(text).ok(),
            _ => text.parse().ok(),
        }
    }

    fn text(&self, kind: &Kind) -> String {
        match kind {
            Kind::Size(..) => size_text(*self),
            _ => self.to_string(),
        }
    }
}

impl Scalar for Duration {
    fn of_text(text: &str, _: &Kind) -> Option<Self> {
        parse_span(text).ok()
    }

    fn text(&self, _: &Kind) -> String {
        span_text(*self)
    }
}

/// The words of an enum, each written in one place only; and their kind.
macro_rules! words {
    ($kind:ident: $type:ty { $($variant:ident = $word:literal),* }) => {
        const $kind: Kind = Kind::Word(&[$($word),*]);
        impl Scalar for $type {
            fn of_text(text: &str, _: &Kind) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn text(&self, _: &Kind) -> String {
                match self {
                    $(Self::$variant => $word.into(),)*
                }
            }
        }
    };
}
pub(super) use words;

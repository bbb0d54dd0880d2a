//! What is known of one key of etcd's file: how each release spells it, what holds without it, and
//! what a change of it does.

use super::value::EtcdConf;
use super::version::EtcdVersion;
use super::yaml::Value;

/// One setting of etcd's, whatever a release calls it.
pub(super) struct Key {
    /// By the newest spelling.
    pub(super) name: &'static str,
    /// How the releases that have it spell it.
    pub(super) spellings: &'static [Spelling],
    /// What holds where the key is left out, from each minor listed on; none for what has no
    /// default that could be meant.
    pub(super) defaults: &'static [(u32, &'static str)],
    /// What its numbers count.
    pub(super) unit: Unit,
    /// What etcd does with a changed value.
    pub(super) effect: Effect,
    /// Whether a change can be taken back.
    pub(super) class: Class,
    /// What stands there; `None` leaves the key out.
    pub(super) value: ValueOf,
}

pub(super) type ValueOf = fn(&EtcdConf) -> Option<Value>;

/// How some releases spell a key.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    /// As written in the file.
    pub(super) name: &'static str,
    /// Not a key of its own, but one `name=true` in the list that is `name`'s value.
    pub(super) gate: Option<&'static str>,
    /// First patch in each minor that has it.
    pub(super) since: &'static [(u32, u32)],
    /// First minor that no longer has it.
    pub(super) until: Option<u32>,
}

/// A group of keys under one comment.
pub(super) struct Group {
    /// Above the group; a line for each line of the file.
    pub(super) comment: &'static str,
    pub(super) keys: &'static [Key],
}

/// What the numbers of a key count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// No number, or one without a unit.
    Plain,
    /// Milliseconds.
    Milliseconds,
    /// Nanoseconds: what etcd wants for most durations.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

/// What etcd does when a value of its file has changed. It never reads the file again while it
/// runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The new value holds from the next start on.
    Restart,
    /// Read only while there is no data: in a member that has some, nothing changes.
    OnlyWithoutData,
    /// None: what was left out held already.
    Nothing,
}

/// Whether a change can be taken back when etcd does not come up with it (promise 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// At any time.
    Revertible,
    /// Until what is named here has happened.
    RevertibleUntil(&'static str),
    /// Never.
    ForwardOnly,
}

/// Since 3.4, the oldest release that is rendered for.
const ALWAYS: &[(u32, u32)] = &[(4, 0)];

impl Key {
    /// A key that every release has under this name, that holds at the next start and can be taken
    /// back.
    pub(super) const fn new(name: &'static str, value: ValueOf) -> Self {
        Self::spelt(name, &[], value)
    }

    /// As [`Key::new`], with the spellings of the releases that have it.
    pub(super) const fn spelt(
        name: &'static str,
        spellings: &'static [Spelling],
        value: ValueOf,
    ) -> Self {
        Self {
            name,
            spellings,
            defaults: &[],
            unit: Unit::Plain,
            effect: Effect::Restart,
            class: Class::Revertible,
            value,
        }
    }

    pub(super) const fn default(mut self, defaults: &'static [(u32, &'static str)]) -> Self {
        self.defaults = defaults;
        self
    }

    pub(super) const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    pub(super) const fn only_without_data(mut self) -> Self {
        self.effect = Effect::OnlyWithoutData;
        self
    }

    pub(super) const fn until_step(mut self, step: &'static str) -> Self {
        self.class = Class::RevertibleUntil(step);
        self
    }

    /// How a release spells it; `None` where it does not have it.
    pub(super) fn spelling(&self, version: EtcdVersion) -> Option<Spelling> {
        if self.spellings.is_empty() {
            return Some(since(self.name, ALWAYS));
        }
        self.spellings.iter().copied().find(|spelling| spelling.is_known_to(version))
    }

    /// What holds in a release where the key is left out.
    pub(super) fn default_in(&self, version: EtcdVersion) -> Option<&'static str> {
        let known = self.defaults.iter().rev().find(|(minor, _)| *minor <= version.minor);
        known.map(|(_, default)| *default)
    }
}

impl Spelling {
    pub(super) fn is_known_to(self, version: EtcdVersion) -> bool {
        version.has(self.since) && self.until.is_none_or(|minor| version.minor < minor)
    }
}

/// A spelling from these patches on.
pub(super) const fn since(name: &'static str, since: &'static [(u32, u32)]) -> Spelling {
    Spelling { name, gate: None, since, until: None }
}

/// A spelling that 3.6 still takes, with a warning, and 3.7 drops without one: it is used before
/// 3.6 only.
pub(super) const fn before_3_6(name: &'static str, since: &'static [(u32, u32)]) -> Spelling {
    Spelling { name, gate: None, since, until: Some(6) }
}

/// A feature gate, from 3.6 on (etcd: server/features/etcd_features.go).
pub(super) const fn gate(gate: &'static str) -> Spelling {
    Spelling { name: "feature-gates", gate: Some(gate), since: &[(6, 0)], until: None }
}

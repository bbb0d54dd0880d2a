//! What a member of a formed cluster keeps until a rollout changes it.
//!
//! A file that is written under a running etcd is read at its next start, which may be a power cut.
//! So nothing that would change how it runs is written without a rollout: not a default of a newer
//! coordinator, and not a newer template. What etcd reads only without data, and what holds
//! already, is written. Pure.

use std::fmt;

use pilaster_common::etcd_conf::{BadValue, Change, EtcdConf, diff};
use pilaster_common::templates::Templates;

use crate::store::records::Configured;

/// What a member is given now, and what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The values of its files.
    pub etcd: EtcdConf,
    /// The templates of its files.
    pub template_version: u32,
    /// What would restart it, and is not in its files.
    pub waits: Vec<Change>,
    /// A newer version of the templates, which both sides know.
    pub newer_template: Option<u32>,
}

/// Of what is wanted, what a member gets without a rollout. `known` are the templates of its agent,
/// `ours` those of this coordinator.
pub(super) fn hold(
    configured: &Configured,
    wanted: EtcdConf,
    known: &[u32],
    ours: Templates,
) -> Held {
    let kept = EtcdConf {
        version: wanted.version, // another patch of the same minor: `Basis::of_member`
        members: wanted.members.clone(),
        token: wanted.token.clone(),
        initial_state: wanted.initial_state,
        ..configured.etcd.clone()
    };
    let waits: Vec<Change> = match kept == wanted {
        true => Vec::new(),
        false => diff(&kept, &wanted).into_iter().filter(Change::restarts).collect(),
    };
    let newest = ours.best_for(known);
    let had = configured.template_version;
    let both_have = ours.have(had) && (known.is_empty() || known.contains(&had));
    let template_version = if both_have { had } else { newest };
    Held {
        etcd: if waits.is_empty() { wanted } else { kept },
        template_version,
        waits,
        newer_template: (newest > template_version).then_some(newest),
    }
}

/// What a person is told of a node's files, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A newer template.
    NewerTemplate {
        /// Of its files.
        has: u32,
        /// What there is.
        newest: u32,
    },
    /// A value that would restart it.
    Waits(Change),
    /// A value that its templates pass over.
    NotExpressed(Change),
    /// A value that its etcd would not start with.
    BadValue(BadValue),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerTemplate { has, newest } => write!(
                f,
                "a newer template waits for a rollout: its files are of version {has}, and there is version {newest}"
            ),
            Self::Waits(change) => write!(f, "waits for a rollout: {}", becomes(change)),
            Self::NotExpressed(change) => write!(
                f,
                "{} is not in its files: the templates of its agent do not have it; upgrade pilaster-agent there",
                set_to(change)
            ),
            Self::BadValue(error) => {
                write!(f, "nothing is sent: etcd would not start with it: {error}")
            }
        }
    }
}

/// `heartbeat-interval: 500 becomes 100`.
pub(super) fn becomes(change: &Change) -> String {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".into());
    format!("{}: {} becomes {}", change.key, shown(&change.from), shown(&change.to))
}

fn set_to(change: &Change) -> String {
    match &change.to {
        Some(value) => format!("{}: {value}", change.key),
        None => format!("{}: the default", change.key),
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::templates::TEMPLATES;
    use pilaster_proto::facts::{Facts, InstalledEtcd};

    use super::*;
    use crate::plan::{Basis, etcd_conf};
    use crate::store::records::{FormationRecord, Phase};

    fn wanted(etcd: &str, version: &str) -> EtcdConf {
        let text = format!(
            "cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{{name: m-1}}]\netcd: {{{etcd}}}\n"
        );
        let spec = crate::spec::parse(&text).expect(&text);
        let node = "m-1".parse().expect("good");
        let phase = Phase::Formed { cluster_id: 1, members: vec![] };
        let formation = FormationRecord { token: "c-00".into(), phase };
        let basis = Basis {
            version: version.parse().expect("known"),
            processor: pilaster_common::etcd_conf::Processor::Arm64,
            service_manager: Default::default(),
            memory_bytes: 4 << 30,
        };
        etcd_conf(&spec, &formation, &node, [10, 0, 0, 1].into(), &basis)
    }

    fn configured() -> Configured {
        Configured { template_version: 1, memory_bytes: 4 << 30, etcd: wanted("", "3.5.16") }
    }

    fn held(configured: &Configured, wanted: EtcdConf) -> Held {
        hold(configured, wanted, &[1], TEMPLATES)
    }

    #[test]
    fn what_would_restart_a_formed_member_waits_and_is_told() {
        let held = held(&configured(), wanted("storage: ssd", "3.5.16"));
        assert_eq!(held.etcd, configured().etcd);
        let told: Vec<String> =
            held.waits.into_iter().map(|change| Notice::Waits(change).to_string()).collect();
        assert_eq!(
            told,
            [
                "waits for a rollout: heartbeat-interval: 500 becomes 100",
                "waits for a rollout: election-timeout: 5000 becomes 1000"
            ]
        );
    }

    #[test]
    fn what_does_not_restart_it_and_another_patch_of_its_minor_are_written() {
        let same = wanted("max_txn_ops: 128", "3.5.33");
        let held = held(&configured(), same.clone());
        assert_eq!((held.etcd, held.waits), (same, vec![]));
    }

    #[test]
    fn promise_10_the_formation_is_written_beside_what_waits() {
        let mut before = configured();
        before.etcd.initial_state = pilaster_common::etcd_conf::InitialState::New;
        let held = held(&before, wanted("storage: ssd", "3.5.16"));
        assert_eq!(held.etcd.initial_state, wanted("", "3.5.16").initial_state);
        assert_eq!(held.etcd.heartbeat_ms, 500);
    }

    #[test]
    fn a_template_stays_as_long_as_both_sides_have_it() {
        let templates = |had: u32, known: &[u32]| {
            let had = Configured { template_version: had, ..configured() };
            let held = hold(&had, wanted("", "3.5.16"), known, TEMPLATES);
            (held.template_version, held.newer_template)
        };
        assert_eq!(templates(1, &[1]), (1, None));
        assert_eq!(templates(1, &[]), (1, None), "a node that is silent keeps what it has");
        assert_eq!(templates(0, &[1]), (1, None), "this coordinator has it no more");
        let notice = Notice::NewerTemplate { has: 1, newest: 2 }.to_string();
        assert!(notice.starts_with("a newer template waits for a rollout"), "{notice}");
    }

    #[test]
    fn a_member_keeps_its_minor_whatever_is_installed_and_follows_a_patch() {
        let facts = |version: &str| Facts {
            etcd: version.parse().ok().map(|version| InstalledEtcd {
                version,
                processor: pilaster_common::etcd_conf::Processor::Arm,
            }),
            memory_bytes: 1 << 30,
            ..Facts::default()
        };
        let basis = |version| Basis::of_member(&configured(), Some(&facts(version)));
        assert_eq!(basis("3.6.15").version.to_string(), "3.5.16");
        assert_eq!(basis("3.5.33").version.to_string(), "3.5.33");
        assert_eq!(basis("").version.to_string(), "3.5.16");
        assert_eq!(basis("3.5.16").memory_bytes, 4 << 30, "more memory changes no quota");
    }
}

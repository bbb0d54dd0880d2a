//! What is different between two configurations, and what a member does with each difference.
//!
//! Pure; for a plan that says beforehand what a restart is needed for. Not here: differences of a
//! template's text, which carry no value.

use super::keys::GROUPS;
use super::table::{Class, Effect, Key, Unit};
use super::value::{EtcdConf, ServiceManager};
use crate::service_files::environment;

/// One value that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// etcd's key by its newest spelling, `version`, `service manager`, or a variable of the
    /// environment.
    pub key: &'static str,
    /// As the old file has it; `None` where the key is left out.
    pub from: Option<String>,
    /// As the new file has it; `None` where the key is left out.
    pub to: Option<String>,
    /// What the numbers count.
    pub unit: Unit,
    /// What etcd does with it.
    pub effect: Effect,
    /// Whether it can be taken back.
    pub class: Class,
}

impl Change {
    /// Whether etcd must be started again for it.
    pub fn restarts(&self) -> bool {
        self.effect == Effect::Restart
    }
}

const CLUSTER_VERSION: &str = "the last member runs the new minor: then the cluster's version has moved, and the old etcd does not start any more";

/// The differences, in the order of the file. Another spelling of the same value is none.
pub fn diff(old: &EtcdConf, new: &EtcdConf) -> Vec<Change> {
    let keys = GROUPS.iter().flat_map(|group| group.keys);
    version(old, new)
        .into_iter()
        .chain(keys.filter_map(|key| of_key(key, old, new)))
        .chain(service_manager(old, new))
        .chain(variables(old, new))
        .collect()
}

fn of_key(key: &Key, old: &EtcdConf, new: &EtcdConf) -> Option<Change> {
    let rendered = |conf: &EtcdConf| {
        key.spelling(conf.version).and_then(|_| (key.value)(conf)).map(|value| value.shown())
    };
    let (from, to) = (rendered(old), rendered(new));
    if from == to {
        return None;
    }
    let holds = |rendered: &Option<String>, conf: &EtcdConf| {
        rendered.clone().or_else(|| key.default_in(conf.version).map(Into::into))
    };
    let same = holds(&from, old) == holds(&to, new);
    let effect = if same { Effect::Nothing } else { key.effect };
    Some(Change { key: key.name, from, to, unit: key.unit, effect, class: key.class })
}

fn version(old: &EtcdConf, new: &EtcdConf) -> Option<Change> {
    let same_minor = old.version.minor == new.version.minor;
    let class =
        if same_minor { Class::Revertible } else { Class::RevertibleUntil(CLUSTER_VERSION) };
    changed("version", Some(old.version.to_string()), Some(new.version.to_string()), class)
}

fn service_manager(old: &EtcdConf, new: &EtcdConf) -> Option<Change> {
    let named = |conf: &EtcdConf| {
        Some(match conf.service_manager {
            ServiceManager::OpenRc => "OpenRC".into(),
            ServiceManager::Systemd => "systemd".into(),
        })
    };
    changed("service manager", named(old), named(new), Class::Revertible)
}

fn variables(old: &EtcdConf, new: &EtcdConf) -> impl Iterator<Item = Change> {
    let (old, new) = (environment::variables(old), environment::variables(new));
    environment::NAMES.into_iter().filter_map(move |name| {
        let value = |variables: &[environment::Variable]| {
            let mut all = variables.iter();
            all.find(|variable| variable.name == name).map(|variable| variable.value.clone())
        };
        changed(name, value(&old), value(&new), Class::Revertible)
    })
}

fn changed(
    key: &'static str,
    from: Option<String>,
    to: Option<String>,
    class: Class,
) -> Option<Change> {
    (from != to).then_some(Change {
        key,
        from,
        to,
        unit: Unit::Plain,
        effect: Effect::Restart,
        class,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::etcd_conf::testing::{conf, version};
    use crate::etcd_conf::{InitialState, Processor};

    #[track_caller]
    fn check(old: &str, change: impl FnOnce(&mut EtcdConf), expected: &[&str]) {
        let old = conf(old);
        let mut new = old.clone();
        change(&mut new);
        let told: Vec<String> = diff(&old, &new)
            .iter()
            .map(|Change { key, from, to, effect, .. }| {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
                format!("{key}: {} > {}, {effect:?}", shown(from), shown(to))
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn the_same_values_differ_in_nothing() {
        check("3.5.16", |_| {}, &[]);
    }

    #[test]
    fn the_formation_is_written_and_never_restarts_a_member() {
        check(
            "3.5.16",
            |c| c.initial_state = InitialState::Existing,
            &["initial-cluster-state: new > existing, OnlyWithoutData"],
        );
        let old = conf("3.5.16");
        let mut new = old.clone();
        new.members.pop();
        new.token = "other".into();
        assert!(diff(&old, &new).iter().all(|change| !change.restarts()));
        assert_eq!(diff(&old, &new).len(), 2);
    }

    #[test]
    fn what_holds_another_value_restarts_and_what_was_the_default_does_not() {
        check("3.5.16", |c| c.tuning.max_txn_ops = Some(256), &["max-txn-ops: - > 256, Restart"]);
        check("3.5.16", |c| c.tuning.max_txn_ops = Some(128), &["max-txn-ops: - > 128, Nothing"]);
        check(
            "3.5.16",
            |c| c.tuning.backend_batch_interval = Some(Duration::from_millis(100)),
            &["backend-batch-interval: - > 100000000, Nothing"],
        );
        check("3.5.16", |c| c.tuning.max_learners = Some(2), &[]); // 3.5 has no such key
    }

    #[test]
    fn a_new_minor_changes_spellings_without_changing_values() {
        check("3.5.16", |c| c.version = version("3.6.15"), &["version: 3.5.16 > 3.6.15, Restart"]);
        check("3.6.15", |c| c.version = version("3.7.2"), &["version: 3.6.15 > 3.7.2, Restart"]);
        check("3.5.33", |c| c.version = version("3.5.16"), &["version: 3.5.33 > 3.5.16, Restart"]);
    }

    #[test]
    fn each_change_knows_whether_it_can_be_taken_back() {
        let class = |change: &dyn Fn(&mut EtcdConf)| {
            let old = conf("3.5.16");
            let mut new = old.clone();
            change(&mut new);
            diff(&old, &new)[0].class
        };
        assert_eq!(class(&|c| c.heartbeat_ms = 250), Class::Revertible);
        assert_eq!(class(&|c| c.version = version("3.5.33")), Class::Revertible);
        assert!(matches!(class(&|c| c.version = version("3.6.15")), Class::RevertibleUntil(_)));
        assert!(matches!(class(&|c| c.quota_bytes *= 2), Class::RevertibleUntil(_)));
    }

    #[test]
    fn the_environment_counts() {
        check(
            "3.5.16",
            |c| c.memory_limit_bytes = None,
            &["GOMEMLIMIT: 300MiB > -, Restart", "GOGC: 75 > -, Restart"],
        );
        check(
            "3.5.16",
            |c| c.processor = Processor::Arm,
            &["ETCD_UNSUPPORTED_ARCH: - > arm, Restart"],
        );
    }
}

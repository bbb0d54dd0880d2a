//! `conf.yml` from typed values: never by replacing text, so that nothing can be left unset.

use std::time::Duration;

use super::keys::GROUPS;
use super::table::{Group, Unit};
use super::value::EtcdConf;
use super::yaml::{Value, write_entry};

/// The whole text of `/etc/etcd/conf.yml` for the release that `conf` names. The same values give
/// the same text.
pub(crate) fn render_conf_yml(conf: &EtcdConf) -> String {
    let mut out = format!(
        "# etcd {}, member {} of {}.\n# Written by Pilaster from the cluster's spec: changes by hand are replaced. etcd reads it at its start only.\n",
        conf.version, conf.node, conf.cluster
    );
    for group in GROUPS {
        let entries = entries(group, conf);
        if !entries.is_empty() {
            out.push_str(&format!("\n# {}\n", group.comment));
        }
        for Entry { name, value, unit } in &entries {
            write_entry(&mut out, name, value);
            if let Some(meant) = meaning(value, *unit) {
                out.pop(); // the line end
                out.push_str(&format!(" # {meant}\n"));
            }
        }
    }
    out
}

struct Entry {
    name: &'static str,
    value: Value,
    unit: Unit,
}

/// The group's lines for this release; its feature gates share one.
fn entries(group: &Group, conf: &EtcdConf) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for key in group.keys {
        let (Some(spelling), Some(value)) = (key.spelling(conf.version), (key.value)(conf)) else {
            continue;
        };
        let Some(gate) = spelling.gate else {
            entries.push(Entry { name: spelling.name, value, unit: key.unit });
            continue;
        };
        let gate = format!("{gate}={}", value.shown());
        match entries.iter_mut().find(|entry| entry.name == spelling.name) {
            Some(Entry { value: Value::Text(gates), .. }) => gates.push_str(&format!(",{gate}")),
            _ => entries.push(Entry {
                name: spelling.name,
                value: Value::Text(gate),
                unit: key.unit,
            }),
        }
    }
    entries
}

/// A large number as a person reads it.
fn meaning(value: &Value, unit: Unit) -> Option<String> {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    let Value::Number(number) = value else { return None };
    match unit {
        Unit::Nanoseconds => {
            let duration = Duration::from_nanos(*number);
            let seconds = duration.as_secs();
            Some(match (duration.subsec_nanos(), seconds % 3600, seconds % 60) {
                (0, 0, _) if seconds > 0 => format!("{} h", seconds / 3600),
                (0, _, 0) if seconds > 0 => format!("{} min", seconds / 60),
                (0, _, _) => format!("{seconds} s"),
                _ => format!("{} ms", duration.as_secs_f64() * 1000.0),
            })
        }
        Unit::Bytes if number.is_multiple_of(GIB) => Some(format!("{} GiB", number / GIB)),
        Unit::Bytes if number.is_multiple_of(MIB) => Some(format!("{} MiB", number / MIB)),
        Unit::Bytes => Some(format!("{:.1} MiB", *number as f64 / MIB as f64)),
        Unit::Plain | Unit::Milliseconds => None,
    }
}

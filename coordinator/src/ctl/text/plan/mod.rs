//! What a spec would change, as a diff.

use std::fmt::Write;

use pilaster_common::error::plain;

use crate::console::output::Show;
use crate::console::table::table;
use crate::show::{FileShown, Known, Outcome, Plan, PlannedNode, SettingShown};

/// A longer value stands in the diff only, so that the table fits on a screen.
const VALUE_MAX: usize = 32;

impl Show for Plan {
    fn to_table(&self) -> String {
        let mut out = verdict(self);
        out.push('\n');
        let or_nothing = |value: &str| match value {
            "" => "nothing".into(),
            value => plain(value),
        };
        for key in &self.spec {
            let (from, to) = (or_nothing(&key.from), or_nothing(&key.to));
            line(&mut out, format_args!("  {}: {from} becomes {to}", plain(&key.key)));
        }
        for node in self.nodes.iter().filter(|node| is_shown(node, self.is_new)) {
            write_node(node, &mut out, self.formed);
        }
        out.push_str(if self.refused.is_empty() && self.warnings.is_empty() { "" } else { "\n" });
        for reason in &self.refused {
            line(&mut out, format_args!("refused: {}", plain(reason)));
        }
        for warning in &self.warnings {
            line(&mut out, format_args!("warning: {}", plain(warning)));
        }
        out
    }

    fn names(&self) -> Vec<String> {
        let changed = self.nodes.iter().filter(|node| node.restarts || is_shown(node, self.is_new));
        changed.map(|node| node.name.to_string()).collect()
    }
}

/// What `coordctl apply` says of what it did: a line a node, and the warnings.
pub(in crate::ctl) fn summary(plan: &Plan) -> Vec<String> {
    let nodes = plan.nodes.iter().filter(|node| !node.files.is_empty()).map(|node| {
        let paths: Vec<&str> = node.files.iter().map(|file| file.path.as_str()).collect();
        let still = if plan.formed { "; nothing restarts" } else { "" };
        format!("{}: {} change{still}", node.name, paths.join(", "))
    });
    let warnings = plan.warnings.iter().map(|warning| format!("warning: {warning}"));
    nodes.chain(warnings).map(|line| plain(&line)).collect()
}

fn verdict(plan: &Plan) -> String {
    let (cluster, count) = (&plan.cluster, plan.restarts.len());
    let members = if count == 1 { "member" } else { "members" };
    let says = match plan.outcome {
        Outcome::None => ": nothing would change".into(),
        Outcome::Refused if plan.needs_rollout && count > 0 => {
            format!(": {count} {members} would restart: this needs a rollout, and is refused")
        }
        Outcome::Refused if plan.needs_rollout => ": this needs a rollout, and is refused".into(),
        Outcome::Refused => ": this is refused".into(),
        Outcome::Changes if plan.is_new => format!(" is new, with {} members", plan.nodes.len()),
        Outcome::Changes if plan.formed => {
            ": this changes while etcd runs: nothing restarts".into()
        }
        Outcome::Changes => ": this changes; it has not formed yet, so nothing runs".into(),
    };
    format!("{cluster}{says}")
}

fn is_shown(node: &PlannedNode, is_new: bool) -> bool {
    !node.files.is_empty() || !node.settings.is_empty() || (node.known != Known::All && !is_new)
}

fn write_node(node: &PlannedNode, out: &mut String, formed: bool) {
    let says = match (node.restarts, node.known, formed) {
        (true, ..) => "etcd restarts",
        (false, Known::NotJoined, _) => "has not joined: it has no files yet",
        (false, Known::NotReported, _) => {
            "has not reported since the coordinator started: what changes of its files is not known"
        }
        (false, Known::All, true) => "nothing restarts",
        (false, Known::All, false) => "its files change",
    };
    line(out, format_args!("\n{}: {says}", node.name));
    let rows: Vec<Vec<String>> = node.settings.iter().map(|s| row(s, formed)).collect();
    if !rows.is_empty() {
        out.push_str(&table(&["SETTING", "IS", "BECOMES", "EFFECT", "BACK"], &rows));
    }
    for FileShown { path, is_certificate, diff } in &node.files {
        let note = match is_certificate {
            true => " (what the certificate says: renewed while etcd runs)",
            false => "",
        };
        let (name, path) = (&node.name, plain(path));
        line(out, format_args!("--- {name}:{path}\n+++ {name}:{path}{note}"));
        out.extend(diff.split_inclusive('\n').map(harmless));
    }
}

fn row(setting: &SettingShown, formed: bool) -> Vec<String> {
    let or_default = |value: &Option<String>| match value {
        Some(long) if long.chars().count() > VALUE_MAX => "(below)".into(),
        Some(value) => plain(value),
        None => "default".into(),
    };
    let effect = match (setting.effect.as_str(), formed) {
        ("only-without-data", _) => "written; read only without data",
        ("nothing", _) => "written; it held already",
        (_, true) => "restart",
        (_, false) => "at the first start",
    };
    let back = match (setting.class.as_str(), &setting.until) {
        ("revertible", _) => "revertible".into(),
        (_, Some(until)) => format!("until {}", plain(until)),
        _ => "forward-only".into(),
    };
    let (is, becomes) = (or_default(&setting.from), or_default(&setting.to));
    vec![plain(&setting.key), is, becomes, effect.into(), back]
}

/// A line of a diff, harmless for a terminal; its white space is part of it.
fn harmless(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes all");
}

#[cfg(test)]
mod tests;

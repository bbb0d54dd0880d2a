//! What `coordctl plan` shows: one value, as text and as JSON alike. Pure.

use std::fmt::Write;

use pilaster_common::error::plain;
use pilaster_proto::admin::v1 as pb;
use serde::Serialize;

use super::exit::Exit;
use super::output::table;

/// A longer value stands in the diff only, so that the table fits on a screen.
const VALUE_MAX: usize = 32;

/// What a spec would change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanView {
    api_version: &'static str,
    cluster: String,
    /// `none`, `changes` or `refused`.
    outcome: &'static str,
    is_new: bool,
    formed: bool,
    spec: Vec<KeyView>,
    /// Members whose etcd would have to start again.
    restarts: Vec<String>,
    nodes: Vec<NodeView>,
    refused: Vec<String>,
    needs_rollout: bool,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    key: String,
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeView {
    name: String,
    restarts: bool,
    /// `all`, `not-joined` or `not-reported`.
    known: &'static str,
    settings: Vec<SettingView>,
    files: Vec<FileView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingView {
    key: String,
    from: Option<String>,
    to: Option<String>,
    /// `restart`, `only-without-data` or `nothing`.
    effect: &'static str,
    /// `revertible`, `revertible-until` or `forward-only`.
    class: &'static str,
    until: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileView {
    path: String,
    is_certificate: bool,
    diff: String,
}

impl PlanView {
    /// From what the coordinator says.
    pub(super) fn new(reply: &pb::PlanReply) -> Self {
        let nodes: Vec<NodeView> = reply.nodes.iter().map(NodeView::new).collect();
        let outcome = match (reply.refused.is_empty(), reply.is_new || !reply.keys.is_empty()) {
            (false, _) => "refused",
            (true, true) => "changes",
            (true, false) => "none",
        };
        let key = |key: &pb::ChangedKey| KeyView {
            key: plain(&key.key),
            from: plain(&key.from),
            to: plain(&key.to),
        };
        Self {
            api_version: "pilaster/v1",
            cluster: plain(&reply.cluster),
            outcome,
            is_new: reply.is_new,
            formed: reply.formed,
            spec: reply.keys.iter().map(key).collect(),
            restarts: nodes.iter().filter(|n| n.restarts).map(|n| n.name.clone()).collect(),
            nodes,
            refused: reply.refused.iter().map(|line| plain(line)).collect(),
            needs_rollout: reply.needs_rollout,
            warnings: reply.warnings.iter().map(|line| plain(line)).collect(),
        }
    }

    /// 0 nothing changes, 2 something does, 4 it would be refused.
    pub(super) fn exit(&self) -> Exit {
        match self.outcome {
            "none" => Exit::Done,
            "refused" => Exit::Refused,
            _ => Exit::NotHealthy,
        }
    }

    /// As a person reads it.
    pub(super) fn to_text(&self) -> String {
        let mut out = self.verdict();
        out.push('\n');
        for KeyView { key, from, to } in &self.spec {
            let (from, to) = (or_nothing(from), or_nothing(to));
            line(&mut out, format_args!("  {key}: {from} becomes {to}"));
        }
        for node in self.nodes.iter().filter(|node| node.is_shown(self.is_new)) {
            node.write(&mut out, self.formed);
        }
        out.push_str(if self.refused.is_empty() && self.warnings.is_empty() { "" } else { "\n" });
        for reason in &self.refused {
            line(&mut out, format_args!("refused: {reason}"));
        }
        for warning in &self.warnings {
            line(&mut out, format_args!("warning: {warning}"));
        }
        out
    }

    /// What `coordctl apply` says of what it did: a line a node, and the warnings.
    pub(super) fn summary(&self) -> Vec<String> {
        let nodes = self.nodes.iter().filter(|node| !node.files.is_empty()).map(|node| {
            let paths: Vec<&str> = node.files.iter().map(|file| file.path.as_str()).collect();
            let still = if self.formed { "; nothing restarts" } else { "" };
            format!("{}: {} change{still}", node.name, paths.join(", "))
        });
        nodes.chain(self.warnings.iter().map(|warning| format!("warning: {warning}"))).collect()
    }

    fn verdict(&self) -> String {
        let (cluster, count) = (&self.cluster, self.restarts.len());
        let members = if count == 1 { "member" } else { "members" };
        match self.outcome {
            "none" => format!("{cluster}: nothing would change"),
            "refused" if self.needs_rollout && count > 0 => {
                format!(
                    "{cluster}: {count} {members} would restart: this needs a rollout, and is refused"
                )
            }
            "refused" if self.needs_rollout => {
                format!("{cluster}: this needs a rollout, and is refused")
            }
            "refused" => format!("{cluster}: this is refused"),
            _ if self.is_new => format!("{cluster} is new, with {} members", self.nodes.len()),
            _ if self.formed => {
                format!("{cluster}: this changes while etcd runs: nothing restarts")
            }
            _ => format!("{cluster}: this changes; it has not formed yet, so nothing runs"),
        }
    }
}

impl NodeView {
    fn new(node: &pb::PlannedNode) -> Self {
        Self {
            name: plain(&node.name),
            restarts: node.restarts,
            known: match node.known() {
                pb::Known::Unspecified | pb::Known::All => "all",
                pb::Known::NotJoined => "not-joined",
                pb::Known::NotReported => "not-reported",
            },
            settings: node.settings.iter().map(SettingView::new).collect(),
            files: node
                .texts
                .iter()
                .map(|text| FileView {
                    path: plain(&text.path),
                    is_certificate: text.is_certificate,
                    diff: text.diff.split_inclusive('\n').map(shown).collect(),
                })
                .collect(),
        }
    }

    fn is_shown(&self, is_new: bool) -> bool {
        !self.files.is_empty() || !self.settings.is_empty() || (self.known != "all" && !is_new)
    }

    fn write(&self, out: &mut String, formed: bool) {
        let says = match (self.restarts, self.known, formed) {
            (true, ..) => "etcd restarts",
            (false, "not-joined", _) => "has not joined: it has no files yet",
            (false, "not-reported", _) => {
                "has not reported since the coordinator started: what changes of its files is not known"
            }
            (false, _, true) => "nothing restarts",
            (false, _, false) => "its files change",
        };
        line(out, format_args!("\n{}: {says}", self.name));
        let rows: Vec<Vec<String>> = self.settings.iter().map(|s| s.row(formed)).collect();
        if !rows.is_empty() {
            out.push_str(&table(&["SETTING", "IS", "BECOMES", "EFFECT", "BACK"], rows));
        }
        for FileView { path, is_certificate, diff } in &self.files {
            let note = if *is_certificate {
                " (what the certificate says: renewed while etcd runs)"
            } else {
                ""
            };
            line(out, format_args!("--- {}:{path}\n+++ {}:{path}{note}", self.name, self.name));
            out.push_str(diff);
        }
    }
}

impl SettingView {
    fn new(setting: &pb::ChangedSetting) -> Self {
        Self {
            key: plain(&setting.key),
            from: setting.from.as_deref().map(plain),
            to: setting.to.as_deref().map(plain),
            effect: match setting.effect() {
                pb::Effect::Unspecified | pb::Effect::Restart => "restart",
                pb::Effect::OnlyWithoutData => "only-without-data",
                pb::Effect::Nothing => "nothing",
            },
            class: match setting.class() {
                pb::Class::Unspecified | pb::Class::ForwardOnly => "forward-only",
                pb::Class::Revertible => "revertible",
                pb::Class::RevertibleUntil => "revertible-until",
            },
            until: (!setting.until.is_empty()).then(|| plain(&setting.until)),
        }
    }

    fn row(&self, formed: bool) -> Vec<String> {
        let or_default = |value: &Option<String>| match value {
            Some(long) if long.chars().count() > VALUE_MAX => "(below)".into(),
            Some(value) => value.clone(),
            None => "default".into(),
        };
        let effect = match (self.effect, formed) {
            ("only-without-data", _) => "written; read only without data",
            ("nothing", _) => "written; it held already",
            (_, true) => "restart",
            (_, false) => "at the first start",
        };
        let back = match (self.class, &self.until) {
            ("revertible", _) => "revertible".into(),
            (_, Some(until)) => format!("until {until}"),
            _ => "forward-only".into(),
        };
        vec![self.key.clone(), or_default(&self.from), or_default(&self.to), effect.into(), back]
    }
}

/// A line of a diff, harmless for a terminal; its white space is part of it.
fn shown(line: &str) -> String {
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

fn or_nothing(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a string takes all");
}

#[cfg(test)]
mod tests;

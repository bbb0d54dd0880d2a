//! The texts of all rendered files, by the version of their templates.
//!
//! Coordinator and agent render the same values with templates of the same version, and the agent
//! refuses text that differs (promise 13). So that one can be replaced before the other, each knows
//! the last two versions: the agent reports its own, the coordinator takes the highest that both
//! know. **Any change of a rendered text is a new version**; the tests below pin the texts of each.
//! A new version takes what `etcd_conf` and `service_files` are now into a folder of the old one's
//! number, and gets a row in [`TEMPLATES`]; the row of the version before the last one goes.

use crate::etcd_conf::{Change, EtcdConf};
use crate::node_file::NodeFile;
use crate::{etcd_conf, service_files};

/// What is rendered for a node: each file once.
pub type RenderedFiles = Vec<(NodeFile, String)>;

/// The templates of this build.
pub const TEMPLATES: Templates = Templates(&[Template {
    version: 1,
    render: |conf| {
        vec![
            (NodeFile::EtcdConf, etcd_conf::render::render_conf_yml(conf)),
            (NodeFile::ServiceConf, service_files::render_service_conf(conf)),
            (NodeFile::ServiceScript, service_files::render_service_script(conf)),
        ]
    },
    passes_over: |_| vec![],
}]);

/// Templates by version, the newest first; never empty.
#[derive(Debug, Clone, Copy)]
pub struct Templates(&'static [Template]);

#[derive(Debug)]
struct Template {
    version: u32,
    render: fn(&EtcdConf) -> RenderedFiles,
    /// Values that these templates have no place for.
    passes_over: fn(&EtcdConf) -> Vec<Change>,
}

impl Templates {
    /// The versions, the newest first.
    pub fn versions(&self) -> Vec<u32> {
        self.0.iter().map(|template| template.version).collect()
    }

    /// The newest version.
    pub fn newest(&self) -> u32 {
        self.0[0].version
    }

    /// Renders with the templates of `version`; `None` where they are not here. The same values
    /// give the same text.
    pub fn render(&self, version: u32, conf: &EtcdConf) -> Option<RenderedFiles> {
        self.of(version).map(|template| (template.render)(conf))
    }

    /// Whether these are here.
    pub fn have(&self, version: u32) -> bool {
        self.of(version).is_some()
    }

    /// The highest version that both sides know; the newest where they have none in common, which
    /// the other side then says.
    pub fn best_for(&self, known_by_other: &[u32]) -> u32 {
        let mut versions = self.0.iter().map(|template| template.version);
        versions.find(|version| known_by_other.contains(version)).unwrap_or(self.newest())
    }

    /// Which values of `conf` the templates of `version` pass over: they are in force once the
    /// node's agent is newer.
    pub fn passed_over(&self, version: u32, conf: &EtcdConf) -> Vec<Change> {
        self.of(version).map_or_else(Vec::new, |template| (template.passes_over)(conf))
    }

    fn of(&self, version: u32) -> Option<&Template> {
        self.0.iter().find(|template| template.version == version)
    }
}

#[cfg(test)]
mod tests;

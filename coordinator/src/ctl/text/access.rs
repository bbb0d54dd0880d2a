//! How a cluster is reached, for a shell and for `/etc/hosts`.

use std::path::PathBuf;

use pilaster_common::hosts_block;
use serde::Serialize;

use crate::console::output::Show;
use crate::render::{Shell, client_env};
use crate::show::Access;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::ctl) struct Environment {
    pub(in crate::ctl) api_version: String,
    pub(in crate::ctl) endpoints: Vec<String>,
    pub(in crate::ctl) ca_file: PathBuf,
    pub(in crate::ctl) certificate_file: PathBuf,
    pub(in crate::ctl) key_file: PathBuf,
    #[serde(skip)]
    pub(in crate::ctl) shell: Shell,
}

impl Show for Environment {
    fn to_table(&self) -> String {
        let Self { endpoints, ca_file, certificate_file, key_file, .. } = self;
        client_env(self.shell, endpoints, ca_file, certificate_file, key_file)
    }

    fn names(&self) -> Vec<String> {
        self.endpoints.clone()
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::ctl) struct Hosts(pub(in crate::ctl) Access);

impl Show for Hosts {
    fn to_table(&self) -> String {
        hosts_block::render(&self.0.hosts)
    }

    fn names(&self) -> Vec<String> {
        self.0.hosts.iter().filter_map(|entry| entry.names.first().cloned()).collect()
    }
}

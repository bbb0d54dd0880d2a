//! The nodes of a cluster, a line each.

use super::or_dash;
use crate::console::output::Show;
use crate::console::table::table;
use crate::show::{NodeIdentity, NodeStanding, Nodes};

impl Show for Nodes {
    fn to_table(&self) -> String {
        let rows: Vec<Vec<String>> = self.nodes.iter().map(row).collect();
        table(&["NODE", "ADDRESS", "STATE", "JOINED", "IDENTITY"], &rows)
    }

    fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.to_string()).collect()
    }
}

fn row(node: &NodeIdentity) -> Vec<String> {
    let state = match node.state {
        NodeStanding::Denied => "denied",
        NodeStanding::Connected => "connected",
        NodeStanding::NotConnected => "not connected",
        NodeStanding::Refused => "refused",
        NodeStanding::NotJoined => "not joined",
    };
    let renewing = if node.renewing { ", a newer one is on its way" } else { "" };
    let identity = node.identity_ends.as_ref().map(|ends| format!("ends {ends}{renewing}"));
    let (address, joined) = (or_dash(node.address.clone()), or_dash(node.joined.clone()));
    vec![node.name.to_string(), address, state.into(), joined, or_dash(identity)]
}

//! What `coordctl certs` shows: every certificate of a cluster, the one that ends first at the top. Pure.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::profile::Profile;
use pilaster_proto::admin::v1 as pb;
use pilaster_proto::agent::v1 as agent;
use serde::Serialize;

use super::output::table;
use crate::agent_api::wire;

/// Digits of a serial in the table; JSON has all.
const SERIAL_SHOWN: usize = 16;

/// A cluster's certificates.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::ctl) struct CertsView {
    api_version: &'static str,
    cluster: String,
    certificates: Vec<CertificateView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateView {
    node: String,
    profile: &'static str,
    /// Hex, of the file.
    serial: String,
    /// Hex, as shown in a handshake; for a client as accepted in one.
    served_serial: Option<String>,
    /// Hex, the CA's key id.
    issuer: Option<String>,
    ends: String,
    ends_in_days: u64,
    renews: String,
    #[serde(skip)]
    not_after: Timestamp,
}

impl CertsView {
    /// From what the coordinator says.
    pub(in crate::ctl) fn new(state: &pb::ClusterStatus) -> Self {
        let now = Timestamp::from_unix(state.now);
        let mut certificates: Vec<CertificateView> =
            state.nodes.iter().flat_map(|node| of_node(state, node, now)).collect();
        certificates.sort_by_key(|certificate| certificate.not_after);
        Self { api_version: "pilaster/v1", cluster: state.cluster.clone(), certificates }
    }

    /// As a person reads it.
    pub(in crate::ctl) fn to_text(&self) -> String {
        let rows = self.certificates.iter().map(CertificateView::row).collect();
        table(&["NODE", "PROFILE", "SERVED", "ISSUER", "ENDS", "RENEWS"], rows)
    }
}

impl CertificateView {
    fn row(&self) -> Vec<String> {
        let short = |hex: &String| hex.chars().take(SERIAL_SHOWN).collect::<String>();
        let served = match &self.served_serial {
            Some(served) if *served == self.serial => short(served),
            Some(served) => format!("{} (file: {})", short(served), short(&self.serial)),
            None => format!("- (file: {})", short(&self.serial)),
        };
        let issuer = self
            .issuer
            .as_ref()
            .map_or_else(|| "-".into(), |issuer| issuer.chars().take(8).collect());
        let ends = format!("{} (in {} d)", self.ends, self.ends_in_days);
        vec![self.node.clone(), self.profile.into(), served, issuer, ends, self.renews.clone()]
    }
}

fn of_node(
    state: &pb::ClusterStatus,
    node: &pb::NodeStatus,
    now: Timestamp,
) -> Vec<CertificateView> {
    let leaf_renews = Duration::from_secs(state.leaf_renew_before_seconds);
    let identity_renews = Duration::from_secs(state.identity_renew_before_seconds);
    let leaves = node.report.iter().flat_map(|report| &report.certificates);
    let leaves = leaves.filter_map(|held| leaf(node, held, leaf_renews, now));
    let identity = node.identity.iter().map(|identity| {
        let serial = hex(&identity.serial);
        let served = node.connected.then(|| serial.clone());
        view(node, Profile::Agent, serial, served, None, identity.not_after, identity_renews, now)
    });
    leaves.chain(identity).collect()
}

fn leaf(
    node: &pb::NodeStatus,
    held: &agent::HeldCertificate,
    renews: Duration,
    now: Timestamp,
) -> Option<CertificateView> {
    let profile = wire::leaf_profile(held.profile).ok()?;
    let served = (!held.served_serial.is_empty()).then(|| hex(&held.served_serial));
    // what is served decides when it ends, as far as it is known
    let ends = if served.is_some() && held.served_not_after > 0 {
        held.served_not_after
    } else {
        held.not_after
    };
    let issuer = Some(hex(&held.issuer_key_id));
    Some(view(node, profile, hex(&held.serial), served, issuer, ends, renews, now))
}

#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
fn view(
    node: &pb::NodeStatus,
    profile: Profile,
    serial: String,
    served_serial: Option<String>,
    issuer: Option<String>,
    not_after: i64,
    renews_before: Duration,
    now: Timestamp,
) -> CertificateView {
    let not_after = Timestamp::from_unix(not_after);
    CertificateView {
        node: node.name.clone(),
        profile: profile.name(),
        serial,
        served_serial,
        issuer,
        ends: not_after.date(),
        ends_in_days: not_after.since(now).as_secs() / 86_400,
        renews: not_after.minus(renews_before).date(),
        not_after,
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn held(profile: agent::Profile, serial: u8, served: u8, ends: i64) -> agent::HeldCertificate {
        agent::HeldCertificate {
            profile: profile.into(),
            serial: vec![serial; 16],
            not_after: NOW + ends * DAY,
            issuer_key_id: vec![0xa7; 20],
            served_serial: if served == 0 { vec![] } else { vec![served; 16] },
            served_not_after: NOW + ends * DAY,
            ..agent::HeldCertificate::default()
        }
    }

    #[test]
    fn certs_reads_as_agreed_worst_first() {
        let certificates = vec![
            held(agent::Profile::Server, 0x51, 0x51, 364),
            held(agent::Profile::Peer, 0x52, 0x50, 20),
            held(agent::Profile::Client, 0x53, 0, 364),
        ];
        let identity =
            pb::HeldIdentity { serial: vec![0x54; 16], not_after: NOW + 89 * DAY, renewing: false };
        let node = pb::NodeStatus {
            name: "m-1".into(),
            connected: true,
            report: Some(agent::Report { certificates, ..agent::Report::default() }),
            identity: Some(identity),
            ..pb::NodeStatus::default()
        };
        let state = pb::ClusterStatus {
            cluster: "c".into(),
            nodes: vec![node],
            now: NOW,
            leaf_renew_before_seconds: 270 * 86_400,
            identity_renew_before_seconds: 30 * 86_400,
            ..pb::ClusterStatus::default()
        };
        assert_eq!(
            CertsView::new(&state).to_text(),
            "\
NODE  PROFILE  SERVED                                     ISSUER    ENDS                   RENEWS
m-1   peer     5050505050505050 (file: 5252525252525252)  a7a7a7a7  2027-02-04 (in 20 d)   2026-05-10
m-1   agent    5454545454545454                           -         2027-04-14 (in 89 d)   2027-03-15
m-1   server   5151515151515151                           a7a7a7a7  2028-01-14 (in 364 d)  2027-04-19
m-1   client   - (file: 5353535353535353)                 a7a7a7a7  2028-01-14 (in 364 d)  2027-04-19
"
        );
    }
}

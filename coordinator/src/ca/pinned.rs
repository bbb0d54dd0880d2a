//! Every field of every kind of certificate, held against a reviewed text; and each accepted by
//! webpki for what it is for.
#![cfg(test)]

use std::fmt::Write;
use std::sync::Arc;

use pilaster_common::clock::{Clock, SystemClock, Timestamp};
use pilaster_common::profile::Profile;
use pilaster_common::secret::PrivateKey;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::X509Certificate;

use super::issue::{self, Leaf};
use super::sign::{Authority, PathLength};
use crate::spec::ClusterSpec;

struct World {
    now: Timestamp,
    control: Authority,
    client: Authority,
    peer: Authority,
    leaves: Vec<(&'static str, Leaf, CertificateDer<'static>)>,
}

fn world() -> World {
    let now = SystemClock.now();
    let spec: ClusterSpec = crate::spec::parse(
        "cluster: x-k3s\ndomain: edge.huatai.me\nnetwork: 192.168.7.0/24\nmembers: [{name: m-1, addresses: [10.9.0.11]}]\nextra_names: [lb.huatai.me]\nextra_addresses: [192.168.7.10]\n",
    )
    .expect("good");
    let root = |label, length| Authority::generate(label, length, now).expect("makes");
    let control = root("pilaster control", PathLength::Unbounded);
    let (client, peer) =
        (root("x-k3s client", PathLength::One), root("x-k3s peer", PathLength::One));
    let (node, address) = ("m-1".parse().expect("good"), [192, 168, 7, 11].into());
    let leaf = |profile| issue::node_leaf(profile, &spec, &node, address, now);
    let mut with_gateway = spec.clone();
    with_gateway.etcd.grpc_gateway = Some(true);
    let gateway = |profile| issue::node_leaf(profile, &with_gateway, &node, address, now);
    let plans = [
        ("agent", &control, issue::identity("0123456789abcdef", &spec, &node, now)),
        ("coordinator", &control, issue::coordinator(now)),
        ("server", &client, leaf(Profile::Server)),
        ("server with the gateway on", &client, gateway(Profile::Server)),
        ("peer", &peer, leaf(Profile::Peer)),
        ("client of a node", &client, leaf(Profile::Client)),
        ("client of a person", &client, issue::client("admin", spec.certificates.leaf, now)),
    ];
    let leaves = plans
        .into_iter()
        .map(|(kind, ca, plan)| {
            let key = PrivateKey::generate().expect("random bytes");
            let der = ca.sign(&plan, &key.public_key()).expect("signs");
            (kind, plan, der)
        })
        .collect();
    World { now, control, client, peer, leaves }
}

impl World {
    fn authority(&self, kind: &str) -> &Authority {
        match kind {
            "agent" | "coordinator" => &self.control,
            "peer" => &self.peer,
            _ => &self.client,
        }
    }
}

#[test]
fn every_field_of_every_certificate_is_as_reviewed() {
    let world = world();
    let mut text = String::new();
    for (kind, ca) in [
        ("control root", &world.control),
        ("client root", &world.client),
        ("peer root", &world.peer),
    ] {
        describe(&mut text, kind, ca.root(), ca.root(), world.now);
    }
    for (kind, _, der) in &world.leaves {
        describe(&mut text, kind, der, world.authority(kind).root(), world.now);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/certificates.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let owner = pilaster_common::atomic_file::Access { mode: 0o644, ..crate::config::owner() };
        pilaster_common::atomic_file::replace(path.as_ref(), text.as_bytes(), owner)
            .expect("writes");
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, reviewed, "UPDATE_GOLDEN=1 cargo test rewrites it, then review the change");
}

/// What a certificate says, without what differs from run to run: key ids become `own` and
/// `issuer's`, times relative.
fn describe(
    out: &mut String,
    kind: &str,
    der: &CertificateDer<'_>,
    issuer: &CertificateDer<'_>,
    now: Timestamp,
) {
    let parse = |der| x509_parser::parse_x509_certificate(der).expect("parses").1;
    let (certificate, issuer): (X509Certificate<'_>, X509Certificate<'_>) =
        (parse(der), parse(issuer));
    let (own, of_issuer) = (key_id(&certificate), key_id(&issuer));
    let hours = |at: i64| (at - now.unix()) / 3600;
    let (from, to) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(&bytes[..4]);
    let normal = |text: String| {
        text.replace(&hex(&own), "<8 hex of its key id>")
            .replace(&hex(&of_issuer), "<8 hex of its key id>")
            .replace(&now.date(), "<date>")
    };
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes all");
    line(kind.to_owned());
    line(normal(format!("  subject {}", certificate.subject())));
    line(normal(format!("  issuer {}", certificate.issuer())));
    assert_eq!(certificate.issuer(), issuer.subject());
    let serial = certificate.raw_serial();
    line(format!(
        "  serial {} bytes, positive {}",
        serial.len(),
        serial[0] & 0x80 == 0 && serial != [0]
    ));
    line(format!("  valid {} h … {} h", hours(from), hours(to)));
    line(format!(
        "  signature {}, key {}",
        certificate.signature_algorithm.oid(),
        certificate.public_key().algorithm.oid()
    ));
    for extension in certificate.extensions() {
        let critical = if extension.critical { ", critical" } else { "" };
        let says = match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(c) => {
                format!("basic constraints CA {} pathlen {:?}", c.ca, c.path_len_constraint)
            }
            ParsedExtension::KeyUsage(usage) => format!("key usage {usage}"),
            ParsedExtension::ExtendedKeyUsage(eku) => {
                format!(
                    "extended key usage server {} client {} any {} other {}",
                    eku.server_auth,
                    eku.client_auth,
                    eku.any,
                    eku.other.len()
                )
            }
            ParsedExtension::SubjectAlternativeName(san) => format!("names {}", names(san)),
            ParsedExtension::SubjectKeyIdentifier(id) => {
                format!("subject key id own {}", id.0 == own)
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                let id = id.key_identifier.as_ref().map(|id| id.0);
                format!("authority key id issuer's {}", id == Some(of_issuer.as_slice()))
            }
            other => format!("{other:?}"),
        };
        line(format!("  {says}{critical}"));
    }
}

fn names(san: &x509_parser::extensions::SubjectAlternativeName<'_>) -> String {
    let names: Vec<String> = san.general_names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let mut ids = certificate.extensions().iter().filter_map(|extension| {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        }
    });
    ids.next().expect("each has one")
}

#[test]
fn webpki_takes_each_certificate_for_what_it_is_for_and_no_other() {
    let world = world();
    for (kind, plan, der) in &world.leaves {
        let roots = || {
            let mut roots = RootCertStore::empty();
            roots.add(world.authority(kind).root().clone()).expect("a root");
            Arc::new(roots)
        };
        let provider = Arc::new(default_provider());
        let client = WebPkiClientVerifier::builder_with_provider(roots(), Arc::clone(&provider))
            .build()
            .expect("a root");
        let server =
            WebPkiServerVerifier::builder_with_provider(roots(), provider).build().expect("a root");
        let name = plan.names.first().map_or("nobody.example", String::as_str);
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        assert_eq!(
            client.verify_client_cert(der, &[], UnixTime::now()).is_ok(),
            plan.usages.client_auth,
            "{kind}"
        );
        let served = server.verify_server_cert(der, &[], &name, &[], UnixTime::now());
        assert_eq!(served.is_ok(), plan.usages.server_auth, "{kind}: {served:?}");
    }
}

#[test]
fn promise_04_no_peer_takes_a_server_that_the_gateway_shows_as_a_client() {
    let world = world();
    let mut roots = RootCertStore::empty();
    roots.add(world.peer.root().clone()).expect("a root");
    let provider = Arc::new(default_provider());
    let peers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .expect("a root");
    for (kind, _, der) in &world.leaves {
        let taken = peers.verify_client_cert(der, &[], UnixTime::now()).is_ok();
        assert_eq!(taken, *kind == "peer", "{kind}");
    }
}

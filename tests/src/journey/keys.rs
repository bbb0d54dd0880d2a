//! Promise 1: no private key made on a node is in any file outside that node's own key files.
//!
//! Each key is looked for by its bytes: the raw scalar, DER, and both in base64 and hex. First one
//! is planted, and must be found.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXUPPER};

use crate::error::{LabError, at};
use crate::lab::{Host, Lab};
use crate::search::{Hit, Needle, find_bytes};
use crate::stage::Stage;

/// Where a node's key files are; the folder of the identity has its generations and the pending
/// key.
fn own_key_files(host: &Host) -> [String; 4] {
    let peer = format!("/etc/etcd/{}.pem", host.name());
    [
        "/etc/etcd/server.pem".into(),
        peer,
        "/etc/etcd/client.pem".into(),
        "/var/lib/pilaster/identity".into(),
    ]
}

/// What the search found.
#[derive(Debug)]
pub struct Searched {
    /// How many keys there were.
    pub keys: usize,
    /// Every form of every key was planted in two places: this many copies.
    pub planted: usize,
    /// Planted copies that were not found: the search is blind for them.
    pub missed: Vec<String>,
    /// Places where a key is and may not be.
    pub leaks: Vec<Hit>,
}

/// Searches the disks of all hosts, what they hold in memory file systems, and the workstation with
/// the coordinator's state and log.
///
/// # Errors
/// A file cannot be read, or a key file has no key.
pub fn search(stage: &Stage) -> Result<Searched, LabError> {
    search_for(stage, &needles(stage)?)
}

/// Every form of every private key that lies in the nodes' key files now.
///
/// # Errors
/// A key file cannot be read, or has no key.
pub fn needles(lab: &Lab) -> Result<Vec<Needle>, LabError> {
    let mut needles = Vec::new();
    for host in lab.hosts() {
        for file in own_key_files(host) {
            let file = if file.ends_with("identity") {
                format!("{file}/current/identity.pem")
            } else {
                file
            };
            let path = host.path(&file);
            let text = fs::read_to_string(&path).map_err(at("read", &path))?;
            needles.extend(forms(&format!("{} {file}", host.name()), &text)?);
        }
    }
    Ok(needles)
}

/// Searches the same for these needles.
///
/// # Errors
/// A file cannot be read.
pub fn search_for(lab: &Lab, needles: &[Needle]) -> Result<Searched, LabError> {
    let leaks = find(lab, needles)?;
    let found = plant_and_find(lab, needles)?;
    let times = |needle: &Needle| found.iter().filter(|hit| hit.needle == needle.name).count();
    let missed =
        needles.iter().filter(|needle| times(needle) < 2).map(|needle| needle.name.clone());
    Ok(Searched {
        keys: needles.len() / FORMS,
        planted: 2 * needles.len(),
        missed: missed.collect(),
        leaks,
    })
}

/// Plants every form of every key, on the workstation and in a host, and answers where each was
/// found.
fn plant_and_find(lab: &Lab, needles: &[Needle]) -> Result<Vec<Hit>, LabError> {
    let places = [lab.workstation().dir().join("planted"), lab.hosts()[0].path("/tmp/planted")];
    let mut content = Vec::new();
    for needle in needles {
        content.extend_from_slice(b" before ");
        content.extend_from_slice(&needle.bytes);
    }
    for place in &places {
        fs::write(place, &content).map_err(at("write", place))?;
    }
    let found = find(lab, needles);
    for place in &places {
        fs::remove_file(place).map_err(at("remove", place))?;
    }
    found
}

fn find(lab: &Lab, needles: &[Needle]) -> Result<Vec<Hit>, LabError> {
    let mut hits = Vec::new();
    let own: Vec<PathBuf> = lab.hosts().iter().flat_map(own_files_on_this_machine).collect();
    let skip: Vec<&Path> = own.iter().map(PathBuf::as_path).collect();
    hits.extend(find_bytes(lab.dir(), needles, &skip)?);
    for host in lab.hosts() {
        for folder in ["/run", "/tmp", "/dev/shm"] {
            hits.extend(find_bytes(&host.path(folder), needles, &[])?);
        }
    }
    Ok(hits)
}

/// A host's key files as they lie on its disk, below the lab's folder.
fn own_files_on_this_machine(host: &Host) -> Vec<PathBuf> {
    own_key_files(host).iter().map(|file| host.disk().join(&file[1..])).collect()
}

/// How many forms a key is looked for in.
const FORMS: usize = 6;

/// Every form in which a key could lie somewhere.
fn forms(name: &str, pem: &str) -> Result<Vec<Needle>, LabError> {
    let der = der_of(pem).ok_or_else(|| LabError::NotYet(format!("no key in {name}")))?;
    let scalar =
        scalar_of(&der).ok_or_else(|| LabError::NotYet(format!("no P-256 key in {name}")))?;
    let base64_lines =
        body_of(pem).unwrap_or_default().lines().map(str::to_owned).max_by_key(String::len);
    let needle = |form: &str, bytes: Vec<u8>| Needle { name: format!("{name}, {form}"), bytes };
    Ok(vec![
        needle("scalar", scalar.to_vec()),
        needle("DER", der.clone()),
        needle("PEM", base64_lines.unwrap_or_default().into_bytes()),
        needle("base64 of the scalar", BASE64_NOPAD.encode(scalar).into_bytes()),
        needle("hex", HEXLOWER.encode(scalar).into_bytes()),
        needle("HEX", HEXUPPER.encode(scalar).into_bytes()),
    ])
}

fn body_of(pem: &str) -> Option<&str> {
    let begins = "-----BEGIN PRIVATE KEY-----";
    let rest = &pem[pem.find(begins)? + begins.len()..];
    Some(rest[..rest.find("-----END")?].trim())
}

fn der_of(pem: &str) -> Option<Vec<u8>> {
    let body: String = body_of(pem)?.split_whitespace().collect();
    BASE64.decode(body.as_bytes()).ok()
}

/// The private scalar: an OCTET STRING of 32 bytes behind the version of an ECPrivateKey (RFC 5915,
/// 3).
fn scalar_of(der: &[u8]) -> Option<&[u8]> {
    const BEFORE: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];
    let at = der.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    der.get(at..at + 32)
}

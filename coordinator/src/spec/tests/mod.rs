//! Proofs of the whole way from text to spec: each mistake as its user reads it, what is written is
//! read again, and no text breaks it.

mod bad;
mod property;
mod schema;

use std::path::Path;

/// Good specs: each in a file, so that the fuzzer begins with them too.
fn good() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/specs");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("there")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("UTF-8"))
        })
        .collect();
    files.sort();
    assert!(files.len() >= 5);
    files
}

#[test]
fn good_specs_are_taken() {
    for (name, text) in good() {
        if let Err(error) = super::parse(&text) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn name_domain_and_members_are_enough() {
    use super::{Names, Storage};
    let spec =
        super::parse("cluster: x\ndomain: edge.huatai.me\nmembers: [{name: m-1}]\n").expect("good");
    assert_eq!(spec.service.to_string(), "etcd.edge.huatai.me");
    assert_eq!((spec.names, spec.etcd.storage), (Names::Hosts, Storage::Sdcard));
    assert_eq!((spec.network, spec.members[0].address), (None, None));
    assert_eq!(spec.members[0].interface.to_string(), "eth0");
    assert!(spec.etcd.written()[1..].iter().all(|(_, value)| value.is_none()));
}

#[test]
fn every_setting_of_etcd_is_read_and_written() {
    let (_, text) = good().into_iter().find(|(name, _)| name == "everything.yml").expect("there");
    let spec = super::parse(&text).expect("good");
    for (key, value) in spec.etcd.written() {
        let value = value.expect(key);
        assert!(text.contains(&format!("  {key}: {value}\n")), "{key}: {value}");
    }
}

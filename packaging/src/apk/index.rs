//! Writes `APKINDEX`: a block of `K:value` lines for each package, as `apk index` does (apk-tools:
//! src/package.c, `apk_pkg_write_index_header`).

use data_encoding::BASE64;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::package::Package;

/// Keys of `.PKGINFO` and the letters of the index, in apk's order. Those with a list stand after
/// `size`, see [`LISTS`].
const VALUES: [(&str, &str); 7] = [
    ("pkgdesc", "T"),
    ("url", "U"),
    ("license", "L"),
    ("origin", "o"),
    ("maintainer", "m"),
    ("builddate", "t"),
    ("commit", "c"),
];
/// Keys that may stand several times: one line, the values divided by spaces.
const LISTS: [(&str, &str); 3] = [("depend", "D"), ("provides", "p"), ("install_if", "i")];

/// The block of a package; `file_bytes` is how long its file is, signature included.
pub(super) fn block(package: &Package, file_bytes: u64) -> String {
    let value = |key| package.value(key).unwrap_or_default();
    let mut block = format!(
        "C:{}\nP:{}\nV:{}\nA:{}\nS:{file_bytes}\nI:{}\n",
        identity(&package.control),
        value("pkgname"),
        value("pkgver"),
        value("arch"),
        package.value("size").unwrap_or("0"),
    );
    for (key, letter) in VALUES {
        if let Some(value) = package.value(key).filter(|value| !value.is_empty()) {
            block.push_str(&format!("{letter}:{value}\n"));
        }
    }
    for (key, letter) in LISTS {
        let values: Vec<&str> = package.values(key).collect();
        if !values.is_empty() {
            block.push_str(&format!("{letter}:{}\n", values.join(" ")));
        }
    }
    block.push('\n');
    block
}

/// What apk knows a package by: `Q1`, then the SHA-1 of the control part in base64. The control
/// part holds the SHA-256 of the files, and the index that holds this is signed. apk's format has
/// no other hash here.
fn identity(control: &[u8]) -> String {
    format!("Q1{}", BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, control).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::package::tests::apk;

    #[test]
    fn a_package_has_the_block_that_apk_index_writes() {
        let file = apk("thing", "1.2-r0", "aarch64", b"files");
        let package = Package::parse(&file).expect("good");
        let block = block(&package, 1234);
        let (first, rest) = block.split_once('\n').expect("lines");
        assert_eq!(
            rest,
            "P:thing\nV:1.2-r0\nA:aarch64\nS:1234\nI:4096\nT:A thing\nU:https://x.example\nL:Apache-2.0\no:thing\nt:1700000000\nD:a b>1\np:cmd:x=1\n\n"
        );
        assert!(first.starts_with("C:Q1") && first.ends_with('='), "{first}");
        assert_eq!(first.len(), "C:Q1".len() + 28, "20 bytes in base64");
    }

    #[test]
    fn an_identity_is_q1_and_the_sha1_of_the_control_part() {
        assert_eq!(identity(b"abc"), "Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0="); // FIPS 180-4's example "abc"
    }
}

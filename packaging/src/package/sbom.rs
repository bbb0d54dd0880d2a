//! Says what a package holds: a CycloneDX list of every crate that is linked into its binaries,
//! with licences and the lock file's hashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::target::{Product, Target};
use super::{Release, said, workspace};
use crate::failure::{Failure, at};
use crate::stage::put;

/// Writes the list of a product, and says where it is.
pub(super) fn write(
    release: &Release,
    target: Target,
    product: Product,
    out: &Path,
) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo"); // what is linked in: no development and build dependencies, no other target's
    cargo.args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none"]);
    cargo.args(["--package", product.name(), "--target", target.triple()]);
    let tree = said(cargo.args(["--format", "{p}|{l}"]).current_dir(workspace()))?;
    let lock = workspace().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(at("read", &lock))?;
    let rustc = said(Command::new("rustc").arg("--version"))?;
    let rustc = rustc.split_whitespace().nth(1).unwrap_or_default();
    let bill = render(product.name(), &release.apk_version(), &tree, &lock, rustc);
    let name =
        format!("{}-{}.{}.cdx.json", product.name(), release.apk_version(), target.apk_arch());
    let path = out.join(name);
    put(&path, format!("{bill:#}\n").as_bytes(), 0o644)?;
    Ok(path)
}

/// CycloneDX 1.5 (ECMA-424's forerunner; bom-1.5.schema.json). No serial number and no time: the
/// same inputs give the same bytes.
fn render(name: &str, version: &str, tree: &str, lock: &str, rustc: &str) -> Value {
    let mut crates: Vec<(&str, &str, &str)> = tree.lines().filter_map(linked).collect();
    crates.sort_unstable();
    crates.dedup();
    let mut components: Vec<Value> = crates
        .iter()
        .map(|&(name, version, licence)| {
            let mut component = json!({
                "type": "library",
                "name": name,
                "version": version,
                "purl": format!("pkg:cargo/{name}@{version}"),
                "licenses": [{ "expression": licence.replace('/', " OR ") }],
            });
            if let Some(hash) = checksum(lock, name, version) {
                component["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
            }
            component
        })
        .collect();
    components.push(json!({
        "type": "library",
        "name": "rust-std",
        "version": rustc,
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
    }));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "name": name,
            "version": version,
            "licenses": [{ "expression": "Apache-2.0" }],
        } },
        "components": components,
    })
}

/// Name, version and licence of a line such as `serde v1.0.1|MIT OR Apache-2.0`; nothing for a
/// macro, which runs in the compiler only, and for our own crates, which are the thing itself.
fn linked(line: &str) -> Option<(&str, &str, &str)> {
    let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    words.next().is_none().then_some((name, version, licence))
}

/// The hash that Cargo.lock has of a crate.
fn checksum<'a>(lock: &'a str, name: &str, version: &str) -> Option<&'a str> {
    let (name, version) = (format!("name = \"{name}\""), format!("version = \"{version}\""));
    let mut packages = lock.split("[[package]]");
    let package = packages.find(|package| {
        package.lines().any(|line| line == name) && package.lines().any(|line| line == version)
    })?;
    let line = package.lines().find_map(|line| line.strip_prefix("checksum = \""))?;
    line.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_is_linked_in_once() {
        let tree = "pilaster-agent v0.1.0 (/x/agent)|Apache-2.0\nring v0.17.14|Apache-2.0 AND ISC\nserde v1.0.2|MIT OR Apache-2.0\n\
                    serde_derive v1.0.2 (proc-macro)|MIT OR Apache-2.0\nserde v1.0.2|MIT OR Apache-2.0 (*)\nold v1.0.0|MIT/Apache-2.0\n";
        let lock = "[[package]]\nname = \"ring\"\nversion = \"0.17.14\"\nchecksum = \"a4\"\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nchecksum = \"b5\"\n";
        let bill = render("pilaster-agent", "0.1.0-r0", tree, lock, "1.95.0");
        let names: Vec<&str> = bill["components"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|c| c["name"].as_str())
            .collect();
        assert_eq!(names, ["old", "ring", "serde", "rust-std"]);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][2]["hashes"][0]["content"], "b5");
        assert_eq!(bill["components"][2]["purl"], "pkg:cargo/serde@1.0.2");
    }
}

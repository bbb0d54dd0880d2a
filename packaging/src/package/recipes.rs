//! What packages hold, in both recipes: nfpm's files and aports' APKBUILD.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_yaml::Value;

use super::target::{Product, Target};
use super::workspace;

fn packaging() -> PathBuf {
    workspace().join("packaging")
}

fn text(path: &str) -> String {
    let path = packaging().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn recipe(product: Product) -> Value {
    serde_yaml::from_str(&text(&format!("nfpm/{}.yaml", product.name()))).expect("YAML")
}

fn both() -> [Value; 2] {
    [recipe(Product::Agent), recipe(Product::Coordinator)]
}

/// What the .apk of a recipe installs. A manual page is compressed in both: abuild does it by
/// itself.
fn installed(recipe: &Value) -> Vec<String> {
    let contents = recipe["contents"].as_sequence().expect("a list");
    let for_apk = contents
        .iter()
        .filter(|content| content["packager"].as_str().is_none_or(|format| format == "apk"));
    let paths = for_apk.map(|content| content["dst"].as_str().expect("a path"));
    paths.map(|path| path.trim_end_matches(".gz").to_owned()).collect()
}

/// Paths below a mapping that name scripts.
fn scripts(value: &Value) -> Vec<String> {
    let mapping = value.as_mapping().expect("scripts");
    mapping.values().map(|path| path.as_str().expect("a path").to_owned()).collect()
}

/// A variable of the APKBUILD, as the shell sees it.
fn variable(name: &str) -> String {
    let script = format!(
        "startdir=/x; . '{}'; printf %s \"${name}\"",
        packaging().join("apk/APKBUILD").display()
    );
    let output = Command::new("sh").arg("-ec").arg(script).output().expect("sh is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn both_recipes_install_the_same_files() {
    let nfpm: BTreeSet<String> = both().iter().flat_map(installed).collect();
    let apkbuild: BTreeSet<String> = text("apk/APKBUILD")
        .lines()
        .filter(|line| line.trim_start().starts_with("install -D"))
        .filter_map(|line| line.split_once("\"$pkgdir\""))
        .map(|(_, path)| path.to_owned())
        .collect();
    assert_eq!(nfpm, apkbuild);
}

#[test]
fn both_recipes_have_the_same_version_licence_and_scripts() {
    assert_eq!(variable("pkgver"), env!("CARGO_PKG_VERSION"));
    let mut nfpm = BTreeSet::new();
    for recipe in both() {
        assert_eq!(recipe["license"].as_str(), Some(variable("license").as_str()));
        nfpm.extend(scripts(&recipe["overrides"]["apk"]["scripts"]));
        nfpm.extend(scripts(&recipe["apk"]["scripts"]));
    }
    let apkbuild: BTreeSet<String> =
        variable("install").split_whitespace().map(|script| format!("apk/{script}")).collect();
    assert_eq!(nfpm, apkbuild);
    assert_eq!(recipe(Product::Agent)["description"].as_str(), Some(variable("pkgdesc").as_str()));
    let targets: BTreeSet<&str> = Target::ALL.iter().map(|target| target.apk_arch()).collect();
    assert_eq!(variable("arch").split_whitespace().collect::<BTreeSet<_>>(), targets);
}

#[test]
fn every_script_is_one_for_the_smallest_shell() {
    let shells: &[&[&str]] = &[&["sh", "-n"], &["busybox", "ash", "-n"]];
    let mut checked = 0;
    for folder in ["apk", "deb"] {
        for entry in fs::read_dir(packaging().join(folder)).expect("there").flatten() {
            for shell in shells {
                let Ok(output) =
                    Command::new(shell[0]).args(&shell[1..]).arg(entry.path()).output()
                else {
                    continue; // no busybox on this machine
                };
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{}: {stderr}", entry.path().display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 14, "scripts of two products in two formats, and the APKBUILD");
}

#[test]
fn no_package_has_the_state_of_a_node() {
    for recipe in both() {
        for path in installed(&recipe) {
            assert!(!path.starts_with("/var"), "{path}: apk would remove it with the package");
        }
    }
}

#[test]
fn a_package_brings_no_etcd_along() {
    for recipe in both() {
        assert!(recipe["depends"].is_null(), "etcd's version is the host's affair");
    }
}

#[test]
fn the_manual_page_of_the_agent_knows_what_the_agent_knows() {
    let page = text("man/pilaster-agent.8").replace("\\-", "-");
    let completion = text("completions/pilaster-agent.bash");
    for word in [
        "join",
        "run",
        "status",
        "--token-file",
        "--give-up-after",
        "--no-start",
        "--help",
        "--version",
    ] {
        assert!(page.contains(word), "the manual page lacks {word}");
        assert!(completion.contains(word), "the completion lacks {word}");
    }
    let settings = text("openrc/pilaster-agent.confd");
    for name in settings.lines().filter_map(|line| line.strip_prefix("#export ")?.split('=').next())
    {
        assert!(page.contains(name), "the manual page lacks {name}");
    }
}

//! Builds static binaries for musl, with the standard library from source, and without a path of
//! the builder in them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::target::{Product, Target};
use super::toolbox::Toolbox;
use super::{done, said, workspace};
use crate::failure::{Failure, at, note};

/// Builds the binaries of a product, and says where they are.
pub(super) fn compile(
    toolbox: &Toolbox,
    target: Target,
    product: Product,
) -> Result<Vec<PathBuf>, Failure> {
    let began = Instant::now();
    note(format_args!("building {} for {} …", product.name(), target.triple()));
    fetch()?; // the folders of the registries must be there to be named
    let folder = workspace().join("target/package"); // in the tree: what a build script writes is remapped with it
    let registries = registries(&cargo_home())?;
    let flags = flags(workspace(), &registries, &toolbox.rust_src)?;
    let mut cargo = toolbox.zigbuild();
    without_package(&mut cargo)
        .args(["--locked", "-Zbuild-std=std,panic_abort", "--bins"])
        .args(["--profile", product.profile(), "--target", target.triple()])
        .args(["--package", product.name()])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", flags)
        .env("RUSTC_BOOTSTRAP", "1") // -Zbuild-std: armv7 musl is not everywhere to be had from rustup
        .current_dir(workspace());
    done(&mut cargo)?;
    let built = folder.join(target.triple()).join(product.profile());
    let binaries: Vec<PathBuf> = product.binaries().iter().map(|name| built.join(name)).collect();
    for binary in &binaries {
        check_no_paths(binary, &registries, &toolbox.rust_src)?;
    }
    note(format_args!("built {} in {:.0} s", product.name(), began.elapsed().as_secs_f64()));
    Ok(binaries)
}

fn fetch() -> Result<(), Failure> {
    let mut cargo = Command::new("cargo");
    said(without_package(&mut cargo).args(["fetch", "--locked"]).current_dir(workspace())).map(drop)
}

/// What `cargo run` has set for this very program, and flags of the person, do not belong into a
/// release.
fn without_package(cargo: &mut Command) -> &mut Command {
    let ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        let package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_PRIMARY_",
            "CARGO_PROFILE_",
            "CARGO_TARGET_",
        ];
        name == "CARGO_ENCODED_RUSTFLAGS" || package.iter().any(|begin| name.starts_with(begin))
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        cargo.env_remove(name);
    }
    cargo
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from)
}

/// The folder of each registry's sources: its name is the registry's, which differs from builder to
/// builder.
fn registries(cargo_home: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = cargo_home.join("registry/src");
    let entries = fs::read_dir(&folder).map_err(at("read", &folder))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    Ok(found)
}

/// rustc's flags: link with zig's musl, and name sources by what they are, not by where this
/// builder keeps them.
fn flags(workspace: &Path, registries: &[PathBuf], rust_src: &Path) -> Result<String, Failure> {
    let mut flags = String::from("-Clink-self-contained=no");
    let named = registries.iter().map(|registry| (registry.as_path(), "/cargo"));
    for (path, name) in [(workspace, "/pilaster"), (rust_src, "/rustc")].into_iter().chain(named) {
        let path = path.to_string_lossy();
        if path.contains(char::is_whitespace) {
            let cause = format!("RUSTFLAGS is divided at spaces, and {path} has one");
            let help = "build in a folder, and with a CARGO_HOME, whose paths have no spaces";
            return Err(Failure::new(
                "cannot keep the builder's paths out of the binaries",
                cause,
                help,
            ));
        }
        flags.push_str(&format!(" --remap-path-prefix={path}={name}"));
    }
    Ok(flags)
}

/// A binary that tells where it was built is not shipped.
fn check_no_paths(binary: &Path, registries: &[PathBuf], rust_src: &Path) -> Result<(), Failure> {
    let content = fs::read(binary).map_err(at("read", binary))?;
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home != Path::new("/"));
    let paths = [workspace(), rust_src].into_iter().chain(registries.iter().map(PathBuf::as_path));
    let mut paths = paths.chain(home.as_deref());
    match paths.find(|path| holds_path(&content, path)) {
        None => Ok(()),
        Some(path) => Err(Failure::new(
            format!("{} is not fit to be shipped", binary.display()),
            format!("it holds the path {}", path.display()),
            "find what writes it there (strings -a), and map it away in packaging/src/package/compile.rs",
        )),
    }
}

/// Whether `path`, or something below it, stands in `content`: `/root` does not stand in `/rooted`.
fn holds_path(content: &[u8], path: &Path) -> bool {
    let needle = format!("{}/", path.display());
    content.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_of_the_builder_is_mapped_away() {
        let registries = [PathBuf::from("/h/.cargo/registry/src/mirror-1")];
        let flags =
            flags(Path::new("/h/tree"), &registries, Path::new("/r/src/rust")).expect("no spaces");
        assert_eq!(
            flags,
            "-Clink-self-contained=no --remap-path-prefix=/h/tree=/pilaster --remap-path-prefix=/r/src/rust=/rustc \
             --remap-path-prefix=/h/.cargo/registry/src/mirror-1=/cargo"
        );
    }

    #[test]
    fn a_path_that_the_flags_cannot_carry_is_refused() {
        let refused =
            flags(Path::new("/my trees/pilaster"), &[], Path::new("/r")).expect_err("a space");
        assert!(refused.cause.contains("/my trees/pilaster"), "{}", refused.cause);
    }

    #[test]
    fn a_path_of_the_builder_is_found_in_a_binary() {
        assert!(holds_path(b"\x00panicked at /home/b/x.rs\x00", Path::new("/home/b")));
        assert!(!holds_path(b"\x00panicked at /home/bob/x.rs\x00", Path::new("/home/b")));
    }
}

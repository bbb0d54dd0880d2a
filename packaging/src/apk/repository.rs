//! `cargo xtask repository`: a folder that apk takes packages from, as `DIR/ARCH/NAME-VERSION.apk`,
//! `DIR/ARCH/APKINDEX.tar.gz` and the public key.
//!
//! The index comes last and by a rename: who reads the folder meanwhile finds every package that an
//! index names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::index;
use super::package::Package;
use super::sign::{self, Key};
use crate::failure::{Failure, at, say};
use crate::stage::put;

/// Puts the packages of `packages` into the repository in `folder`, signed, and writes the index of
/// each architecture anew.
pub(crate) fn make_repository(folder: &Path, key: &Path, packages: &Path) -> Result<(), Failure> {
    let key = Key::read(key)?;
    check_only_key(folder, &key)?;
    let files = files_ending(packages, "apk")?;
    if files.is_empty() {
        let cause = format!("{} has no .apk", packages.display());
        return Err(Failure::new(
            "nothing to put into the repository",
            cause,
            "make some: cargo xtask package",
        ));
    }
    let mut architectures = BTreeSet::new();
    for file in &files {
        let package = read(file)?;
        let value = |key| package.value(key).expect("checked when it was parsed");
        let arch = folder.join(value("arch"));
        let signature = key.signature(&package.control)?;
        let signed = [&signature[..], &package.control, &package.data].concat();
        put(&arch.join(format!("{}-{}.apk", value("pkgname"), value("pkgver"))), &signed, 0o644)?;
        architectures.insert(arch);
    }
    put(&folder.join(&key.name), &key.public, 0o644)?;
    for arch in &architectures {
        let count = write_index(arch, &key)?;
        say(format_args!("{}: {count} packages, signed by {}", arch.display(), key.name));
    }
    Ok(())
}

fn write_index(arch: &Path, key: &Key) -> Result<usize, Failure> {
    let path = arch.join("APKINDEX.tar.gz");
    let files = files_ending(arch, "apk")?;
    let mut index = String::new();
    for file in &files {
        let bytes = fs::metadata(file).map_err(at("look at", file))?.len();
        index.push_str(&index::block(&read(file)?, bytes));
    }
    let mut tar = sign::tar_of("APKINDEX", index.as_bytes()).map_err(at("write", &path))?;
    tar.extend([0; 1024]); // the end of a tar: two empty blocks
    let archive = sign::compress(&tar).map_err(at("write", &path))?;
    put(&path, &[key.signature(&archive)?, archive].concat(), 0o644)?;
    Ok(files.len())
}

/// One repository, one key: nodes were told its hash.
fn check_only_key(folder: &Path, key: &Key) -> Result<(), Failure> {
    if !folder.exists() {
        return Ok(());
    }
    let keys = files_ending(folder, "pub")?;
    match keys.iter().find(|path| path.file_name() != Some(key.name.as_ref())) {
        None => Ok(()),
        Some(other) => {
            let cause = format!("it is signed by another key, {}", other.display());
            let help = "use that key, or make a repository in another folder";
            Err(Failure::new(format!("cannot add to {}", folder.display()), cause, help))
        }
    }
}

fn read(file: &Path) -> Result<Package, Failure> {
    let content = fs::read(file).map_err(at("read", file))?;
    Package::parse(&content).map_err(|cause| {
        let help = "take it out of the folder, or make it anew: cargo xtask package";
        Failure::new(format!("{} cannot go into a repository", file.display()), cause, help)
    })
}

fn files_ending(folder: &Path, end: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(at("read", folder))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.is_file() && path.extension().is_some_and(|e| e == end)).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::apk::package::tests::apk;
    use crate::apk::sign::tests::new_key;

    fn text_of(index: &Path) -> String {
        let mut tar = Vec::new();
        let index = fs::read(index).expect("written");
        flate2::read::MultiGzDecoder::new(&index[..]).read_to_end(&mut tar).expect("gzip");
        let mut archive = tar::Archive::new(&tar[..]);
        let mut names = Vec::new();
        let mut text = String::new();
        for entry in archive.entries().expect("tar") {
            let mut entry = entry.expect("tar");
            names.push(entry.path().expect("a name").to_string_lossy().into_owned());
            if names.last().is_some_and(|name| name == "APKINDEX") {
                entry.read_to_string(&mut text).expect("text");
            }
        }
        assert!(names[0].starts_with(".SIGN.RSA256.pilaster-"), "{names:?}");
        text
    }

    #[test]
    fn a_repository_names_every_package_that_it_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let (packages, repository) =
            (folder.path().join("packages"), folder.path().join("repository"));
        let key = new_key(&folder.path().join("key"));
        put(&packages.join("a.apk"), &apk("a", "1-r0", "aarch64", b"a"), 0o644).expect("written");
        make_repository(&repository, &key, &packages).expect("made");
        put(&packages.join("a.apk"), &apk("a", "2-r0", "aarch64", b"a2"), 0o644).expect("written");
        put(&packages.join("b.apk"), &apk("b", "1-r0", "armv7", b"b"), 0o644).expect("written");
        make_repository(&repository, &key, &packages).expect("made");

        let index = text_of(&repository.join("aarch64/APKINDEX.tar.gz"));
        assert!(index.contains("P:a\nV:1-r0\n") && index.contains("P:a\nV:2-r0\n"), "{index}");
        let served = fs::metadata(repository.join("aarch64/a-2-r0.apk")).expect("there").len();
        assert!(index.contains(&format!("S:{served}\n")), "the length of the signed file: {index}");
        assert!(text_of(&repository.join("armv7/APKINDEX.tar.gz")).contains("P:b\n"));
    }

    #[test]
    fn a_repository_has_one_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let (packages, repository) =
            (folder.path().join("packages"), folder.path().join("repository"));
        put(&packages.join("a.apk"), &apk("a", "1-r0", "aarch64", b"a"), 0o644).expect("written");
        make_repository(&repository, &new_key(&folder.path().join("one")), &packages)
            .expect("made");
        let other = new_key(&folder.path().join("two"));
        let refused = make_repository(&repository, &other, &packages).expect_err("another key");
        assert!(refused.cause.contains("another key"), "{}", refused.cause);
    }
}

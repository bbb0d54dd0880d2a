//! Reads an .apk: where its parts end, what it says of itself, and whether its files are those that
//! it means.

use std::io::Read;

use data_encoding::HEXLOWER;
use flate2::bufread::GzDecoder;
use ring::digest::{SHA256, digest};

/// An .apk without its signature, which stands in front and changes nothing of what it is.
#[derive(Debug)]
pub(super) struct Package {
    /// The member with `.PKGINFO` and the scripts, as it lies in the file: its hash is the
    /// package's identity.
    pub(super) control: Vec<u8>,
    /// The members with the files, as they lie in the file.
    pub(super) data: Vec<u8>,
    /// `key = value` of `.PKGINFO`, in its order; a key may stand several times.
    pub(super) info: Vec<(String, String)>,
}

/// Why a file is no package that can go into a repository.
pub(super) type NoPackage = String;

impl Package {
    /// Takes a file apart.
    pub(super) fn parse(file: &[u8]) -> Result<Self, NoPackage> {
        let mut rest = file;
        loop {
            let mut member = Vec::new();
            let mut gzip = GzDecoder::new(rest);
            gzip.read_to_end(&mut member)
                .map_err(|error| format!("it is no .apk of version 2: {error}"))?;
            let after = gzip.into_inner();
            let (name, content) = first_file(&member)?;
            if !name.starts_with(".SIGN.") {
                let info = if name == ".PKGINFO" { content } else { find(&member, ".PKGINFO")? };
                let control = rest[..rest.len() - after.len()].to_vec();
                let package = Self { control, data: after.to_vec(), info: parse_info(&info) };
                package.check()?;
                return Ok(package);
            }
            rest = after;
        }
    }

    /// The one value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.info.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Every value of a key.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.info.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// What apk asks of each package: names that are no paths, and a hash that covers the files.
    fn check(&self) -> Result<(), NoPackage> {
        for key in ["pkgname", "pkgver", "arch"] {
            let value = self.value(key).ok_or_else(|| format!("its .PKGINFO has no {key}"))?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "._+-~".contains(c);
            if value.is_empty() || value.starts_with('.') || !value.chars().all(plain) {
                return Err(format!("its .PKGINFO has the {key} {value:?}, which is no name"));
            }
        }
        let hash = HEXLOWER.encode(digest(&SHA256, &self.data).as_ref());
        match self.value("datahash") {
            Some(datahash) if datahash == hash => Ok(()),
            Some(_) => Err("its files are not those that its .PKGINFO has the hash of".into()),
            None => Err("its .PKGINFO has no datahash: nothing covers its files".into()),
        }
    }
}

fn first_file(tar: &[u8]) -> Result<(String, Vec<u8>), NoPackage> {
    let mut archive = tar::Archive::new(tar);
    let mut entries = archive.entries().map_err(|error| format!("it is damaged: {error}"))?;
    let entry = entries.next().ok_or("it has an empty part")?;
    read(entry)
}

fn find(tar: &[u8], wanted: &str) -> Result<Vec<u8>, NoPackage> {
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().map_err(|error| format!("it is damaged: {error}"))? {
        let (name, content) = read(entry)?;
        if name == wanted {
            return Ok(content);
        }
    }
    Err(format!("it has no {wanted}"))
}

fn read<R: Read>(
    entry: std::io::Result<tar::Entry<'_, R>>,
) -> Result<(String, Vec<u8>), NoPackage> {
    let damaged = |error| format!("it is damaged: {error}");
    let mut entry = entry.map_err(damaged)?;
    let name = entry.path().map_err(damaged)?.to_string_lossy().into_owned();
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(damaged)?;
    Ok((name, content))
}

/// Lines as `pkgname = pilaster-agent`; others are comments.
fn parse_info(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let pairs = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = pairs.filter_map(|line| line.split_once(" = "));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::apk::sign::tests::gzip_tar;

    /// A package as apk's own tools lay it out.
    pub(in crate::apk) fn apk(name: &str, version: &str, arch: &str, files: &[u8]) -> Vec<u8> {
        let data = gzip_tar("usr/bin/x", files);
        let hash = HEXLOWER.encode(digest(&SHA256, &data).as_ref());
        let info = format!(
            "# Generated\npkgname = {name}\npkgver = {version}\narch = {arch}\nsize = 4096\npkgdesc = A thing\nurl = https://x.example\n\
             license = Apache-2.0\norigin = {name}\nbuilddate = 1700000000\ndepend = a\ndepend = b>1\nprovides = cmd:x=1\ndatahash = {hash}\n"
        );
        [gzip_tar(".PKGINFO", info.as_bytes()), data].concat()
    }

    #[test]
    fn a_signature_in_front_is_no_part_of_what_a_package_is() {
        let bare = apk("thing", "1.2-r0", "aarch64", b"files");
        let signed = [gzip_tar(".SIGN.RSA.someone.rsa.pub", b"signature"), bare.clone()].concat();
        let (bare, signed) =
            (Package::parse(&bare).expect("good"), Package::parse(&signed).expect("good"));
        assert_eq!((&bare.control, &bare.data), (&signed.control, &signed.data));
        assert_eq!(bare.value("pkgname"), Some("thing"));
        assert_eq!(bare.values("depend").collect::<Vec<_>>(), ["a", "b>1"]);
    }

    #[test]
    fn a_package_with_other_files_than_it_says_is_refused() {
        let good = apk("thing", "1.2-r0", "aarch64", b"files");
        let parsed = Package::parse(&good).expect("good");
        let swapped = [parsed.control, gzip_tar("usr/bin/x", b"others")].concat();
        assert!(Package::parse(&swapped).expect_err("swapped").contains("hash"));
    }

    #[test]
    fn what_is_no_package_is_refused() {
        assert!(Package::parse(b"ADBd a package of version 3").is_err());
        assert!(Package::parse(b"").is_err());
        let climbing = apk("../../etc/cron.d/x", "1", "aarch64", b"");
        assert!(Package::parse(&climbing).expect_err("a path").contains("no name"));
    }
}

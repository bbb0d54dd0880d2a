//! The key that signs, by the system's openssl, and a signature as apk looks for it.
//!
//! A signature is a gzip member in front of what it signs: a tar of one file,
//! `.SIGN.RSA256.KEYNAME`, without end blocks, so that the next member goes on with the same tar.
//! RSA256 is PKCS #1 v1.5 with SHA-256 over the compressed bytes that follow (apk-tools:
//! src/package.c, `apk_sign_ctx_process_file`, which knows RSA512, RSA256 and RSA; in 3.0:
//! src/extract_v2.c).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use data_encoding::HEXLOWER;
use flate2::{Compression, GzBuilder};
use ring::digest::{SHA256, digest};

use crate::failure::{Failure, at, say};
use crate::stage::put;

const BITS: &str = "rsa_keygen_bits:4096";

/// A key that signs.
pub(super) struct Key {
    file: PathBuf,
    /// PEM.
    pub(super) public: Vec<u8>,
    /// The name that apk looks for in /etc/apk/keys; it is made of the key, so that two keys never
    /// have one name.
    pub(super) name: String,
}

impl Key {
    /// The private key in `file`.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let mut openssl = Command::new("openssl");
        let public = piped(openssl.args(["pkey", "-pubout", "-in"]).arg(file), b"")?;
        Ok(Self { file: file.to_owned(), name: name(&public), public })
    }

    /// The member that makes `content` trusted.
    pub(super) fn signature(&self, content: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut openssl = Command::new("openssl");
        let signature = piped(openssl.args(["dgst", "-sha256", "-sign"]).arg(&self.file), content)?;
        member(&format!(".SIGN.RSA256.{}", self.name), &signature)
            .map_err(|error| Failure::new("cannot sign", error.to_string(), "report this"))
    }
}

/// `cargo xtask key`: a new key in `folder`.
pub(crate) fn make_key(folder: &Path) -> Result<(), Failure> {
    let mut openssl = Command::new("openssl");
    let private = piped(openssl.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", BITS]), b"")?;
    let public = piped(Command::new("openssl").args(["pkey", "-pubout"]), &private)?;
    let name = name(&public);
    fs::create_dir_all(folder).map_err(at("make", folder))?;
    let private_file = folder.join(name.trim_end_matches(".pub"));
    put(&private_file, &private, 0o600)?;
    put(&folder.join(&name), &public, 0o644)?;
    say(private_file.display());
    Ok(())
}

fn name(public: &[u8]) -> String {
    let hash = HEXLOWER.encode(digest(&SHA256, public).as_ref());
    format!("pilaster-{}.rsa.pub", &hash[..8])
}

/// One gzip member with a tar of one file, without end blocks and without a time.
pub(super) fn member(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    compress(&tar_of(name, content)?)
}

/// A header, the content, and zeroes up to the next block.
pub(super) fn tar_of(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    const BLOCK: usize = 512;
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::Regular); // apk does not know the older way of saying so, a zero
    header.set_cksum();
    let mut tar = [&header.as_bytes()[..], content].concat();
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    Ok(tar)
}

pub(super) fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    gzip.finish()
}

/// What openssl makes of `input`.
fn piped(openssl: &mut Command, input: &[u8]) -> Result<Vec<u8>, Failure> {
    let fail = |cause: String| {
        Failure::new(
            "openssl did not do its part",
            cause,
            "see that openssl is installed, and that the key is a private RSA key",
        )
    };
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = openssl.spawn().map_err(|error| fail(error.to_string()))?;
    let written = child.stdin.take().expect("piped").write_all(input); // openssl reads all before it writes
    let output = child.wait_with_output().map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    written.map_err(|error| fail(error.to_string()))?;
    Ok(output.stdout)
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub(in crate::apk) fn gzip_tar(name: &str, content: &[u8]) -> Vec<u8> {
        member(name, content).expect("memory does not fail")
    }

    pub(in crate::apk) fn new_key(folder: &Path) -> PathBuf {
        make_key(folder).expect("openssl is there");
        let files = fs::read_dir(folder).expect("made").flatten().map(|entry| entry.path());
        files
            .into_iter()
            .find(|path| path.extension().is_some_and(|end| end == "rsa"))
            .expect("made")
    }

    #[test]
    fn a_private_key_is_for_its_owner_and_named_after_its_public_half() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = new_key(folder.path());
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = Key::read(&file).expect("readable");
        assert_eq!(fs::read(folder.path().join(&key.name)).expect("beside it"), key.public);
    }

    #[test]
    fn a_signature_is_what_openssl_verifies() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Key::read(&new_key(folder.path())).expect("readable");
        let member = key.signature(b"an index").expect("signed");
        let mut tar = Vec::new();
        io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&member[..]), &mut tar)
            .expect("gzip");
        assert_eq!(tar.len(), 512 + 512, "a header and 4096 bits, no end blocks");
        assert_eq!(
            tar[156], b'0',
            "a plain file, as POSIX has it: apk refuses the older zero byte"
        );
        let signature = folder.path().join("signature");
        put(&signature, &tar[512..1024], 0o644).expect("written");
        let verify = |content: &[u8]| {
            let mut openssl = Command::new("openssl");
            openssl.args(["dgst", "-sha256", "-verify"]).arg(folder.path().join(&key.name));
            piped(openssl.arg("-signature").arg(&signature), content).is_ok()
        };
        assert!(verify(b"an index"));
        assert!(!verify(b"another index"));
    }
}

//! Certificates for one member, by openssl: two CAs, and leaves with their keys in one file, as on
//! a node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::LabError;

/// `sh`, in an empty folder: the host's full name, its address, and the usages of the server's
/// leaf.
const MAKE: &str = r#"
set -eu
leaf() { # name, CA, common name, usages, SAN
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
	openssl req -new -key "$1.key" -subj "/CN=$3" -out "$1.csr"
	printf 'extendedKeyUsage=%s\n' "$4" >"$1.ext"
	[ -z "$5" ] || printf 'subjectAltName=%s\n' "$5" >>"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.crt"
	cat "$1.crt" "$1.key" >"$1.pem"
}
for ca in ca peer-ca; do
	openssl ecparam -name prime256v1 -genkey -noout -out "$ca.key"
	openssl req -x509 -new -key "$ca.key" -subj "/CN=$ca" -days 2 -out "$ca.pem"
done
san="DNS:$1,DNS:localhost,IP:$2,IP:127.0.0.1"
leaf server ca server serverAuth "$san"
leaf server-gateway ca server serverAuth,clientAuth "$san"
leaf peer peer-ca peer serverAuth,clientAuth "$san"
leaf client ca pilaster clientAuth ""
"#;

/// A folder with the files.
pub(crate) struct Pki {
    folder: PathBuf,
}

impl Pki {
    pub(crate) fn make(folder: &Path, host: &str, address: &str) -> Result<Self, LabError> {
        fs::create_dir_all(folder).expect("a folder of the lab");
        let mut command = Command::new("sh");
        let output = command.args(["-c", MAKE, "pki", host, address]).current_dir(folder).output();
        let output = output.expect("sh is here");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl: {said}");
        Ok(Self { folder: folder.into() })
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).expect("made above")
    }
}

//! The processor that an etcd binary was built for, which need not be the kernel's: on a 32-bit
//! system with a 64-bit kernel `uname -m` says aarch64, and etcd is a program for arm.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::version::EtcdVersion;

/// A processor, by Go's names for Linux (`GOARCH`): what `etcd --version` prints as `Go OS/Arch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Processor {
    /// 64-bit Intel and AMD.
    Amd64,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM.
    Arm,
    /// 32-bit Intel and AMD.
    I386,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit PowerPC, little-endian.
    Ppc64le,
    /// IBM Z.
    S390x,
    /// 64-bit LoongArch.
    Loong64,
    /// 64-bit MIPS, little-endian.
    Mips64le,
}

/// Name by Go, `e_machine` of its ELF files (elf.h), and what `uname -m` may say on it.
const PROCESSORS: [(Processor, &str, u16, &[&str]); 9] = [
    (Processor::Amd64, "amd64", 62, &["x86_64"]),
    (Processor::Arm64, "arm64", 183, &["aarch64"]),
    (Processor::Arm, "arm", 40, &["armv6l", "armv7l", "armv8l"]),
    (Processor::I386, "386", 3, &["i386", "i486", "i586", "i686"]),
    (Processor::Riscv64, "riscv64", 243, &["riscv64"]),
    (Processor::Ppc64le, "ppc64le", 21, &["ppc64le"]),
    (Processor::S390x, "s390x", 22, &["s390x"]),
    (Processor::Loong64, "loong64", 258, &["loongarch64"]),
    (Processor::Mips64le, "mips64le", 8, &["mips64"]),
];

/// A processor that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no processor that is known here")]
pub struct UnknownProcessor(String);

impl Processor {
    /// Go's name, as `ETCD_UNSUPPORTED_ARCH` wants it.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The likely one of a machine of which only `uname -m` is known.
    pub fn of_machine(machine: &str) -> Option<Self> {
        PROCESSORS.iter().find(|row| row.3.contains(&machine)).map(|row| row.0)
    }

    /// The one that an ELF file is for, by its first 20 bytes (`e_ident`, `e_type`, `e_machine`).
    pub fn of_elf(header: &[u8; 20]) -> Option<Self> {
        if header[..4] != *b"\x7fELF" {
            return None;
        }
        let machine = [header[18], header[19]];
        let machine =
            if header[5] == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) };
        PROCESSORS.iter().find(|row| row.2 == machine).map(|row| row.0)
    }

    /// Whether addresses have 32 bits: then etcd's database must be small, since it is mapped into
    /// memory.
    pub fn is_32_bit(self) -> bool {
        matches!(self, Self::Arm | Self::I386)
    }

    /// Whether etcd of that version starts on it without being told that it may (etcd:
    /// etcdmain/etcd.go, `checkSupportArch`).
    pub fn is_supported_by(self, version: EtcdVersion) -> bool {
        match self {
            Self::Amd64 | Self::Ppc64le => true,
            Self::Arm64 | Self::S390x => version.minor >= 5,
            _ => false,
        }
    }

    fn row(self) -> &'static (Self, &'static str, u16, &'static [&'static str]) {
        PROCESSORS.iter().find(|row| row.0 == self).expect("every processor has its row")
    }
}

impl TryFrom<String> for Processor {
    type Error = UnknownProcessor;

    fn try_from(text: String) -> Result<Self, UnknownProcessor> {
        text.parse()
    }
}

impl From<Processor> for String {
    fn from(processor: Processor) -> Self {
        processor.name().into()
    }
}

impl FromStr for Processor {
    type Err = UnknownProcessor;

    fn from_str(text: &str) -> Result<Self, UnknownProcessor> {
        let row = PROCESSORS.iter().find(|row| row.1 == text);
        row.map(|row| row.0).ok_or_else(|| UnknownProcessor(text.into()))
    }
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_unknown_ones_are_refused() {
        for row in &PROCESSORS {
            assert_eq!(row.1.parse(), Ok(row.0));
            assert_eq!(row.0.to_string(), row.1);
        }
        assert!("aarch64".parse::<Processor>().is_err(), "that is uname's name");
        assert_eq!(Processor::of_machine("armv7l"), Some(Processor::Arm));
        assert_eq!(Processor::of_machine("vax"), None);
    }

    #[test]
    fn a_32_bit_arm_binary_is_told_from_its_header() {
        let mut header = [0; 20];
        header[..6].copy_from_slice(b"\x7fELF\x01\x01");
        header[18] = 40;
        assert_eq!(Processor::of_elf(&header), Some(Processor::Arm));
        header[..6].copy_from_slice(b"\x7fELF\x02\x02");
        header[18..].copy_from_slice(&[0, 22]);
        assert_eq!(Processor::of_elf(&header), Some(Processor::S390x));
        assert_eq!(Processor::of_elf(b"#!/bin/sh\nexec etcd "), None);
    }
}

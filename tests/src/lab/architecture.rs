//! The processors whose programs a host can run: this machine's own, and 64-bit ARM, which a
//! Raspberry Pi has, through an emulator.

use std::env::consts;

use serde::{Deserialize, Serialize};

/// A processor's instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// Intel and AMD, 64 bits.
    X86_64,
    /// ARM, 64 bits.
    Aarch64,
}

impl Architecture {
    /// As Rust, Linux and Alpine call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian and Go call it.
    pub(crate) fn debian_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// Whether this machine runs its programs without an emulator.
    pub(crate) fn is_this_machines(self) -> bool {
        self.name() == consts::ARCH
    }
}

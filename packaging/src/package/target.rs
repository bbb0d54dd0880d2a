//! What is built for whom: three processors, two products, and what each is called by whom.

use std::str::FromStr;

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A Raspberry Pi 3 or newer with a 64-bit system.
    Aarch64,
    /// A Raspberry Pi 2 or newer with a 32-bit system.
    Armv7,
    /// A workstation.
    X86_64,
}

impl Target {
    pub(crate) const ALL: [Self; 3] = [Self::Aarch64, Self::Armv7, Self::X86_64];

    /// What is made for it: a coordinator of some hundred nodes is no work for 32 bits.
    pub(super) fn products(self) -> &'static [Product] {
        match self {
            Self::Aarch64 | Self::X86_64 => &[Product::Agent, Product::Coordinator],
            Self::Armv7 => &[Product::Agent],
        }
    }

    /// Rust's name.
    pub(super) fn triple(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-linux-musl",
            Self::Armv7 => "armv7-unknown-linux-musleabihf",
            Self::X86_64 => "x86_64-unknown-linux-musl",
        }
    }

    /// nfpm's name, which is Go's.
    pub(super) fn go_arch(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::Armv7 => "arm7",
            Self::X86_64 => "amd64",
        }
    }

    /// Alpine's name.
    pub(super) fn apk_arch(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
            Self::X86_64 => "x86_64",
        }
    }

    /// Debian's name.
    pub(super) fn deb_arch(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::Armv7 => "armhf",
            Self::X86_64 => "amd64",
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|target| target.apk_arch() == text);
        known.ok_or_else(|| format!("{text:?} is none of aarch64, armv7, x86_64"))
    }
}

/// What is installed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// On a node.
    Agent,
    /// On a workstation: the coordinator and coordctl.
    Coordinator,
}

impl Product {
    /// Of the crate and of the packages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "pilaster-agent",
            Self::Coordinator => "pilaster-coordinator",
        }
    }

    pub(super) fn binaries(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &["pilaster-agent"],
            Self::Coordinator => &["pilaster-coordinator", "coordctl"],
        }
    }

    /// Cargo's profile: a node gets the smallest, a workstation the fastest.
    pub(super) fn profile(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Coordinator => "release",
        }
    }
}

impl FromStr for Product {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Agent, Self::Coordinator].into_iter().find(|p| p.name() == text);
        known.ok_or_else(|| format!("{text:?} is none of pilaster-agent, pilaster-coordinator"))
    }
}

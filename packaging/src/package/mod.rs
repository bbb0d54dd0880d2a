//! `cargo xtask package`: static binaries, and packages of them.
//!
//! [`toolbox`] sets up what is needed, [`compile`] builds, [`bundle`] makes .apk and .deb by nfpm,
//! [`sbom`] says what is in them. The same commit gives the same bytes, in any folder: paths are
//! written out of the binaries, every time is the commit's, and nothing is signed here (a signature
//! is put in front of an .apk by [`crate::apk`]).

mod bundle;
mod compile;
#[cfg(test)]
mod recipes;
mod sbom;
mod target;
mod toolbox;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use ring::digest::{SHA256, digest};

use crate::failure::{Failure, at, note, say};
use crate::stage::put;
pub(crate) use target::{Product, Target};
use toolbox::Toolbox;

const SUMS: &str = "SHA256SUMS";

/// The workspace's folder.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("packaging/ lies in the workspace")
}

/// `target/packages`.
pub(crate) fn default_out() -> PathBuf {
    workspace().join("target/packages")
}

/// What one run makes, for every target: which version, at what time.
struct Release {
    version: String,
    revision: u32,
    /// Of the last commit, or `SOURCE_DATE_EPOCH`: seconds since 1970.
    epoch: u64,
}

impl Release {
    fn new(revision: u32) -> Result<Self, Failure> {
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => said(
                Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(workspace()),
            )?,
        };
        let epoch = epoch.trim().parse().map_err(|_| {
            let cause = format!("{:?} is no number of seconds since 1970", epoch.trim());
            Failure::new("cannot tell the time of the release", cause, "set SOURCE_DATE_EPOCH")
        })?;
        Ok(Self { version: env!("CARGO_PKG_VERSION").into(), revision, epoch })
    }

    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.epoch)
    }

    /// How apk writes it: `0.1.0-r0`.
    fn apk_version(&self) -> String {
        format!("{}-r{}", self.version, self.revision)
    }
}

/// Makes the packages of `targets` in `out`; of every product, or of one.
pub(crate) fn run(
    targets: &[Target],
    only_product: Option<Product>,
    out: Option<PathBuf>,
    revision: u32,
) -> Result<(), Failure> {
    let out = std::path::absolute(out.unwrap_or_else(default_out)).map_err(|error| {
        Failure::new("cannot name the folder", error.to_string(), "give --out an absolute path")
    })?;
    let release = Release::new(revision)?;
    let toolbox = Toolbox::set_up()?;
    fs::create_dir_all(&out).map_err(at("make", &out))?;
    let (mut made, mut sizes) = (Vec::new(), Vec::new());
    for &target in targets {
        let wanted = |product: &&Product| only_product.is_none_or(|only| only == **product);
        for &product in target.products().iter().filter(wanted) {
            let binaries = compile::compile(&toolbox, target, product)?;
            for binary in &binaries {
                sizes.push((name_of(binary), target, length(binary)?));
            }
            let files = [
                bundle::bundle(&toolbox, &release, target, product, &binaries, &out)?,
                vec![sbom::write(&release, target, product, &out)?],
            ]
            .concat();
            for file in &files {
                sizes.push((name_of(file), target, length(file)?));
            }
            made.extend(files);
        }
    }
    made.sort();
    let mut sums = String::new();
    for file in &made {
        let content = fs::read(file).map_err(at("read", file))?;
        let hash = data_encoding::HEXLOWER.encode(digest(&SHA256, &content).as_ref());
        sums.push_str(&format!("{hash}  {}\n", name_of(file)));
    }
    put(&out.join(SUMS), sums.as_bytes(), 0o644)?;
    note(format_args!("packages of {} stand in {}", release.apk_version(), out.display()));
    for line in table(&sizes) {
        say(line);
    }
    Ok(())
}

/// Runs nfpm.
pub(crate) fn nfpm(words: &[OsString]) -> Result<(), Failure> {
    done(Toolbox::set_up()?.nfpm().args(words))
}

/// A line for each binary and package: `NAME ARCH BYTES`, in columns.
fn table(sizes: &[(String, Target, u64)]) -> Vec<String> {
    let width = sizes.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0).max("FILE".len());
    let mut lines = vec![format!("{:width$}  {:8}  {:>10}", "FILE", "ARCH", "BYTES")];
    lines.extend(sizes.iter().map(|(name, target, bytes)| {
        format!("{name:width$}  {:8}  {bytes:>10}", target.apk_arch())
    }));
    lines
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn length(path: &Path) -> Result<u64, Failure> {
    Ok(fs::metadata(path).map_err(at("look at", path))?.len())
}

/// Runs a command whose output goes to the terminal.
fn done(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(failed(command, &format!("{status}; see above"))) }
}

/// Runs a command, and gives what it printed.
fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(failed(command, &format!("{}: {}", output.status, stderr.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    Failure::new(format!("cannot run {program}"), error.to_string(), format!("install {program}"))
}

fn failed(command: &Command, cause: &str) -> Failure {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let line = format!("{} {}", command.get_program().to_string_lossy(), words.join(" "));
    Failure::new(format!("{line} failed"), cause, "run it by hand to see more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_file_in_columns() {
        let sizes =
            [("a".into(), Target::Armv7, 12), ("pilaster-agent".into(), Target::X86_64, 3_456_789)];
        assert_eq!(
            table(&sizes),
            [
                "FILE            ARCH           BYTES",
                "a               armv7             12",
                "pilaster-agent  x86_64       3456789",
            ]
        );
    }
}

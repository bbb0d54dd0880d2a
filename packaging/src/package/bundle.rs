//! Makes the .apk and the .deb of a product by nfpm, out of a folder whose every file has the
//! release's time.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

use super::target::{Product, Target};
use super::toolbox::Toolbox;
use super::{Release, name_of, said, workspace};
use crate::failure::{Failure, at};
use crate::stage::put;

/// What of packaging/ goes into packages.
const FOLDERS: [&str; 7] = ["nfpm", "openrc", "systemd", "apk", "deb", "completions", "man"];

/// Makes both packages, and says where they are.
pub(super) fn bundle(
    toolbox: &Toolbox,
    release: &Release,
    target: Target,
    product: Product,
    binaries: &[PathBuf],
    out: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let inputs = workspace().join("target/package/inputs");
    if inputs.exists() {
        fs::remove_dir_all(&inputs).map_err(at("remove", &inputs))?;
    }
    for (from, to) in sources(binaries)? {
        lay_in(&from, &inputs.join(to))?;
    }
    set_times(&inputs, release)?;
    let mut made = Vec::new();
    for (format, file) in [
        ("apk", format!("{}-{}.{}.apk", product.name(), release.apk_version(), target.apk_arch())),
        (
            "deb",
            format!(
                "{}_{}-{}_{}.deb",
                product.name(),
                release.version,
                release.revision,
                target.deb_arch()
            ),
        ),
    ] {
        let file = out.join(file);
        let mut nfpm = toolbox.nfpm();
        nfpm.args(["package", "--config", &format!("nfpm/{}.yaml", product.name())])
            .args(["--packager", format, "--target"])
            .arg(&file)
            .env("ARCH", target.go_arch())
            .env("VERSION", &release.version)
            .env("RELEASE", release.revision.to_string())
            .env("SOURCE_DATE_EPOCH", release.epoch.to_string())
            .current_dir(&inputs);
        said(&mut nfpm)?;
        made.push(file);
    }
    Ok(made)
}

/// Each file that may go into a package, and where it lies among nfpm's inputs.
fn sources(binaries: &[PathBuf]) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let mut sources = vec![(workspace().join("LICENSE"), PathBuf::from("LICENSE"))];
    sources
        .extend(binaries.iter().map(|path| (path.clone(), Path::new("bin").join(name_of(path)))));
    for folder in FOLDERS {
        let from = workspace().join("packaging").join(folder);
        let entries = fs::read_dir(&from).map_err(at("read", &from))?;
        sources.extend(entries.flatten().map(|entry| {
            let path = entry.path();
            let to = Path::new(folder).join(name_of(&path));
            (path, to)
        }));
    }
    Ok(sources)
}

/// Copies a file; a manual page is compressed, as Debian's policy asks (12.1).
fn lay_in(from: &Path, to: &Path) -> Result<(), Failure> {
    let content = fs::read(from).map_err(at("read", from))?;
    if to.parent().is_none_or(|parent| !parent.ends_with("man")) {
        return put(to, &content, 0o644);
    }
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(&content).map_err(at("compress", from))?;
    let content = gzip.finish().map_err(at("compress", from))?;
    put(&to.with_file_name(format!("{}.gz", name_of(to))), &content, 0o644)
}

fn set_times(folder: &Path, release: &Release) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(at("read", folder))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            set_times(&path, release)?;
        } else {
            let file = fs::File::options().write(true).open(&path).map_err(at("open", &path))?;
            file.set_modified(release.time()).map_err(at("set the time of", &path))?;
        }
    }
    Ok(())
}

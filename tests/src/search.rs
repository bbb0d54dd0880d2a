//! Finds the bytes of secrets in files: the test of promise 1 looks for each private key outside
//! its own file.
//!
//! Reads every regular file below a folder, follows no symbolic link and stays on the folder's file
//! system.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::error::{LabError, at};

/// How much of a file is held at once, in bytes.
const CHUNK: usize = 1 << 20;

/// What is looked for. An empty one is never found.
#[derive(Debug, Clone)]
pub struct Needle {
    /// How a [`Hit`] calls it.
    pub name: String,
    /// The bytes themselves.
    pub bytes: Vec<u8>,
}

/// One place where a needle lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The file.
    pub path: PathBuf,
    /// [`Needle::name`].
    pub needle: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
}

/// Every place below `root` where one of `needles` lies; files and folders in `skip` are left out.
/// A file that vanishes meanwhile is no error.
///
/// # Errors
/// A file or folder that cannot be read: then "nothing found" would not be true.
pub fn find_bytes(root: &Path, needles: &[Needle], skip: &[&Path]) -> Result<Vec<Hit>, LabError> {
    let device = fs::symlink_metadata(root).map_err(at("look at", root))?.dev();
    let automaton = automaton(needles);
    let mut hits = Vec::new();
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        if skip.contains(&path.as_path()) {
            continue;
        }
        let Some(metadata) =
            unless_gone(fs::symlink_metadata(&path)).map_err(at("look at", &path))?
        else {
            continue;
        };
        if metadata.is_dir() && metadata.dev() == device {
            let Some(folder) = unless_gone(fs::read_dir(&path)).map_err(at("list", &path))? else {
                continue;
            };
            for entry in folder {
                paths.push(entry.map_err(at("list", &path))?.path());
            }
        } else if metadata.is_file() {
            let Some(file) = unless_gone(File::open(&path)).map_err(at("open", &path))? else {
                continue;
            };
            find_in(file, &path, needles, &automaton, CHUNK, &mut hits)?;
        }
    }
    hits.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    Ok(hits)
}

/// All needles at once: one pass over the bytes, however many there are.
fn automaton(needles: &[Needle]) -> AhoCorasick {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .build(needles.iter().map(|needle| &needle.bytes))
        .expect("some hundred needles of some hundred bytes fit")
}

fn unless_gone<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Reads `file` in pieces of `chunk` bytes; each piece begins with the end of the one before, so
/// that no needle is cut in two.
fn find_in(
    mut file: impl Read,
    path: &Path,
    needles: &[Needle],
    automaton: &AhoCorasick,
    chunk: usize,
    hits: &mut Vec<Hit>,
) -> Result<(), LabError> {
    let overlap =
        needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or(0).saturating_sub(1);
    let mut window = Vec::with_capacity(overlap + chunk);
    let mut window_offset = 0;
    loop {
        let kept = window.len();
        let read =
            file.by_ref().take(chunk as u64).read_to_end(&mut window).map_err(at("read", path))?;
        if read == 0 {
            return Ok(());
        }
        for found in automaton.find_overlapping_iter(&window) {
            // What lies whole in the kept part was found in the piece before.
            if found.end() > kept && !found.is_empty() {
                hits.push(Hit {
                    path: path.to_owned(),
                    needle: needles[found.pattern().as_usize()].name.clone(),
                    offset: window_offset + found.start() as u64,
                });
            }
        }
        let gone = window.len().saturating_sub(overlap);
        window.drain(..gone);
        window_offset += gone as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needle(name: &str, bytes: &str) -> Needle {
        Needle { name: name.to_owned(), bytes: bytes.into() }
    }

    /// Offsets at which `needles` lie in `haystack`, read in pieces of `chunk` bytes.
    fn offsets(haystack: &str, needles: &[Needle], chunk: usize) -> Vec<(String, u64)> {
        let mut hits = Vec::new();
        find_in(
            haystack.as_bytes(),
            Path::new("x"),
            needles,
            &automaton(needles),
            chunk,
            &mut hits,
        )
        .unwrap();
        hits.into_iter().map(|hit| (hit.needle, hit.offset)).collect()
    }

    #[test]
    fn every_needle_is_found_once_wherever_the_pieces_end() {
        let needles = [needle("key", "SECRET"), needle("short", "CR")];
        for chunk in 1..20 {
            let mut found = offsets("abSECRETcdSECRETSECRET", &needles, chunk);
            found.sort();
            let key = |offset| ("key".to_owned(), offset);
            let short = |offset| ("short".to_owned(), offset);
            assert_eq!(
                found,
                [key(2), key(10), key(16), short(4), short(12), short(18)],
                "chunk {chunk}"
            );
        }
    }

    #[test]
    fn an_empty_needle_is_found_nowhere() {
        assert_eq!(offsets("abc", &[needle("empty", "")], 2), []);
    }

    #[test]
    fn a_needle_across_the_real_chunk_boundary_is_found_and_what_is_skipped_is_not() {
        let root = std::env::temp_dir().join(format!("pilaster-search-{}", std::process::id()));
        fs::create_dir_all(root.join("own")).unwrap();
        let mut big = vec![b'.'; CHUNK - 3];
        big.extend_from_slice(b"SECRET");
        fs::write(root.join("big"), big).unwrap();
        fs::write(root.join("own/key"), "SECRET").unwrap();
        std::os::unix::fs::symlink(root.join("own"), root.join("link")).unwrap();

        let needles = [needle("key", "SECRET")];
        let hits = find_bytes(&root, &needles, &[&root.join("own/key")]).unwrap();
        let all = find_bytes(&root, &needles, &[]).unwrap();
        fs::remove_dir_all(&root).unwrap();

        let hit =
            Hit { path: root.join("big"), needle: "key".to_owned(), offset: CHUNK as u64 - 3 };
        assert_eq!(hits, [hit]);
        assert_eq!(all.len(), 2, "{all:?}");
    }
}

//! The arrows of ARCHITECTURE.md: a room imports only rooms that stand on a line below its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of rooms, the outermost first.
type Lists = Vec<Vec<String>>;

/// The list of a crate in ARCHITECTURE.md.
fn lists(architecture: &str, of: &str) -> Lists {
    let begin = format!("```rooms {of}\n");
    let (_, behind) = architecture.split_once(&begin).expect("the crate has a list");
    let (lists, _) = behind.split_once("```").expect("the list ends");
    lists.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Which rooms each room of a crate imports, in what is shipped.
fn imports(source: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files(source) {
        let inside = file.strip_prefix(source).expect("below");
        let room = inside.iter().next().and_then(|part| Path::new(part).file_stem());
        let room = room.expect("a name").to_string_lossy().into_owned();
        let path = inside.to_string_lossy();
        let is_shipped = !path.contains("test") && !path.ends_with("manual.rs");
        if !is_shipped || ["lib", "main", "bin"].contains(&room.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("reads");
        let imported = found.entry(room).or_default();
        imported.extend(named(text.split("\n#[cfg(test)]").next().unwrap_or_default()));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("reads").map(|entry| entry.expect("reads").path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The rooms that a text names behind `crate::`.
fn named(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join(" ");
    let behind = code.split("crate::").skip(1).flat_map(|behind| {
        let (group, _) = behind.split_once('}').unwrap_or((behind, ""));
        let names: Vec<&str> = match group.strip_prefix('{') {
            Some(group) => group.split(',').collect(),
            None => vec![behind],
        };
        names.into_iter().map(first_word).collect::<Vec<_>>()
    });
    behind.filter(|name| name.chars().next().is_some_and(char::is_lowercase)).collect()
}

fn first_word(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What goes against the lists.
fn against(lists: &Lists, imports: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let line = |room: &str| lists.iter().position(|line| line.iter().any(|one| one == room));
    let mut wrong = Vec::new();
    for (room, imported) in imports {
        let Some(own) = line(room) else {
            wrong.push(format!("{room} is in no list"));
            continue;
        };
        for other in imported.iter().filter(|other| imports.contains_key(*other)) {
            if other != room && line(other).is_some_and(|other| other <= own) {
                wrong.push(format!("{room} imports {other}"));
            }
        }
    }
    let listed = lists.iter().flatten().filter(|room| !imports.contains_key(*room));
    wrong.extend(listed.map(|room| format!("{room} is listed and not there")));
    wrong.sort();
    wrong.dedup();
    wrong
}

#[test]
fn rooms_look_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("reads");
    for of in ["coordinator", "agent"] {
        let wrong = against(&lists(&architecture, of), &imports(&root.join(of).join("src")));
        assert_eq!(wrong, [""; 0], "{of}");
    }
}

#[test]
fn a_room_that_looks_up_or_aside_or_is_not_listed_is_found() {
    let lists = vec![vec!["outer".into()], vec!["one".into(), "two".into(), "gone".into()]];
    let imports = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(room, text)| ((*room).to_owned(), named(text)));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let found = imports(&[
        ("outer", "use crate::{one::A, two};"),
        ("one", "use crate::two::B; // crate::outer"),
        ("two", "fn f() { crate::outer::g() }"),
        ("new", ""),
    ]);
    assert_eq!(
        against(&lists, &found),
        [
            "gone is listed and not there",
            "new is in no list",
            "one imports two",
            "two imports outer"
        ]
    );
}

//! The marked block in `/etc/hosts`, so that members find each other while the router is still booting (FIELD.md, 7, DNS).
//!
//! Pure: a file's text in, its new text out. All outside the marks stays as it is.

use std::net::IpAddr;

const BEGINS: &str = "# pilaster: begin (kept by pilaster-agent; lines in here are replaced)";
const ENDS: &str = "# pilaster: end";

/// One line: an address and its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The address.
    pub address: IpAddr,
    /// Names that lead to it, the canonical one first.
    pub names: Vec<String>,
}

/// The block as text, marks included.
pub fn render(entries: &[HostEntry]) -> String {
    let lines: String = entries
        .iter()
        .map(|entry| format!("{}\t{}\n", entry.address, entry.names.join(" ")))
        .collect();
    format!("{BEGINS}\n{lines}{ENDS}\n")
}

/// `present` with its block replaced by one of `entries`; with no entries the block goes away.
pub fn replace_in(present: &str, entries: &[HostEntry]) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in present.lines() {
        match line {
            BEGINS => inside = true,
            ENDS if inside => inside = false,
            _ if inside => {}
            _ => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    if entries.is_empty() {
        return kept;
    }
    kept + &render(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<HostEntry> {
        vec![HostEntry {
            address: [192, 168, 7, 11].into(),
            names: vec!["m-1.edge.example".into(), "m-1".into()],
        }]
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let own = "127.0.0.1 localhost\n# mine\n10.0.0.1 router";
        let with = replace_in(own, &entries());
        assert_eq!(with, format!("{own}\n{}", render(&entries())));
        assert!(with.contains("192.168.7.11\tm-1.edge.example m-1\n"));
        assert_eq!(replace_in(&with, &entries()), with);
        assert_eq!(replace_in(&with, &[]), format!("{own}\n"));
        assert_eq!(replace_in("", &[]), "");
    }
}

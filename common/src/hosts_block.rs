//! The marked block in `/etc/hosts`, so that members find each other while the router is still
//! booting.
//!
//! Pure: a file's text in, its new text out. All outside the marks stays as it is.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

const BEGINS: &str = "# pilaster: begin (kept by pilaster-agent; lines in here are replaced)";
const ENDS: &str = "# pilaster: end";

/// One line: an address and its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
/// Where somebody has deleted the end mark, only lines of the form that is rendered here go with
/// the begin mark: a person's lines stay.
pub fn replace_in(present: &str, entries: &[HostEntry]) -> String {
    let lines: Vec<&str> = present.lines().collect();
    let mut kept = String::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() == BEGINS {
            let rest = &lines[at + 1..];
            at += 1 + match rest.iter().position(|line| line.trim() == ENDS) {
                Some(end) if !rest[..end].iter().any(|line| line.trim() == BEGINS) => end + 1,
                _ => rest.iter().take_while(|line| is_rendered(line)).count(),
            };
            continue;
        }
        kept.push_str(lines[at]);
        kept.push('\n');
        at += 1;
    }
    if entries.is_empty() {
        return kept;
    }
    kept + &render(entries)
}

fn is_rendered(line: &str) -> bool {
    line.split_once('\t').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok())
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

    #[test]
    fn a_lost_or_touched_end_mark_takes_no_line_of_a_persons_along() {
        let block = render(&entries());
        let lost = format!(
            "127.0.0.1 localhost\n{}10.0.0.1 router\n",
            block.replace(ENDS, "").trim_end_matches('\n').to_owned() + "\n"
        );
        assert_eq!(replace_in(&lost, &[]), "127.0.0.1 localhost\n10.0.0.1 router\n");
        let touched = format!("{}10.0.0.1 router\n", block.replace(ENDS, &format!("{ENDS}  ")));
        assert_eq!(replace_in(&touched, &[]), "10.0.0.1 router\n");
        let twice = format!("{}{block}10.0.0.1 router\n", block.replace(&format!("{ENDS}\n"), ""));
        assert_eq!(replace_in(&twice, &[]), "10.0.0.1 router\n");
    }
}

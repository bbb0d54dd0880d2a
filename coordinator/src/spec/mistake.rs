//! How a mistake in a spec is told: the file, the line and the column, the line itself with the
//! place underlined, what is wrong and what to do.

use std::fmt;

use pilaster_common::error::{Help, plain};
use unicode_width::UnicodeWidthChar;

/// Mistakes that are shown at once; a file of another kind has hundreds.
const SHOWN_MAX: usize = 10;
/// Characters of a message; the longest that is ours lists all keys of etcd.
const MESSAGE_MAX: usize = 700;
/// Characters of a line that are shown.
const EXCERPT_MAX: usize = 100;

/// Where in the text: 1 for the first line and the first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
    /// Characters that are meant, on that line.
    pub width: usize,
}

impl Place {
    pub(super) const FIRST: Self = Self { line: 1, column: 1, width: 1 };
}

/// One mistake, before it is shown with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) place: Place,
    /// What is wrong.
    pub(super) message: String,
    /// What is allowed, or what to do.
    pub(super) help: String,
}

impl Mistake {
    pub(super) fn new(place: Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { place, message: told(message.into()), help: told(help.into()) }
    }
}

/// Safe on a terminal and of bounded length, whatever stands in the file: a value may be as long as
/// the file.
fn told(text: String) -> String {
    let cut = match text.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    plain(&cut)
}

/// Why a spec is refused: all mistakes that could be found in one go, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSpec {
    file: Option<String>,
    /// At least one, by their places.
    mistakes: Vec<Mistake>,
    /// The line of each that is shown, underlined.
    excerpts: Vec<String>,
}

impl BadSpec {
    /// From at least one mistake in `text`.
    pub(super) fn new(text: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.place);
        let shown = mistakes.iter().take(SHOWN_MAX);
        let excerpts = shown.map(|mistake| excerpt(text, mistake.place)).collect();
        Self { file: None, mistakes, excerpts }
    }

    /// The same, told with the name of the file that a person typed.
    #[must_use]
    pub fn in_file(self, file: impl fmt::Display) -> Self {
        Self { file: Some(file.to_string()), ..self }
    }

    /// Where the mistakes are, in the text's order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.mistakes.iter().map(|mistake| mistake.place)
    }
}

impl fmt::Display for BadSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        let told = |mistake: &Mistake| {
            let Place { line, column, .. } = mistake.place;
            format!("{file}line {line}, column {column}: {}", mistake.message)
        };
        if let ([only], [excerpt]) = (&self.mistakes[..], &self.excerpts[..]) {
            return write!(f, "{}\n{excerpt}", told(only));
        }
        write!(f, "{file}{} mistakes", self.mistakes.len())?;
        for (mistake, excerpt) in self.mistakes.iter().zip(&self.excerpts) {
            write!(f, "\n{}\n{excerpt}\n  = {}", told(mistake), mistake.help)?;
        }
        match self.mistakes.len().checked_sub(SHOWN_MAX) {
            Some(more @ 1..) => write!(f, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BadSpec {}

impl Help for BadSpec {
    fn help(&self) -> Option<String> {
        Some(match &self.mistakes[..] {
            [only] => only.help.clone(),
            _ => format!(
                "mend them, then look again: coordctl validate {}",
                match self.file.as_deref() {
                    Some("stdin") => "-",
                    file => file.unwrap_or("FILE"),
                }
            ),
        })
    }
}

/// The line, and carets below what is meant. Of a long line, the part around the place.
fn excerpt(text: &str, place: Place) -> String {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    let start = place.column - 1;
    let skipped = (start + 20).saturating_sub(EXCERPT_MAX);
    let shown: Vec<char> = line.chars().skip(skipped).take(EXCERPT_MAX).map(visible).collect();
    let before = start.saturating_sub(skipped).min(shown.len());
    let columns =
        |characters: &[char]| characters.iter().map(|c| c.width().unwrap_or(1)).sum::<usize>();
    let meant = &shown[before..(before + place.width.max(1)).min(shown.len())];
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    let carets = "^".repeat(columns(meant).max(1));
    let indent = " ".repeat(columns(&shown[..before]));
    let shown: String = shown.iter().collect();
    format!("{number} | {}\n{gutter} | {indent}{carets}", shown.trim_end())
}

/// What a terminal shows in one place: a tab or another control character would move what stands
/// behind it.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, column: usize, width: usize, outcome: &str) {
        let place = Place { line: 1, column, width };
        assert_eq!(excerpt(line, place), format!("1 | {outcome}"));
    }

    #[test]
    fn carets_stand_below_what_is_meant() {
        check("domain: edge", 9, 4, "domain: edge\n  |         ^^^^");
        check("名: 集群", 4, 2, "名: 集群\n  |     ^^^^");
        check("\tx: 1\r", 2, 1, " x: 1\u{fffd}\n  |  ^");
        check("", 1, 0, "\n  | ^");
        check("x", 9, 3, "x\n  |  ^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let line = format!("{}here{}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt(&line, Place { line: 1, column: 501, width: 4 });
        let (above, below) = shown.split_once('\n').expect("two lines");
        assert_eq!(above.find("here"), below.find("^^^^"));
        assert!(above.len() <= EXCERPT_MAX + 4);
    }

    #[test]
    fn several_mistakes_are_told_at_once_and_a_flood_is_cut() {
        let text = "a: 1\n".repeat(12);
        let at = |line| Mistake::new(Place { line, column: 1, width: 1 }, "wrong", "mend it");
        let told = BadSpec::new(&text, vec![at(2), at(1)]).in_file("x.yml");
        let (cause, help) = (told.to_string(), told.help().expect("help"));
        assert!(cause.starts_with(
            "x.yml: 2 mistakes\nx.yml: line 1, column 1: wrong\n1 | a: 1\n  | ^\n  = mend it\nx.yml: line 2"
        ), "{cause}");
        assert_eq!(help, "mend them, then look again: coordctl validate x.yml");
        let flood = BadSpec::new(&text, (1..=12).map(at).collect()).to_string();
        assert!(flood.ends_with("and 2 more"), "{flood}");
    }
}

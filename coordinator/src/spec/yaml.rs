//! From text to a tree of values, each with its place. The only module that knows the YAML reader.
//!
//! A spec needs little of YAML, and the rest is refused with its place: aliases (a few lines can
//! stand for gigabytes), tags, directives, a second document, depth. Reading ends at the first
//! mistake, because what follows one in YAML is a guess.

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::mistake::{Mistake, Place};

/// Bytes of a spec. One of a hundred members has 10 kB.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// Levels of maps and lists in each other; a spec has four.
const DEPTH_MAX: usize = 16;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// As written, escapes resolved; `plain` without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In the text's order; a key may stand there twice.
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
}

impl Node {
    /// What stands behind a key; `None` where it is missing, or has no value.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        let found = entries.iter().find(|(key, _)| key.name == name);
        found.map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// What stands in the list behind a key.
    pub(super) fn list(&self, name: &str) -> &[Self] {
        self.get(name).map_or(&[], Self::items)
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> &str {
        match &self.value {
            Value::Scalar { text, .. } => text,
            Value::List(_) | Value::Map(_) => "",
        }
    }

    pub(super) fn is_null(&self) -> bool {
        let Value::Scalar { text, plain } = &self.value else { return false };
        resolve(text, *plain) == Resolved::Null
    }
}

/// What YAML 1.2's core schema takes a scalar for (YAML 1.2.2, 10.3.2): what an editor that checks
/// the file sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    /// An integer or a fraction.
    Number,
    Text,
}

/// Resolves a scalar as the core schema does.
pub(super) fn resolve(text: &str, plain: bool) -> Resolved {
    if !plain {
        return Resolved::Text;
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        _ if is_number(text) => Resolved::Number,
        _ => Resolved::Text,
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let all =
        |digits: &str, base| !digits.is_empty() && digits.chars().all(|c: char| c.is_digit(base));
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, 8);
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
        && unsigned.parse::<f64>().is_ok()
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, Mistake> {
    check_characters(text)?;
    let options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut reader = Reader { events: Parser::new_from_str_with_options(text, options) };
    let root = loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (Event::StreamEnd, _) => {
                return Err(Mistake::new(
                    Place::FIRST,
                    "there is nothing in it but comments and blank lines",
                    "`coordctl init NAME …` writes a first spec",
                ));
            }
            (event, span) => break reader.node(event, span, 0)?,
        }
    };
    loop {
        match reader.next()? {
            (Event::DocumentEnd, _) => {}
            (Event::StreamEnd, _) => return Ok(root),
            (_, span) => {
                return Err(Mistake::new(
                    place(span),
                    "a second document begins here",
                    "one file holds one spec: put each cluster into a file of its own",
                ));
            }
        }
    }
}

struct Reader<'text> {
    events: Parser<'text, granit_parser::StrInput<'text>>,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Mistake> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(told(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Mistake> {
        let place = place(span);
        if depth > DEPTH_MAX {
            return Err(too_deep(place));
        }
        if let Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, _, Some(_))
        | Event::MappingStart(_, _, Some(_)) = event
        {
            return Err(Mistake::new(
                place,
                "this value has a tag (!…), and a spec needs none",
                "remove it: each key knows its type",
            ));
        }
        let value = match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                Value::Scalar { text: text.into_owned(), plain }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, _) => break Value::Map(entries),
                        (event, span) => {
                            let key = key(self.node(event, span, depth + 1)?)?;
                            let (event, span) = self.next()?;
                            entries.push((key, self.node(event, span, depth + 1)?));
                        }
                    }
                }
            }
            Event::Alias(_) => {
                return Err(Mistake::new(
                    place,
                    "an alias (*…) stands for something written elsewhere",
                    "write it out here: a spec is read by people, and has no aliases",
                ));
            }
            _ => return Err(Mistake::new(place, "there is no value here", "write one")),
        };
        Ok(Node { place, value })
    }
}

fn key(node: Node) -> Result<Key, Mistake> {
    match node.value {
        Value::Scalar { text, .. } => Ok(Key { place: node.place, name: text }),
        _ => Err(Mistake::new(
            node.place,
            "a list or a map stands where a key is wanted",
            "write key: value",
        )),
    }
}

/// What a text may not have anywhere, before YAML is asked: its own words for these are hard to
/// read.
fn check_characters(text: &str) -> Result<(), Mistake> {
    if text.len() > BYTES_MAX {
        return Err(Mistake::new(
            Place::FIRST,
            format!(
                "the file has {} bytes, and a spec has at most {BYTES_MAX} (1 MiB)",
                text.len()
            ),
            "is it the right file?",
        ));
    }
    for (number, line) in text.split('\n').enumerate() {
        let at = |column: usize| Place { line: number + 1, column: column + 1, width: 1 };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some((column, c)) = line.chars().enumerate().find(|(_, c)| is_unreadable(*c)) {
            return Err(Mistake::new(
                at(column),
                format!("the character {} is not text", c.escape_unicode()),
                "is it the right file? A spec is plain text in UTF-8",
            ));
        }
        let mut indentation = line.chars().take_while(|c| c.is_whitespace());
        let content = line.trim_start();
        if let Some(column) = indentation.position(|c| c == '\t')
            && !content.is_empty()
            && !content.starts_with('#')
        {
            return Err(Mistake::new(
                at(column),
                "a tab indents this line, and YAML takes only spaces",
                "put spaces in its place",
            ));
        }
    }
    Ok(())
}

/// Control characters, and the two that some readers take for line ends: with them, places would
/// differ from an editor's.
fn is_unreadable(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

fn too_deep(place: Place) -> Mistake {
    Mistake::new(
        place,
        format!("maps and lists lie in each other more than {DEPTH_MAX} deep"),
        "is it the right file? A spec has four levels",
    )
}

fn told(error: &ScanError) -> Mistake {
    let at = from_marker(*error.marker(), 1);
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(at),
        ErrorKind::UnknownAnchor => Mistake::new(
            at,
            "a * begins an alias in YAML, and a spec has none",
            "put the text in quotes, if the * belongs to it",
        ),
        _ => {
            let info = error.info();
            let hint = HINTS.iter().find(|(word, _)| info.contains(word));
            let help = hint.map_or(HINT, |(_, hint)| hint);
            Mistake::new(at, format!("this is not YAML: {info}"), help)
        }
    }
}

/// What to do, by a word of what the YAML reader says.
const HINTS: [(&str, &str); 5] = [
    ("quote", "close the quote, or put the whole value in quotes"),
    ("bracket", "close the bracket"),
    ("directive", "remove the line: a spec needs none"),
    ("expected ':'", "is a space missing behind the colon?"),
    (
        "mapping values",
        "is the line indented as its neighbours are? A value with a colon in it needs quotes",
    ),
];
const HINT: &str = "is this line, or the one above it, indented as its neighbours are?";

fn place(span: Span) -> Place {
    let width = match span.start.line() == span.end.line() {
        true => span.end.col().saturating_sub(span.start.col()),
        false => 1,
    };
    from_marker(span.start, width.max(1))
}

fn from_marker(marker: Marker, width: usize) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1, width }
}

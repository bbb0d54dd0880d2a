//! Checks one value against its kind: what is wrong with it, and what could stand there.

use std::time::Duration;

use super::quantity::{parse_size, parse_span, size_text, span_text};
use super::table::{Kind, Wrong, wrong};
use super::yaml::{Resolved, resolve};

/// A value as it is written behind a key or in its list.
#[derive(Clone, Copy)]
pub(super) struct Written<'text> {
    /// Of the key.
    pub(super) name: &'text str,
    pub(super) text: &'text str,
    /// Without quotes.
    pub(super) plain: bool,
}

impl Written<'_> {
    /// Whether it is of this kind.
    pub(super) fn check(self, kind: &Kind) -> Result<(), Wrong> {
        match kind {
            Kind::Text(text) => self.for_yaml(kind).and_then(|()| (text.check)(self.text)),
            Kind::Word(words) => self.word(words),
            Kind::Bool => self.bool(),
            Kind::Count(min, max) => self.count(*min, *max),
            Kind::Span(min, max) => self.span(*min, *max),
            Kind::Size(min, max) => self.size(*min, *max),
            Kind::List(_) | Kind::Section(_) => Ok(()), // not one value's kinds
        }
    }

    fn is(self, what: &str) -> String {
        format!("{} is {:?}, which is {what}", self.name, self.text)
    }

    /// Whether YAML, and with it an editor, takes it for a text.
    fn for_yaml(self, kind: &Kind) -> Result<(), Wrong> {
        let Self { name, text, plain } = self;
        let other = match resolve(text, plain) {
            Resolved::Text => return Ok(()),
            Resolved::Null => {
                return wrong(format!("{name} has no value"), format!("write {}", example(kind)));
            }
            Resolved::Bool(_) => "yes or no",
            Resolved::Number => "a number",
        };
        let message = format!("{name}: {text} is {other} for YAML");
        wrong(message, format!("put it in quotes: \"{text}\""))
    }

    fn word(self, words: &[&str]) -> Result<(), Wrong> {
        if words.contains(&self.text) {
            return Ok(());
        }
        let help = match close(self.text, words.iter().copied()) {
            Some(word) => format!("did you mean {word}? There are: {}", words.join(", ")),
            None => format!("write {}", or(words)),
        };
        wrong(self.is(&format!("none of {}", or(words))), help)
    }

    fn bool(self) -> Result<(), Wrong> {
        let help = match (resolve(self.text, self.plain), self.plain) {
            (Resolved::Bool(_), _) => return Ok(()),
            (_, true) => "write true or false",
            (_, false) => "write true or false, without quotes",
        };
        wrong(self.is("neither true nor false"), help)
    }

    fn count(self, min: u64, max: u64) -> Result<(), Wrong> {
        let text = self.text;
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit())
            && !(text.len() > 1 && text.starts_with('0'));
        match (text.parse(), self.plain) {
            (Ok(count), true) if canonical => self.within(count, min, max, |n| n.to_string()),
            (Ok(_), false) => wrong(self.is("a text"), format!("write {text} without quotes")),
            _ => {
                let example = example(&Kind::Count(min, max));
                let help = format!("write digits alone, {min} to {max}, such as {example}");
                wrong(self.is("no whole number"), help)
            }
        }
    }

    fn span(self, min: u64, max: u64) -> Result<(), Wrong> {
        let Self { name, text, .. } = self;
        let Ok(span) = parse_span(text) else {
            let help = "a number and a unit (ms, s, m, h, d), such as 500ms, 90s, 1h or 365d";
            return wrong(self.is("no time span"), without_unit(text, ["ms", "s"], help));
        };
        let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.within(milliseconds, min, max, in_span)?;
        // certificates have seconds, and so has etcd's retention; only short spans have parts of
        // one
        if max > 3_600_000 && span.subsec_millis() != 0 {
            let message = format!("{name} is {text}, which is not of whole seconds");
            return wrong(message, "write seconds or more, such as 90s");
        }
        Ok(())
    }

    fn size(self, min: u64, max: u64) -> Result<(), Wrong> {
        let Ok(size) = parse_size(self.text) else {
            let help = "a whole number and a unit (KiB, MiB, GiB), such as 512MiB or 2GiB";
            return wrong(self.is("no size"), without_unit(self.text, ["MiB", "GiB"], help));
        };
        self.within(size, min, max, size_text)
    }

    fn within(self, value: u64, min: u64, max: u64, write: fn(u64) -> String) -> Result<(), Wrong> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        let message = format!("{} is {}, out of its range", self.name, self.text);
        wrong(message, format!("{} to {} are allowed", write(min), write(max)))
    }
}

/// What to do about a quantity that is no number with a unit.
fn without_unit(text: &str, units: [&str; 2], help: &str) -> String {
    let bytes = text.parse().ok().filter(|bytes| units[0] == "MiB" && *bytes >= 1 << 20);
    if let Some(bytes) = bytes.filter(|bytes: &u64| bytes.is_multiple_of(1 << 10)) {
        return format!("if it is bytes, write {}", size_text(bytes)); // as etcd's own file has them
    }
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("say of what: {text}{} or {text}{}?", units[0], units[1]),
        false => format!("give {help}"),
    }
}

fn in_span(milliseconds: u64) -> String {
    span_text(Duration::from_millis(milliseconds))
}

fn or(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.join(""),
    }
}

/// What could stand there.
pub(super) fn example(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) => text.example.into(),
        Kind::Word(words) => words[0].into(),
        Kind::Bool => "true".into(),
        Kind::Count(min, max) => 1000.clamp(*min, *max).to_string(),
        Kind::Span(min, max) => in_span(1000.clamp(*min, *max)),
        Kind::Size(min, max) => size_text((512 << 20).clamp(*min, *max)),
        Kind::List(of) => format!("[{}]", example(of)),
        Kind::Section(section) => {
            let field = &section.fields[0];
            format!("{{{}: {}}}", field.name, example(&field.kind))
        }
    }
}

/// The nearest word, at most a third of it away.
pub(super) fn close<'words>(
    word: &str,
    words: impl Iterator<Item = &'words str>,
) -> Option<&'words str> {
    // nobody means a key by this, and the distance costs the product of both lengths
    const LONG: usize = 64;
    if word.len() > LONG {
        return None;
    }
    words
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

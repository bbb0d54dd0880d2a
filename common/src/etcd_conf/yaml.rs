//! YAML as etcd's reader takes it: plain scalars only where YAML 1.1 and 1.2 agree that they are
//! strings, all others quoted.

/// A value of etcd's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Quoted where needed.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// Decimal.
    Number(u64),
    /// `[a, b]`.
    List(Vec<String>),
    /// Indented `key: value` lines.
    Section(Vec<(&'static str, Value)>),
}

impl Value {
    /// On one line and without quotes, for a person.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::List(items) => items.join(", "),
            Self::Section(entries) => {
                let entry = |(key, value): &(&str, Self)| format!("{key}: {}", value.shown());
                entries.iter().map(entry).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// Appends `key: value` and a line end.
pub(crate) fn write_entry(out: &mut String, key: &str, value: &Value) {
    out.push_str(key);
    out.push(':');
    match value {
        Value::Text(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
        }
        Value::Bool(value) => out.push_str(if *value { " true" } else { " false" }),
        Value::Number(number) => out.push_str(&format!(" {number}")),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
            out.push_str(&format!(" [{}]", items.join(", ")));
        }
        Value::Section(entries) => {
            out.push('\n');
            for (key, value) in entries {
                out.push_str("  ");
                write_entry(out, key, value);
            }
            return;
        }
    }
    out.push('\n');
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.into() } else { quoted(text) }
}

/// Whether every reader takes `text` for a string without quotes: a letter or `/` first, harmless
/// characters, at least one of them not a letter or digit, so that no `no`, `y`, `null` or `1e3` is
/// among them.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | ':' | '-' | '_' | '='))
        && text.contains(['/', '-', '_'])
        && !text.ends_with(':')
}

/// Double quotes: etcd's and every other reader's escapes for control characters are the same
/// there.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_yaml_1_1_reader_takes_for_something_else_is_quoted() {
        for word in [
            "no",
            "yes",
            "on",
            "y",
            "null",
            "~",
            "3.5",
            "1e3",
            "0x10",
            "12:30",
            "",
            "a b",
            "a: b",
            "-a",
            "true",
            "off",
            "n",
            "Null",
            "member",
            "0b1",
            "1_000",
            ".inf",
            ".nan",
            "=",
            "<<",
            "2026-11-24",
            "!a",
            "&a",
            "*a",
            "@a",
            "a #b",
            "%a",
            "|",
            ">",
        ] {
            assert!(scalar(word).starts_with('"'), "{word:?}");
        }
        for word in ["/var/lib/etcd", "x-k3s-m-1", "https://192.168.7.11:2380"] {
            assert_eq!(scalar(word), word);
        }
    }

    #[test]
    fn every_text_reads_back() {
        for text in
            ["no", "a\"b\\c", "tab\there", "größe", "{\"maxsize\":10}", "# no comment", "x: y"]
        {
            let mut out = String::new();
            write_entry(&mut out, "key", &Value::Text(text.into()));
            let read: std::collections::BTreeMap<String, String> =
                serde_yaml::from_str(&out).expect("parses");
            assert_eq!(read["key"], text);
        }
    }
}

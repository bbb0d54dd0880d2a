//! The only place that prints. A closed pipe is success: who closed it has seen enough.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use pilaster_common::error::{Told, plain};
use serde::Serialize;

use super::Exit;

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs; carries `apiVersion`
    Json,
    /// The same as YAML
    Yaml,
    /// Names only, a line each
    Name,
}

/// What can be shown in every [`Format`]: as JSON and YAML it is as it travels.
pub(crate) trait Show: Serialize {
    /// As a person reads it, harmless for a terminal.
    fn to_table(&self) -> String;

    /// The names of what is in it.
    fn names(&self) -> Vec<String>;
}

/// Whether someone still reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reader {
    /// As far as can be known.
    There,
    /// The pipe is closed: who closed it has seen enough, so this is success.
    Gone,
}

/// Data, to stdout.
pub(crate) fn data(text: &str) {
    let _ = try_data(text);
}

/// Data, to stdout, for those who would go on for ever.
pub(crate) fn try_data(text: &str) -> Reader {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Reader::There,
        Err(_) => Reader::Gone,
    }
}

/// Data in a format, to stdout.
pub(crate) fn show(value: &impl Show, format: Format) -> Reader {
    match format {
        Format::Table => try_data(&value.to_table()),
        Format::Json => json(value),
        Format::Yaml => try_data(&serde_yaml::to_string(value).expect("plain data")),
        Format::Name => try_data(&lines(value.names())),
    }
}

/// Data as JSON, to stdout.
pub(crate) fn json(value: &impl Serialize) -> Reader {
    let text = serde_json::to_string_pretty(value).expect("plain data");
    try_data(&format!("{text}\n"))
}

fn lines(lines: Vec<String>) -> String {
    lines.iter().map(|line| format!("{}\n", plain(line))).collect()
}

/// Progress, a note or an error, to stderr.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}")); // nobody listens
}

/// What clap says of a command line: help and version are success, wrong usage is told in three
/// lines.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        drop(error.print());
        return Exit::Done.into();
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        drop(error.print()); // the whole help, since nothing was asked
    } else {
        note(&wrong_usage(&error.render().to_string()).to_string());
    }
    Exit::Usage.into()
}

/// Takes clap's paragraphs apart: what is wrong, a tip, how the command is written, where help is.
fn wrong_usage(rendered: &str) -> Told {
    let paragraphs = rendered.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut causes, mut help) = (Vec::new(), "see what it takes: --help".to_owned());
    for paragraph in paragraphs {
        if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            help = one_line(usage);
        } else if !paragraph.starts_with("For more information") {
            causes.push(one_line(paragraph.strip_prefix("error: ").unwrap_or(paragraph)));
        }
    }
    Told { what: "wrong usage".into(), cause: causes.join("; "), help, ..Told::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn told(rendered: &str, cause: &str, help: &str) {
        let told = wrong_usage(rendered);
        assert_eq!((told.cause.as_str(), told.help.as_str()), (cause, help));
    }

    #[test]
    fn wrong_usage_is_told_in_three_lines() {
        told(
            "error: the following required arguments were not provided:\n  --domain <DOMAIN>\n\nUsage: coordctl init --domain <DOMAIN> <NAME>\n\nFor more information, try '--help'.\n",
            "the following required arguments were not provided: --domain <DOMAIN>",
            "coordctl init --domain <DOMAIN> <NAME>",
        );
        told(
            "error: unexpected argument '--tal' found\n\n  tip: a similar argument exists: '--all'\n\nUsage: x --all\n",
            "unexpected argument '--tal' found; tip: a similar argument exists: '--all'",
            "x --all",
        );
        told(
            "error: invalid value '5x' for '--valid-for <SPAN>'\n\nFor more information, try '--help'.\n",
            "invalid value '5x' for '--valid-for <SPAN>'",
            "see what it takes: --help",
        );
    }
}

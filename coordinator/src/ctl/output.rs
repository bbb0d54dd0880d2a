//! The only place that prints. A closed pipe is success: who closed it has seen enough.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use super::Exit;

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs; carries `apiVersion`.
    Json,
}

/// Whether someone still reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Reader {
    /// As far as can be known.
    There,
    /// The pipe is closed: who closed it has seen enough, so this is success.
    Gone,
}

/// Data, to stdout.
pub fn data(text: &str) {
    let _ = try_data(text);
}

/// Data, to stdout, for those who would go on for ever.
pub(super) fn try_data(text: &str) -> Reader {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Reader::There,
        Err(_) => Reader::Gone,
    }
}

/// Data as JSON, to stdout.
pub(super) fn json(value: &impl Serialize) -> Reader {
    let text = serde_json::to_string_pretty(value).expect("plain data");
    try_data(&format!("{text}\n"))
}

/// Progress, a note or an error, to stderr.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}")); // nobody listens
}

/// What clap says of a command line: help and version are success.
pub fn usage(error: &clap::Error) -> ExitCode {
    drop(error.print());
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// Rows as a table whose columns are two spaces apart.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().fold(String::new(), |out, line| out + line.trim_end() + "\n")
}

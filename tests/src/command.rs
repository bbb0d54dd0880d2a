//! Runs programs and makes errors of what goes wrong.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::LabError;

/// Runs `command` to its end and answers what it said, whatever its exit code. Errors name it as
/// `line`.
pub(crate) fn output(command: &mut Command, line: String) -> Result<Output, LabError> {
    command.stdin(Stdio::null()).output().map_err(|source| LabError::Start { line, source })
}

/// Runs `command` to its end; answers what it wrote to stdout. An exit code other than 0 is an
/// error with all it said.
pub(crate) fn output_ok(command: &mut Command, line: String) -> Result<String, LabError> {
    let output = output(command, line.clone())?;
    if !output.status.success() {
        return Err(LabError::Failed { line, output });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` to its end with `input` on stdin, and answers what it said, whatever its exit
/// code.
pub(crate) fn output_with(
    mut command: Command,
    line: String,
    input: &[u8],
) -> Result<Output, LabError> {
    let start = |source| LabError::Start { line: line.clone(), source };
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(start)?;
    let _ = child.stdin.take().expect("piped above").write_all(input); // one that refused before it read has closed it
    child.wait_with_output().map_err(start)
}

/// Runs `program` of this machine to its end; answers what it wrote to stdout.
pub(crate) fn run<A: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = A>,
) -> Result<String, LabError> {
    let mut command = Command::new(program);
    command.args(args);
    let line = line_of(&command);
    output_ok(&mut command, line)
}

/// `command` as a person would type it.
pub(crate) fn line_of(command: &Command) -> String {
    line([command.get_program()].into_iter().chain(command.get_args()))
}

/// `words` as a person would type them.
pub(crate) fn line<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> String {
    let quoted = words.into_iter().map(|word| {
        let word = word.as_ref().to_string_lossy().into_owned();
        let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

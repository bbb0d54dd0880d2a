//! Lets hosts in, as a person does: the token of `coordctl enroll`, the line that it prints.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::{ENDPOINT, Stage};
use crate::command::{line_of, output_with};
use crate::error::LabError;
use crate::lab::Host;
use crate::wait::wait_until;

/// Becoming healthy takes some seconds; `coordctl enroll` itself would wait until the token ends.
const ENROLL_LIMIT: Duration = Duration::from_secs(90);

impl Stage {
    /// A token for a host, as `coordctl enroll` shows it.
    ///
    /// # Errors
    /// What `coordctl` says.
    pub fn token(&self, host: &str, more: &[&str]) -> Result<String, LabError> {
        let words = ["enroll", host, "--no-wait"].into_iter().chain(more.iter().copied());
        let said = self.ctl(words)?;
        let token = said.split_whitespace().find(|word| word.starts_with("pj1_"));
        token.map(str::to_owned).ok_or_else(|| LabError::NotYet(format!("no token in: {said}")))
    }

    /// Runs the line that `coordctl enroll` shows on a host, with the token on stdin; an exit code
    /// other than 0 is an answer too.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn join(&self, host: &Host, token: &str, more: &[&str]) -> Result<Output, LabError> {
        self.join_at(host, ENDPOINT, token, more)
    }

    /// The same, at another address.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn join_at(
        &self,
        host: &Host,
        endpoint: &str,
        token: &str,
        more: &[&str],
    ) -> Result<Output, LabError> {
        let words = ["pilaster-agent", "join", endpoint, "--token-file", "-"];
        with_token(host.command(words.into_iter().chain(more.iter().copied()))?, token)
    }

    /// Runs a whole line that `coordctl enroll` has printed on a host, in a shell, with the token
    /// on stdin; an exit code other than 0 is an answer too.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn run_line(&self, host: &Host, printed: &str, token: &str) -> Result<Output, LabError> {
        with_token(host.command(["sh", "-c", printed.trim()])?, token)
    }

    /// What a host is let in with: the agent that is there, or all of the printed line, which
    /// installs it first.
    fn let_in(&self, host: &Host, lines: &[String], token: &str) -> Result<Output, LabError> {
        if self.only_repository.is_none() {
            return self.join(host, token, &[]);
        }
        let is_printed = |line: &&String| line.contains("&& pilaster-agent join ");
        let printed = lines.iter().find(is_printed);
        let none = || LabError::NotYet(format!("no line to run in: {}", lines.join("\n")));
        self.run_line(host, printed.ok_or_else(none)?, token)
    }

    /// Lets a host in as a person does, and answers what both programs said: `coordctl enroll`
    /// follows it until the node has all its files and waits for the others, or votes.
    ///
    /// # Errors
    /// Either of the two ended with another exit code than 0.
    pub fn enroll(&self, host: &Host) -> Result<Enrolled, LabError> {
        let mut command = self.coordctl(["enroll", host.name()]);
        let line = line_of(&command);
        let named = line.clone();
        let start = move |source| LabError::Start { line: named.clone(), source };
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut enroll = piped.spawn().map_err(&start)?;
        let mut lines = Vec::new();
        let mut token = None;
        for said in BufReader::new(enroll.stdout.take().expect("piped above")).lines() {
            let said = said.map_err(&start)?;
            token =
                said.split_whitespace().find(|word| word.starts_with("pj1_")).map(str::to_owned);
            lines.push(said);
            if token.is_some() {
                break;
            }
        }
        let joined = match token {
            Some(token) => self.let_in(host, &lines, &token)?,
            None => {
                return Err(LabError::Failed {
                    line,
                    output: enroll.wait_with_output().map_err(start)?,
                });
            }
        };
        if !joined.status.success() {
            let _ = enroll.kill(); // it would wait for the node until the token ends
            let _ = enroll.wait();
            let line = format!("{}: pilaster-agent join", host.name());
            return Err(LabError::Failed { line, output: joined });
        }
        Ok(Enrolled { lines, joined, enroll, line })
    }

    /// Enrolls every host and waits until the cluster is healthy.
    ///
    /// # Errors
    /// What the programs say.
    pub fn form(&self) -> Result<(), LabError> {
        let enrolled: Vec<Enrolled> =
            self.hosts().iter().map(|host| self.enroll(host)).collect::<Result<_, _>>()?;
        self.await_healthy()?;
        enrolled.into_iter().try_for_each(|enrolled| enrolled.finish().map(drop))
    }
}

/// A host that was let in; `coordctl enroll` may still follow it.
#[derive(Debug)]
pub struct Enrolled {
    /// What `coordctl enroll` printed up to the token.
    pub lines: Vec<String>,
    /// What `pilaster-agent join` said.
    pub joined: Output,
    enroll: Child,
    line: String,
}

impl Enrolled {
    /// Waits until `coordctl enroll` has ended, and answers the steps that it showed.
    ///
    /// # Errors
    /// Its exit code is not 0, or it does not end: both with what it showed.
    pub fn finish(self) -> Result<String, LabError> {
        let line = self.line.clone();
        match self.wait()? {
            output if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stderr).into_owned())
            }
            output => Err(LabError::Failed { line, output }),
        }
    }

    /// Waits until `coordctl enroll` has ended; an exit code other than 0 is an answer too.
    ///
    /// # Errors
    /// It does not end: with what it showed.
    pub fn wait(self) -> Result<Output, LabError> {
        let Self { mut enroll, line, .. } = self;
        let start = |source| LabError::Start { line: line.clone(), source };
        let ended = wait_until(&format!("the end of `{line}`"), ENROLL_LIMIT, || {
            enroll.try_wait().map(|ended| ended.is_some()).map_err(start)
        });
        let _ = enroll.kill(); // it has ended by itself, unless it was too late
        let output = enroll.wait_with_output().map_err(start)?;
        if ended.is_err() { Err(LabError::Failed { line, output }) } else { Ok(output) }
    }
}

/// Runs `command` to its end with a token on stdin.
fn with_token(command: Command, token: &str) -> Result<Output, LabError> {
    let line = line_of(&command);
    output_with(command, line, format!("{token}\n").as_bytes())
}

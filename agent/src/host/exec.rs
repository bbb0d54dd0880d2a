//! Runs a command of the system to its end: bounded, in an environment of its own, with what it
//! says kept for the error.

use std::process::Stdio;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_common::error::{Code, Help, code};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How long output is waited for once the command has ended: a daemon that it left behind may hold
/// the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);
/// A service script says what is wrong in its last lines.
const OUTPUT_BYTES_MAX: usize = 2000;

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{command} {why}")]
pub(super) struct RunError {
    command: String,
    why: String,
}

impl Help for RunError {
    fn help(&self) -> Option<String> {
        Some(format!("run it by hand and read what it says: {}", self.command))
    }

    fn code(&self) -> Code {
        code::STEP
    }
}

/// Runs `program` to its end, within `deadline`, with these variables and a `PATH`. Returns what it
/// said, on one line.
pub(super) async fn run(
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
    deadline: Duration,
    clock: &dyn Clock,
) -> Result<String, RunError> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let command = format!("{name} {}", arguments.join(" "));
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear() // the agent's own RC_* variables would be taken for another service's
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return Err(RunError { command, why: format!("cannot be run: {error}") }),
    };
    let mut output = Vec::new();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let running = async {
        let reading = async { tokio::join!(read(out), read(err)) };
        tokio::pin!(reading);
        tokio::select! {
            (out, err) = &mut reading => {
                output = [out, err].concat();
                child.wait().await
            }
            status = child.wait() => {
                if let Some((out, err)) = clock.within(OUTPUT_GRACE, reading).await {
                    output = [out, err].concat();
                }
                status
            }
        }
    };
    let ended = clock.within(deadline, running).await;
    let output = tail(&output);
    let said = if output.is_empty() { String::new() } else { format!(": {output}") };
    let why = match ended {
        Some(Ok(status)) if status.success() => {
            tracing::info!("{command}: done");
            return Ok(output);
        }
        Some(Ok(status)) => format!("ended with {status}{said}"),
        Some(Err(error)) => format!("cannot be run: {error}"),
        None => {
            drop(child.start_kill()); // it has ended by itself, then
            format!("was not done within {} s{said}", deadline.as_secs())
        }
    };
    Err(RunError { command, why })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(mut pipe) = pipe {
        drop(pipe.read_to_end(&mut text).await); // what came until then is what there is to tell
    }
    text
}

/// The end of what a command said, on one line.
fn tail(output: &[u8]) -> String {
    let from = output.len().saturating_sub(OUTPUT_BYTES_MAX);
    let text = String::from_utf8_lossy(&output[from..]);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use pilaster_common::clock::SystemClock;

    use super::*;

    async fn sh(script: &str) -> Result<String, RunError> {
        run("/bin/sh", &["-c", script], &[], Duration::from_secs(30), &SystemClock).await
    }

    #[tokio::test]
    async fn what_a_command_says_is_kept_for_the_error() {
        let error = sh("echo starting; echo broken >&2; exit 3").await.expect_err("exit 3");
        let text = error.to_string();
        assert!(text.contains("exit status: 3: starting; broken"), "{text}");
    }

    #[tokio::test]
    async fn a_daemon_left_behind_does_not_hold_up_the_command() {
        let clock: &dyn Clock = &SystemClock;
        let began = clock.boot();
        sh("sleep 5 & exit 0").await.expect("exit 0");
        assert!(clock.elapsed(began) < Duration::from_secs(3));
    }
}

//! Runs a command of the system to its end: bounded, in an environment of its own, with what it says kept for the error.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::ServiceError;

/// How long output is waited for once the command has ended: a daemon that it left behind may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);
/// A service script says what is wrong in its last lines.
const OUTPUT_BYTES_MAX: usize = 2000;

/// Runs `program` to its end, within `deadline`; answers what it said, on one line.
pub(crate) async fn run(
    program: &str,
    arguments: &[&str],
    deadline: Duration,
) -> Result<String, ServiceError> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let command = format!("{name} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear() // the agent's own RC_* variables would be taken for another service's
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| ServiceError::Run { command: command.clone(), source })?;
    let mut output = Vec::new();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = timeout(deadline, async {
        let reading = async { tokio::join!(read(out), read(err)) };
        tokio::pin!(reading);
        tokio::select! {
            (out, err) = &mut reading => {
                output = [out, err].concat();
                child.wait().await
            }
            status = child.wait() => {
                if let Ok((out, err)) = timeout(OUTPUT_GRACE, reading).await {
                    output = [out, err].concat();
                }
                status
            }
        }
    })
    .await;
    let output = tail(&output);
    match ended {
        Err(_) => {
            drop(child.start_kill()); // it has ended by itself, then
            Err(ServiceError::Deadline { command, after: deadline, output })
        }
        Ok(Err(source)) => Err(ServiceError::Run { command, source }),
        Ok(Ok(status)) => finished(command, status, output),
    }
}

fn finished(command: String, status: ExitStatus, output: String) -> Result<String, ServiceError> {
    if status.success() {
        tracing::info!("{command}: done");
        return Ok(output);
    }
    Err(ServiceError::Failed { command, status, output })
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
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_a_command_says_is_kept_for_the_error() {
        let error = run("/bin/sh", &["-c", "echo starting; echo broken >&2; exit 3"], LIMIT)
            .await
            .expect_err("exit 3");
        let text = error.to_string();
        assert!(text.contains("exit status: 3: starting; broken"), "{text}");
    }

    #[tokio::test]
    async fn a_daemon_left_behind_does_not_hold_up_the_command() {
        let started = std::time::Instant::now();
        run("/bin/sh", &["-c", "sleep 5 & exit 0"], LIMIT).await.expect("exit 0");
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}

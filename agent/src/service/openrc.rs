//! OpenRC: states from what it keeps under /run/openrc, verbs by `rc-service` and `rc-update`.
//!
//! `rc-service etcd status` costs a shell and 100 ms; the folders that it reads cost nothing (OpenRC: src/librc/librc.c, `rc_service_state`).

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::{ServiceError, ServiceState, ServiceVerb};
use crate::config::SERVICE_DEADLINE;

const RC_SERVICE: &str = "/sbin/rc-service";
const RC_UPDATE: &str = "/sbin/rc-update";
/// How long output is waited for once the command has ended: a daemon that it left behind may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);
/// A service script says what is wrong in its last lines.
const OUTPUT_BYTES_MAX: usize = 2000;

pub(super) fn is_here() -> bool {
    Path::new(RC_SERVICE).exists() && Path::new("/run/openrc").is_dir()
}

pub(super) fn state(service: &str) -> ServiceState {
    let marked = |folder: &str| Path::new("/run/openrc").join(folder).join(service).exists();
    if !Path::new("/etc/init.d").join(service).exists() {
        ServiceState::Absent
    } else if marked("starting") {
        ServiceState::Started
    } else if !marked("started") || marked("stopping") {
        ServiceState::Stopped
    } else if supervisor_is_gone(service) {
        ServiceState::Crashed
    } else {
        ServiceState::Started
    }
}

/// supervise-daemon keeps its own process id here; a service without that file is not supervised, and is taken at its word.
fn supervisor_is_gone(service: &str) -> bool {
    let pid = std::fs::read_to_string(format!("/run/supervise-{service}.pid"));
    pid.is_ok_and(|pid| !Path::new("/proc").join(pid.trim()).exists())
}

pub(super) fn is_enabled(service: &str) -> bool {
    Path::new("/etc/runlevels/default").join(service).exists()
}

pub(super) async fn act(verb: ServiceVerb, service: &str) -> Result<(), ServiceError> {
    match verb {
        ServiceVerb::Start => command(RC_SERVICE, &[service, "start"]).await,
        ServiceVerb::Enable => command(RC_UPDATE, &["add", service, "default"]).await,
    }
}

async fn command(program: &str, arguments: &[&str]) -> Result<(), ServiceError> {
    let name = program.rsplit('/').next().unwrap_or(program);
    let command = format!("{name} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear() // the agent's own RC_* variables would be taken for the other service's
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| ServiceError::Run { command: command.clone(), source })?;
    let mut output = Vec::new();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = timeout(SERVICE_DEADLINE, async {
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
            Err(ServiceError::Deadline { command, after: SERVICE_DEADLINE, output })
        }
        Ok(Err(source)) => Err(ServiceError::Run { command, source }),
        Ok(Ok(status)) => finished(command, status, output),
    }
}

fn finished(command: String, status: ExitStatus, output: String) -> Result<(), ServiceError> {
    if status.success() {
        tracing::info!("{command}: done");
        return Ok(());
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

    #[tokio::test]
    async fn what_a_command_says_is_kept_for_the_error() {
        let error = command("/bin/sh", &["-c", "echo starting; echo broken >&2; exit 3"])
            .await
            .expect_err("exit 3");
        let text = error.to_string();
        assert!(text.contains("exit status: 3: starting; broken"), "{text}");
    }

    #[tokio::test]
    async fn a_daemon_left_behind_does_not_hold_up_the_command() {
        let started = std::time::Instant::now();
        command("/bin/sh", &["-c", "sleep 5 & exit 0"]).await.expect("exit 0");
        assert!(started.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_service_without_a_script_is_absent() {
        assert_eq!(state("no-such-service"), ServiceState::Absent);
    }
}

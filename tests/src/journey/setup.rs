//! Installs the programs, starts the coordinator on the workstation, enrolls the hosts.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use crate::Binaries;
use crate::command::{line_of, output, output_ok};
use crate::error::{LabError, at};
use crate::lab::{Host, Lab};
use crate::packages;
use crate::wait::wait_until;

/// The cluster of the journey.
pub const CLUSTER: &str = "x-k3s";
/// Its domain.
pub const DOMAIN: &str = "edge.huatai.me";
/// Its service name.
pub const SERVICE: &str = "etcd.edge.huatai.me";

/// Where the coordinator of the workstation is reached.
const ENDPOINT: &str = "192.168.7.2:7443";
/// Forming takes some seconds at the slow timing of SD cards; a busy machine gets ten times that.
const FORMED_LIMIT: &str = "90s";
/// The same for one node; `coordctl enroll` itself would wait until the token ends.
const ENROLL_LIMIT: Duration = Duration::from_secs(90);

/// A cluster in the making: the coordinator runs on the workstation, the agent is installed on each host.
#[derive(Debug)]
pub struct Journey<'a> {
    lab: &'a Lab,
    binaries: Binaries,
    /// The packages that the coordinator gives out.
    only_repository: Option<PathBuf>,
    coordinator: Option<Child>,
}

impl<'a> Journey<'a> {
    /// Installs what a package would install, and starts the coordinator.
    ///
    /// # Errors
    /// A program cannot be installed, or the coordinator does not start.
    pub fn begin(lab: &'a Lab, binaries: &Binaries) -> Result<Self, LabError> {
        let mut journey = Self::on_workstation(lab, binaries, None)?;
        for host in lab.hosts() {
            journey.install_agent(host)?;
        }
        journey.start_coordinator()?;
        Ok(journey)
    }

    /// Starts the coordinator and leaves the hosts bare. It gives out the packages of `only_repository`, from where [`Journey::enroll`]
    /// installs; without one a test installs by other means.
    ///
    /// # Errors
    /// A program cannot be installed, or the coordinator does not start.
    pub fn begin_bare(
        lab: &'a Lab,
        binaries: &Binaries,
        only_repository: Option<&Path>,
    ) -> Result<Self, LabError> {
        let repository = only_repository.map(Path::to_owned);
        let mut journey = Self::on_workstation(lab, binaries, repository)?;
        journey.start_coordinator()?;
        Ok(journey)
    }

    fn on_workstation(
        lab: &'a Lab,
        binaries: &Binaries,
        only_repository: Option<PathBuf>,
    ) -> Result<Self, LabError> {
        for program in [&binaries.coordinator, &binaries.coordctl] {
            lab.workstation().install(program)?;
        }
        Ok(Self { lab, binaries: binaries.clone(), only_repository, coordinator: None })
    }

    /// The lab it happens in.
    pub fn lab(&self) -> &'a Lab {
        self.lab
    }

    /// Installs on a host what the agent's package installs.
    ///
    /// # Errors
    /// The host is off, or the files cannot be laid out.
    pub fn install_agent(&self, host: &Host) -> Result<(), LabError> {
        let stage = self.lab.dir().join("stage");
        let mut xtask = Command::new(&self.binaries.xtask);
        let root = host.stands_on();
        let agent = match root.is_alpine() {
            false => self.binaries.agent.clone(),
            true => packages::agent(root.architecture().into(), 0)?.binary,
        };
        xtask.arg("stage").arg(&stage).arg("--agent").arg(agent);
        let line = line_of(&xtask);
        output_ok(&mut xtask, line)?;
        for path in files_below(&stage)? {
            let mode = fs::metadata(&path).map_err(at("look at", &path))?.permissions().mode();
            let target = path.strip_prefix(&stage).expect("listed below it");
            host.install(&path, &format!("/{}", target.display()), mode & 0o7777)?;
        }
        Ok(())
    }

    /// Starts the coordinator on the workstation, and waits until it answers.
    ///
    /// # Errors
    /// It does not answer; its log is `coordinator.log` on the workstation.
    pub fn start_coordinator(&mut self) -> Result<(), LabError> {
        self.start_coordinator_with(&[])
    }

    /// Kills the coordinator and starts it again with a variable in its environment.
    ///
    /// # Errors
    /// As [`Journey::start_coordinator`].
    pub fn restart_coordinator_with(&mut self, name: &str, value: &str) -> Result<(), LabError> {
        self.kill_coordinator();
        self.start_coordinator_with(&[(name, value)])
    }

    /// Waits until the coordinator has ended by itself.
    ///
    /// # Errors
    /// It has not, within a minute.
    pub fn coordinator_ended(&mut self) -> Result<ExitStatus, LabError> {
        let mut ended = None;
        let coordinator = &mut self.coordinator;
        wait_until("the coordinator has ended", Duration::from_secs(60), || {
            ended = coordinator.as_mut().and_then(|child| child.try_wait().ok().flatten());
            Ok(ended.is_some())
        })?;
        self.coordinator = None;
        Ok(ended.expect("awaited"))
    }

    fn start_coordinator_with(&mut self, env: &[(&str, &str)]) -> Result<(), LabError> {
        let workstation = self.lab.workstation();
        let log = workstation.dir().join("coordinator.log");
        let file =
            fs::File::options().create(true).append(true).open(&log).map_err(at("open", &log))?;
        let state = workstation.dir().join("coordinator");
        let mut command = workstation.command(["pilaster-coordinator", "--state"]);
        command.arg(state);
        if let Some(repository) = &self.only_repository {
            command.arg("--repository").arg(repository);
        }
        command.env("PILASTER_SOCKET", self.socket()).envs(env.iter().copied());
        let line = line_of(&command);
        let child = command.stdin(Stdio::null()).stderr(file).spawn();
        self.coordinator = Some(child.map_err(|source| LabError::Start { line, source })?);
        wait_until("the coordinator listens", Duration::from_secs(20), || {
            // 3: it cannot be reached; any other answer came from it
            Ok(output(&mut self.coordctl(["status"]), "coordctl status".into())?.status.code()
                != Some(3))
        })
    }

    /// Kills the coordinator.
    pub fn kill_coordinator(&mut self) {
        if let Some(mut coordinator) = self.coordinator.take() {
            let _ = coordinator.kill(); // it may be gone already
            let _ = coordinator.wait();
        }
    }

    /// `coordctl WORDS`, on the workstation.
    pub fn coordctl<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Command {
        let mut command = self.lab.workstation().command(["coordctl"]);
        command.args(words).env("PILASTER_SOCKET", self.socket());
        command
    }

    /// Runs `coordctl WORDS` to its end; an exit code other than 0 is an answer too.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn ask<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Result<Output, LabError> {
        let mut command = self.coordctl(words);
        let line = line_of(&command);
        output(&mut command, line)
    }

    /// Runs `coordctl WORDS`; answers its stdout.
    ///
    /// # Errors
    /// The exit code is not 0.
    pub fn ctl<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Result<String, LabError> {
        let words: Vec<&str> = words.into_iter().collect();
        let line = format!("coordctl {}", words.join(" "));
        output_ok(&mut self.coordctl(words), line)
    }

    /// Writes the spec with all hosts of the lab, and applies it.
    ///
    /// # Errors
    /// What `coordctl` says.
    pub fn apply(&self) -> Result<(), LabError> {
        let names: Vec<&str> = self.lab.hosts().iter().map(Host::name).collect();
        self.ctl(["init", CLUSTER, "--domain", DOMAIN, "--members", &names.join(",")])?;
        self.ctl(["apply", "x-k3s.yml"]).map(drop)
    }

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

    /// Runs the line that `coordctl enroll` shows on a host, with the token on stdin; an exit code other than 0 is an answer too.
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

    /// Runs a whole line that `coordctl enroll` has printed on a host, in a shell, with the token on stdin; an exit code other than 0 is an
    /// answer too.
    ///
    /// # Errors
    /// It cannot be run at all.
    pub fn run_line(&self, host: &Host, printed: &str, token: &str) -> Result<Output, LabError> {
        with_token(host.command(["sh", "-c", printed.trim()])?, token)
    }

    /// What a host is let in with: the agent that is there, or all of the printed line, which installs it first.
    fn let_in(&self, host: &Host, lines: &[String], token: &str) -> Result<Output, LabError> {
        if self.only_repository.is_none() {
            return self.join(host, token, &[]);
        }
        let is_printed = |line: &&String| line.contains("&& pilaster-agent join ");
        let printed = lines.iter().find(is_printed);
        let none = || LabError::NotYet(format!("no line to run in: {}", lines.join("\n")));
        self.run_line(host, printed.ok_or_else(none)?, token)
    }

    /// Lets a host in as a person does, and answers what both programs said: `coordctl enroll` follows it until the node has all
    /// its files and waits for the others, or votes.
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
            self.lab.hosts().iter().map(|host| self.enroll(host)).collect::<Result<_, _>>()?;
        self.await_healthy()?;
        enrolled.into_iter().try_for_each(|enrolled| enrolled.finish().map(drop))
    }

    /// Waits as a person does: `coordctl status --wait`.
    ///
    /// # Errors
    /// It was not healthy in time; the error has the last state.
    pub fn await_healthy(&self) -> Result<String, LabError> {
        self.ctl(["status", "--wait", "--timeout", FORMED_LIMIT])
    }

    /// The workstation's name resolution and a client certificate of its own, as a person sets them up.
    ///
    /// # Errors
    /// What `coordctl` says.
    pub fn prepare_workstation(&self) -> Result<(), LabError> {
        let names = self.ctl(["hosts"])?;
        self.lab.workstation().write_hosts(&format!("127.0.0.1 localhost\n{names}"))?;
        self.ctl(["client", "admin", "--split", "--out", "."]).map(drop)
    }

    fn socket(&self) -> PathBuf {
        self.lab.dir().join("coordinator.sock")
    }
}

impl Drop for Journey<'_> {
    fn drop(&mut self) {
        self.kill_coordinator();
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
fn with_token(mut command: Command, token: &str) -> Result<Output, LabError> {
    let line = line_of(&command);
    let start = |source| LabError::Start { line: line.clone(), source };
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(start)?;
    let mut stdin = child.stdin.take().expect("piped above");
    let _ = writeln!(stdin, "{token}"); // one that refused before it read has closed it
    drop(stdin);
    child.wait_with_output().map_err(start)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at("list", &folder))? {
            let path = entry.map_err(at("list", &folder))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

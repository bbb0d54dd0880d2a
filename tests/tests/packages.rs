//! What is installed on a Pi: the agent's package, out of a signed repository that the coordinator
//! gives out, by the line that `coordctl enroll` prints, on Alpine with its own apk.
//!
//! Method: hosts without etcd and without anything of Pilaster's. The agent's packages are those of
//! `cargo xtask package`; `etcd` and `etcd-ctl` are packages of the lab's that stand for Alpine's
//! own. Nothing is told to trust what is not signed. Guards promise 1 and promise 4 on hosts that
//! were set up that way. Without Go there is no etcd 3.6: then these tests say loudly that they did
//! not run, and fail in CI.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "what is written here need not survive a power cut")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use flate2::bufread::GzDecoder;
use lab::etcd::EtcdRelease;
use lab::journey::{ThreeLines, checks};
use lab::packages::{self, Processor, TestRepository};
use lab::stage::{LIMIT, Stage};
use lab::{Architecture, Binaries, Host, Lab, LabError, Root, wait_until};

#[test]
fn promise_01_promise_04_bare_alpine_hosts_install_by_the_printed_line_and_keep_what_they_run()
-> Result<(), LabError> {
    let test = "promise_01_promise_04_bare_alpine_hosts_install_by_the_printed_line_and_keep_what_they_run";
    let Some(lab) = Lab::with_etcd_3_6(&[Root::Alpine; 3], test)? else { return Ok(()) };
    lab.hosts().iter().try_for_each(packages::make_bare)?;
    let first = packages::agent(Processor::X86_64, 0)?;
    let etcd = packages::etcd(EtcdRelease::V3_6, Architecture::X86_64)?;
    let repository = TestRepository::new(&lab.dir().join("packages"), &[&first.apk, &etcd])?;
    let stage = Stage::begin_bare(lab, Some(&repository.path()))?;
    stage.apply()?;
    stage.form()?;
    for host in stage.hosts() {
        assert_is_installed(host)?;
    }
    checks::assert_all_right(&stage)?;

    let [one, two, _] = stage.hosts() else { panic!("three hosts") };
    a_new_minor_of_etcd_is_not_installed_by_an_upgrade(&repository, two)?;
    repository.add(&[&packages::agent(Processor::X86_64, 1)?.apk])?;
    what_is_not_signed_is_refused(&repository, one)?;
    the_agent_is_upgraded_while_etcd_runs(&stage, one)?;
    the_agent_is_removed_and_comes_back(&stage, one)?;
    for host in stage.hosts() {
        host.kill()?;
        host.boot()?;
    }
    assert!(stage.await_healthy()?.contains("3 of 3 members healthy"));
    Ok(())
}

fn assert_is_installed(host: &Host) -> Result<(), LabError> {
    let installed = host.exec_ok(["apk", "info", "-v"])?;
    for package in ["pilaster-agent-0", "etcd-3.6.16-r0", "etcd-ctl-3.6.16-r0"] {
        assert!(installed.lines().any(|line| line.starts_with(package)), "{package}: {installed}");
    }
    let keys = host.exec_ok(["ls", "/etc/apk/keys"])?;
    assert_eq!(keys.matches("pilaster-").count(), 1, "{keys}");
    Ok(())
}

/// First what would be without the pin, then that it is set again by itself and holds.
fn a_new_minor_of_etcd_is_not_installed_by_an_upgrade(
    repository: &TestRepository,
    host: &Host,
) -> Result<(), LabError> {
    await_pin(host)?;
    repository.add(&[&packages::etcd(EtcdRelease::V3_7, Architecture::X86_64)?])?;
    host.exec_ok(["rc-service", "pilaster-agent", "stop"])?;
    host.exec_ok(["apk", "add", "--no-network", "etcd"])?; // as a person would undo it
    let would_be = host.exec_ok(["sh", "-c", "apk update && apk upgrade --simulate"])?;
    assert!(would_be.contains("Upgrading etcd (3.6.16-r0 -> 3.7.3-r0)"), "{would_be}");

    host.exec_ok(["rc-service", "pilaster-agent", "start"])?;
    await_pin(host)?;
    let before = host.pid_of("etcd")?;
    host.exec_ok(["apk", "upgrade", "-U"])?;
    assert!(host.exec_ok(["etcd", "--version"])?.starts_with("etcd Version: 3.6.16\n"));
    assert!(host.exec_ok(["etcdctl", "version"])?.starts_with("etcdctl version: 3.7.3\n"));
    assert_eq!(host.pid_of("etcd")?, before);
    Ok(())
}

fn await_pin(host: &Host) -> Result<(), LabError> {
    wait_until("etcd's minor version is pinned", LIMIT, || {
        let world = host.exec_ok(["cat", "/etc/apk/world"])?;
        let constraints: Vec<_> = world.lines().filter(|line| line.starts_with("etcd")).collect();
        if constraints.contains(&"etcd~3.6") && constraints.contains(&"etcd-ctl") {
            return Ok(true);
        }
        let status = host.exec_ok(["pilaster-agent", "status"])?;
        Err(LabError::NotYet(format!("{constraints:?}; {status}")))
    })
}

/// The repository has the agent's next package now. What is wrong with it is mended at the end.
fn what_is_not_signed_is_refused(repository: &TestRepository, host: &Host) -> Result<(), LabError> {
    let folder = repository.path().join("x86_64");
    let (package, index) = (agent_file(&folder, 1), folder.join("APKINDEX.tar.gz"));
    let [signature, control, _] = &members(&package)[..] else { panic!("three parts") };
    let foreign = members(&agent_file(&folder, 0)).pop().unwrap();
    let others = [&signature[..], control, &with_another_file(&foreign)].concat();
    let unsigned = members(&index)[1..].concat();
    let seen = "apk info -v | grep ^pilaster-agent && sha256sum /usr/bin/pilaster-agent";
    let installed = || host.exec_ok(["sh", "-c", seen]);
    let before = (installed()?, agent_pid(host)?, host.pid_of("etcd")?);
    for (path, bad, told) in
        [(&package, others, "integrity error"), (&index, unsigned, "UNTRUSTED")]
    {
        let good = fs::read(path).unwrap();
        fs::write(path, bad).unwrap();
        let refused = host.exec(["apk", "upgrade", "-U", "pilaster-agent"])?;
        fs::write(path, good).unwrap();
        let said = [refused.stdout, refused.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(told), "{}: {said}", path.display());
        assert_eq!((installed()?, agent_pid(host)?, host.pid_of("etcd")?), before, "{said}");
    }
    Ok(())
}

/// The .apk of the agent with this revision.
fn agent_file(folder: &Path, revision: u32) -> std::path::PathBuf {
    let end = format!("-r{revision}.apk");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut agents = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("pilaster-agent-") && name.ends_with(&end)
    });
    agents.next().unwrap()
}

/// The parts of an .apk or of an index: signature, control, data, each gzip in itself.
fn members(file: &Path) -> Vec<Vec<u8>> {
    let content = fs::read(file).unwrap();
    let mut rest = &content[..];
    let mut members = Vec::new();
    while !rest.is_empty() {
        let mut gzip = GzDecoder::new(rest);
        std::io::copy(&mut gzip, &mut std::io::sink()).unwrap();
        let after = gzip.into_inner();
        members.push(rest[..rest.len() - after.len()].to_vec());
        rest = after;
    }
    members
}

/// The same files, of which the program has one byte more changed: another valid gzip.
fn with_another_file(data: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    std::io::copy(&mut GzDecoder::new(data), &mut tar).unwrap();
    let middle = tar.len() / 2; // in the program, which is nearly all of it
    tar[middle] ^= 1;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    gzip.finish().unwrap()
}

fn the_agent_is_upgraded_while_etcd_runs(stage: &Stage, host: &Host) -> Result<(), LabError> {
    let before = (identity(host)?, host.pid_of("etcd")?);
    let agent = agent_pid(host)?;
    let said = host.exec_ok(["apk", "upgrade", "-U"])?;
    assert!(said.contains("Upgrading pilaster-agent"), "{said}");
    await_connected(stage, host)?;
    assert_eq!((identity(host)?, host.pid_of("etcd")?), before);
    assert_ne!(agent_pid(host)?, agent);
    Ok(())
}

/// etcd does not notice; nor is there a new token.
fn the_agent_is_removed_and_comes_back(stage: &Stage, host: &Host) -> Result<(), LabError> {
    let (identity_before, etcd) = (identity(host)?, host.pid_of("etcd")?);
    host.exec_ok(["apk", "del", "pilaster-agent"])?;
    assert!(!host.exec(["pidof", "pilaster-agent"])?.status.success());
    assert_eq!(host.pid_of("etcd")?, etcd);
    host.kill()?;
    host.boot()?;
    await_member(host)?;
    assert!(!host.exec(["pidof", "pilaster-agent"])?.status.success());

    let said = host.exec_ok(["apk", "add", "pilaster-agent"])?;
    let line = "rc-update add pilaster-agent && rc-service pilaster-agent start";
    assert!(said.contains(line), "{said}");
    host.exec_ok(["sh", "-c", line])?;
    await_connected(stage, host)?;
    assert_eq!(identity(host)?, identity_before);
    stage.await_healthy().map(drop)
}

fn await_member(host: &Host) -> Result<(), LabError> {
    wait_until("etcd is healthy without the agent", LIMIT, || {
        let health = host.exec_ok(["wget", "-qO-", "http://127.0.0.1:2381/health"])?;
        Ok(health.contains(r#""health":"true""#))
    })
}

fn agent_pid(host: &Host) -> Result<String, LabError> {
    host.exec_ok(["cat", "/run/supervise-pilaster-agent.pid"])
}

fn identity(host: &Host) -> Result<String, LabError> {
    let file = "/var/lib/pilaster/identity/current/identity.pem";
    host.exec_ok(["openssl", "x509", "-noout", "-serial", "-fingerprint", "-in", file])
}

/// Waits until an agent that was started now has reported, and its member votes.
fn await_connected(stage: &Stage, host: &Host) -> Result<(), LabError> {
    host.exec_ok(["rc-service", "pilaster-agent", "status"])?;
    let start = Instant::now();
    wait_until("the agent is connected", LIMIT, || {
        let node = stage.node(host.name())?;
        let age = node["reportAgeSeconds"].as_u64();
        let is_new = age.is_some_and(|age| age <= start.elapsed().as_secs());
        let votes = node["role"] == "leader" || node["role"] == "follower";
        if is_new && votes { Ok(true) } else { Err(LabError::NotYet(node.to_string())) }
    })
}

#[test]
fn the_debian_package_is_installed_and_its_host_becomes_a_healthy_member() -> Result<(), LabError> {
    let test = "the_debian_package_is_installed_and_its_host_becomes_a_healthy_member";
    let Some(lab) = Lab::with_etcd_3_6(&[Root::Debian], test)? else { return Ok(()) };
    let deb = packages::agent(Processor::X86_64, 0)?.deb;
    let stage = Stage::begin_bare(lab, None)?;
    stage.apply()?;
    let host = &stage.hosts()[0];
    host.install(&deb, "/tmp/pilaster-agent.deb", 0o644)?;
    let said = host.exec_ok(["dpkg", "--install", "/tmp/pilaster-agent.deb"])?;
    assert!(said.contains("Setting up pilaster-agent"), "{said}");
    assert!(
        !host.exec(["rc-service", "pilaster-agent", "status"])?.status.success(),
        "it starts by joining"
    );
    let joined = stage.join(host, &stage.token(host.name(), &[])?, &[])?;
    assert!(joined.status.success(), "{joined:?}");
    assert!(stage.await_healthy()?.contains("1 of 1 members healthy"));
    let etcd = host.pid_of("etcd")?;
    host.exec_ok(["dpkg", "--remove", "pilaster-agent"])?;
    assert_eq!(host.pid_of("etcd")?, etcd);
    host.exec_ok(["test", "-e", "/var/lib/pilaster/identity/current/identity.pem"]).map(drop)
}

/// One minor version for a formation: promise 5 begins with members that can form one cluster.
#[test]
fn members_with_two_minors_of_etcd_do_not_form_a_cluster_and_every_command_says_why()
-> Result<(), LabError> {
    let test = "members_with_two_minors_of_etcd_do_not_form_a_cluster_and_every_command_says_why";
    let roots = [Root::Debian, Root::Alpine, Root::Alpine];
    let Some(lab) = Lab::with_etcd_3_6(&roots, test)? else { return Ok(()) };
    let stage = Stage::begin(lab, &Binaries::build()?)?;
    stage.apply()?;
    let why = "x-k3s-m-1 has etcd 3.5.16 and x-k3s-m-2 has 3.6.16: a cluster forms with one minor version";
    let [debian, second, third] = stage.hosts() else { panic!("three hosts") };
    let shown = stage.enroll(debian)?.finish()?;
    assert!(!shown.contains("minor version"), "{shown}");
    let shown = stage.enroll(second)?.finish()?;
    assert!(shown.contains(&format!("x-k3s-m-2: waits: {why}")), "{shown}");
    let refused = stage.enroll(third)?.wait()?;
    assert_refused(&refused, "cannot form the cluster", why);

    let status = stage.ask(["status"])?;
    assert_eq!(status.status.code(), Some(2));
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(&format!("waits: {why}")), "{status}");
    assert_refused(&stage.ask(["apply", "x-k3s.yml"])?, "cannot apply x-k3s.yml", why);
    for host in stage.hosts() {
        assert!(!host.exec(["pidof", "etcd"])?.status.success(), "{} has an etcd", host.name());
    }

    // with the one that differs left out the others form
    let text = stage.workstation().read("x-k3s.yml")?;
    let without = text.replacen("  - name: x-k3s-m-1\n", "", 1);
    stage.workstation().write("x-k3s.yml", &without)?;
    stage.ctl(["apply", "x-k3s.yml"])?;
    assert!(stage.await_healthy()?.contains("2 of 2 members healthy"));
    Ok(())
}

/// Exit code 4 and the three lines.
fn assert_refused(output: &std::process::Output, error: &str, cause: &str) {
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let told = ThreeLines::at_the_end_of(&String::from_utf8_lossy(&output.stderr)).unwrap();
    assert_eq!(told.error, error);
    assert!(told.cause.starts_with(cause), "{told:?}");
}

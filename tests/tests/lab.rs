//! The lab keeps its word: hosts are real and apart, faults do what they say, and the machine is
//! left as it was.
//!
//! Method: small labs with random ids, stood up side by side by the tests of this one program; each
//! looks from inside the hosts, from the workstation and from the machine.
#![expect(
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "a test may end early: then its process ends too"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::etcd::{self, EtcdRelease};
use lab::{Host, HostSpec, Lab, LabError, LabOptions, LinkState, report, wait_until};

/// Longer than anything here takes; a test that needs it all fails.
const LIMIT: Duration = Duration::from_secs(20);

/// A lab with hosts `m-1` (192.168.7.11), `m-2` …
fn lab_of(hosts: usize) -> Result<Lab, LabError> {
    Lab::up(options(hosts))
}

fn options(hosts: usize) -> LabOptions {
    let host = |n| HostSpec::new(format!("m-{n}"), format!("192.168.7.{}/24", 10 + n));
    LabOptions { hosts: (1..=hosts).map(host).collect(), ..LabOptions::default() }
}

fn pings(from: &Host, to: Ipv4Addr) -> Result<bool, LabError> {
    Ok(from.exec(["busybox", "ping", "-c", "1", "-W", "1", &to.to_string()])?.status.success())
}

#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in:\n{text}");
}

#[test]
fn three_hosts_boot_each_with_its_address_and_its_own_name() -> Result<(), LabError> {
    let start = Instant::now();
    let lab = lab_of(3)?;
    report::note(format_args!("three hosts were up after {:.2} s", start.elapsed().as_secs_f32()));

    for (host, address) in lab.hosts().iter().zip(["192.168.7.11", "192.168.7.12", "192.168.7.13"])
    {
        assert_contains(
            &host.exec_ok(["ip", "-brief", "address", "show", "eth0"])?,
            &format!("{address}/24"),
        );
        assert_eq!(host.exec_ok(["hostname"])?.trim(), host.name());
        assert_eq!(host.exec_ok(["cat", "/run/openrc/softlevel"])?, "default");
    }
    Ok(())
}

#[test]
fn a_host_resolves_localhost_and_its_own_name_and_nothing_else() -> Result<(), LabError> {
    let lab = lab_of(2)?;
    let host = lab.host("m-1");
    assert_contains(&host.exec_ok(["getent", "hosts", "m-1"])?, "127.0.1.1");
    host.exec_ok(["getent", "hosts", "localhost"])?;
    for stranger in ["m-2", "ws", "vm", "etcd.edge.huatai.me"] {
        assert!(!host.exec(["getent", "hosts", stranger])?.status.success(), "{stranger} resolves");
    }
    Ok(())
}

#[test]
fn hosts_and_workstation_reach_each_other_while_the_cable_is_in() -> Result<(), LabError> {
    let lab = lab_of(2)?;
    let (one, two) = (lab.host("m-1"), lab.host("m-2"));
    two.write("/srv/greeting", "hello", 0o644)?;
    let _server = two.command(["busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"])?.spawn();
    let url = format!("http://{}:8080/greeting", two.address());
    let fetch = || lab.workstation().exec_ok(["curl", "--silent", "--max-time", "1", &url]);

    wait_until("an answer over TCP", LIMIT, || Ok(fetch()? == "hello"))?;
    assert!(pings(one, two.address())?);

    two.link(LinkState::Down)?;
    assert!(!pings(one, two.address())?);
    assert!(fetch().is_err());
    assert_contains(&two.exec_ok(["ip", "-brief", "address", "show", "eth0"])?, "192.168.7.12/24");

    two.link(LinkState::Up)?;
    wait_until("an answer with the cable back in", LIMIT, || {
        Ok(fetch()? == "hello" && pings(one, two.address())?)
    })
}

#[test]
fn a_crash_keeps_the_disk_and_a_new_card_is_empty() -> Result<(), LabError> {
    let lab = lab_of(2)?;
    let (host, other) = (lab.host("m-1"), lab.host("m-2"));
    host.write("/var/lib/kept/file", "kept", 0o600)?;
    host.write("/run/gone", "gone", 0o600)?;

    host.kill()?;
    assert!(host.pid1().is_none());
    assert!(!pings(other, host.address())?, "a dead host answers");
    assert_contains(&host.exec(["true"]).unwrap_err().told(), "m-1 is off");
    assert_eq!(fs::read_to_string(host.path("/var/lib/kept/file")).unwrap(), "kept");

    host.boot()?;
    assert_eq!(host.exec_ok(["cat", "/var/lib/kept/file"])?, "kept");
    assert_eq!(fs::read_to_string(host.path("/var/lib/kept/file")).unwrap(), "kept");
    assert!(!host.path("/run/gone").exists());
    wait_until("an answer to ping", LIMIT, || pings(other, host.address()))?;
    assert_contains(&host.boot().unwrap_err().told(), "m-1 is up already");

    host.wipe()?;
    assert!(!host.path("/var/lib/kept").exists());
    host.boot()?;
    assert!(!host.exec(["test", "-e", "/var/lib/kept"])?.status.success());
    assert_eq!(host.exec_ok(["cat", "/etc/hostname"])?, "m-1\n");
    Ok(())
}

#[test]
fn two_labs_with_the_same_addresses_stand_side_by_side_and_the_machine_has_none_of_them()
-> Result<(), LabError> {
    let (a, b) = (lab_of(2)?, lab_of(2)?);
    for (lab, text) in [(&a, "of a"), (&b, "of b")] {
        let host = lab.host("m-1");
        host.write("/srv/which", text, 0o644)?;
        host.exec_ok(["busybox", "httpd", "-p", "8080", "-h", "/srv"])?;
    }
    let fetch = |lab: &Lab| {
        lab.workstation().exec_ok(["curl", "--silent", "http://192.168.7.11:8080/which"])
    };
    assert_eq!((fetch(&a)?, fetch(&b)?), ("of a".to_owned(), "of b".to_owned()));

    for what in ["address", "route"] {
        let machine = Command::new("ip").args([what, "show"]).output().unwrap();
        let text = String::from_utf8(machine.stdout).unwrap();
        assert!(machine.status.success() && !text.contains("192.168.7."), "{text}");
    }
    Ok(())
}

/// What a careless host could change of the machine.
fn machine() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut facts: Vec<_> = mounts
        .lines()
        .filter(|line| line.contains(" /dev") || line.contains(" /proc"))
        .map(str::to_owned)
        .collect();
    for key in [
        "kernel/panic",
        "kernel/hostname",
        "kernel/printk",
        "vm/swappiness",
        "net/ipv4/ip_forward",
        "fs/protected_symlinks",
    ] {
        facts.push(format!("{key} {:?}", fs::read_to_string(Path::new("/proc/sys").join(key))));
    }
    facts.push(format!("{:?}", fs::metadata("/dev/null").unwrap().permissions()));
    facts
}

#[test]
fn the_machine_is_not_changed_by_hosts_that_boot_and_try() -> Result<(), LabError> {
    let before = machine();
    let lab = lab_of(1)?;
    let host = lab.host("m-1");
    for attempt in
        ["echo 7 >/proc/sys/kernel/panic", "echo 1 >/sys/kernel/mm/ksm/run", "date -s 2019-01-01"]
    {
        assert!(!host.exec(["sh", "-c", attempt])?.status.success(), "{attempt}");
    }
    host.exec_ok(["chmod", "600", "/dev/null"])?;
    host.exec_ok(["mount", "-o", "remount,size=2m", "/dev"])?;
    host.kill()?;
    assert_eq!(before, machine());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("pilaster-lab"), "a host's disk is mounted on the machine:\n{mounts}");
    Ok(())
}

#[test]
fn no_process_of_a_host_may_set_the_clock() -> Result<(), LabError> {
    let lab = lab_of(1)?;
    for process in ["1", "self"] {
        let status = lab.host("m-1").exec_ok(["cat", &format!("/proc/{process}/status")])?;
        let bounding = status
            .lines()
            .find_map(|line| line.strip_prefix("CapBnd:\t"))
            .expect("every process has one");
        let bounding = u64::from_str_radix(bounding, 16).unwrap();
        for (name, bit) in [("SYS_MODULE", 16), ("SYS_RAWIO", 17), ("SYS_TIME", 25)] {
            assert_eq!(bounding >> bit & 1, 0, "process {process} has CAP_{name}");
        }
    }
    Ok(())
}

#[test]
fn a_supervised_service_starts_at_boot_and_is_started_again_when_it_dies() -> Result<(), LabError> {
    let lab = lab_of(1)?;
    let host = lab.host("m-1");
    let service = "#!/usr/sbin/openrc-run\nsupervisor=supervise-daemon\ncommand=/usr/bin/sleep\ncommand_args=1000\n\
                   respawn_delay=1\npidfile=/run/sleeper.pid\ndepend() { need net; }\n";
    host.write("/etc/init.d/sleeper", service, 0o755)?;
    host.exec_ok(["rc-update", "add", "sleeper", "default"])?;
    host.kill()?;
    host.boot()?;
    assert_contains(&host.exec_ok(["rc-service", "sleeper", "status"])?, "started");

    let sleeper = || host.exec_ok(["pidof", "sleep"]).map(|text| text.trim().to_owned());
    let mut first = String::new();
    wait_until("the first sleeper", LIMIT, || {
        first = sleeper()?;
        Ok(true)
    })?;
    host.exec_ok(["kill", "-9", &first])?;
    wait_until("another sleeper", LIMIT, || Ok(sleeper()? != first))?;
    host.exec_ok(["rc-service", "sleeper", "stop"])?;
    assert!(sleeper().is_err());
    Ok(())
}

#[test]
fn a_command_takes_what_is_piped_to_it_and_dies_with_its_child() -> Result<(), LabError> {
    let lab = lab_of(1)?;
    let host = lab.host("m-1");
    host.install(Path::new("/bin/cat"), "/opt/tools/cat", 0o755)?;
    let mut child = host.command(["/opt/tools/cat"])?.stdin(Stdio::piped()).spawn().unwrap();
    host.install(Path::new("/bin/cat"), "/opt/tools/cat", 0o755)?; // while it runs
    let running = || Ok(host.exec(["pidof", "/opt/tools/cat"])?.status.success());
    wait_until("the command", LIMIT, running)?;
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the command's end", LIMIT, || running().map(|runs| !runs))?;

    let error = host
        .exec_ok(["sh", "-c", "echo to-stdout; echo to-stderr >&2; exit 3"])
        .unwrap_err()
        .told();
    for part in ["m-1: sh -c 'echo", "exit status: 3", "to-stdout", "to-stderr"] {
        assert_contains(&error, part);
    }
    Ok(())
}

#[test]
fn a_host_can_lose_its_eth0_or_have_two_addresses() -> Result<(), LabError> {
    let lab = lab_of(2)?;
    let (one, two) = (lab.host("m-1"), lab.host("m-2"));
    one.ip(["address", "add", "192.168.7.77/24", "dev", "eth0"])?;
    assert!(pings(two, Ipv4Addr::new(192, 168, 7, 77))?);
    two.ip(["link", "set", "eth0", "down", "name", "lan0"])?;
    two.kill()?;
    two.boot()?;
    assert!(!two.exec(["ip", "link", "show", "eth0"])?.status.success());
    Ok(())
}

#[test]
fn a_memory_limit_ends_what_wants_more_and_only_that() -> Result<(), LabError> {
    let lab = Lab::up(LabOptions { memory_limit: Some(100 << 20), ..options(1) })?;
    let host = lab.host("m-1");
    // `tail` holds all of it in memory.
    let held = |megabytes| {
        host.exec_ok([
            "sh",
            "-c",
            &format!("head -c {megabytes}M /dev/zero | tail -c {megabytes}M | wc -c"),
        ])
    };
    assert_eq!(held(300)?.trim(), "0");
    assert_eq!(held(20)?.trim(), (20 << 20).to_string());
    Ok(())
}

#[test]
fn the_workstation_has_names_tools_and_a_folder_of_its_own() -> Result<(), LabError> {
    let lab = lab_of(1)?;
    let workstation = lab.workstation();
    workstation.write_hosts("127.0.0.1 localhost\n192.168.7.11 m-1 etcd.edge.huatai.me\n")?;
    assert_contains(
        &workstation.exec_ok(["getent", "hosts", "etcd.edge.huatai.me"])?,
        "192.168.7.11",
    );
    assert!(!fs::read_to_string("/etc/hosts").unwrap_or_default().contains("etcd.edge.huatai.me"));
    assert_contains(&workstation.exec_ok(["etcdctl", "version"])?, "etcdctl version: 3.5");
    assert_eq!(Path::new(workstation.exec_ok(["pwd"])?.trim()), lab.dir().join("ws"));
    assert_eq!(workstation.exec(["sh", "-c", "exit 7"])?.status.code(), Some(7));
    Ok(())
}

#[test]
fn etcd_of_every_minor_is_made_once_and_says_its_version() -> Result<(), LabError> {
    for release in EtcdRelease::ALL {
        let test = format!("etcd_of_every_minor_is_made_once_and_says_its_version, {release}");
        let Some(programs) = etcd::ensure_or_say_not_run(release, &test)? else { continue };
        assert_eq!(programs.version()?, release.version());
        assert_eq!(programs.etcdutl.is_some(), release != EtcdRelease::V3_4);
        let made = fs::metadata(&programs.etcd).unwrap().modified().unwrap();
        assert_eq!(etcd::ensure(release)?, programs);
        assert_eq!(fs::metadata(&programs.etcd).unwrap().modified().unwrap(), made);
    }
    Ok(())
}

#[test]
fn a_lab_that_goes_down_takes_everything_along() -> Result<(), LabError> {
    let lab = Lab::up(LabOptions { memory_limit: Some(1 << 30), ..options(1) })?;
    let id = lab.id().to_string();
    let mut forgotten = lab.workstation().command(["sleep", "1000"]).spawn().unwrap();
    wait_until("the workstation's sleeper", LIMIT, || Ok(comm(forgotten.id()) == "sleep"))?;
    let pid1 = lab.host("m-1").pid1().expect("it is up");
    lab.down()?;
    assert!(!pid1.is_alive());
    assert!(!forgotten.wait().unwrap().success());
    assert_nothing_left_of(&id);
    Ok(())
}

fn comm(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

#[track_caller]
fn assert_nothing_left_of(id: &str) {
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap().stdout;
    let namespaces = String::from_utf8(namespaces).unwrap();
    assert!(!namespaces.contains(&format!("pl-{id}-")), "{namespaces}");
    for folder in [
        "/run/pilaster-lab",
        "/var/lib/pilaster-lab",
        "/etc/netns",
        "/sys/fs/cgroup",
        "/sys/fs/cgroup/memory",
    ] {
        let names =
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names
            .filter(|name| name == id || name.to_string_lossy().contains(&format!("pl-{id}-")))
            .collect();
        assert_eq!(left, [""; 0], "in {folder}");
    }
}

/// `lab up --foreground` that stands, with an id of its own that begins with `prefix`.
fn foreground_lab(prefix: &str) -> (Child, String) {
    let id = format!("{prefix}{}", std::process::id() % 100_000);
    let mut owner = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["--id", &id, "up", "--hosts", "1", "--foreground"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let says = BufReader::new(owner.stdout.take().unwrap());
    let line = says.lines().map(Result::unwrap).find(|line| line.starts_with(&id));
    assert_contains(&line.expect("it says what stands"), &owner.id().to_string());
    (owner, id)
}

#[test]
fn a_lab_whose_owner_was_killed_is_ended_by_the_next_run() -> Result<(), LabError> {
    let (mut owner, id) = foreground_lab("dead");
    let mut on_workstation = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["--id", &id, "exec", "ws", "--", "sleep", "1000"])
        .spawn()
        .unwrap();
    let noted = Path::new("/run/pilaster-lab").join(&id).join("ws.stat");
    wait_until("the workstation's sleeper", LIMIT, || {
        Ok(fs::read_to_string(&noted).is_ok_and(|stat| stat.ends_with('\n')))
    })?;
    owner.kill().unwrap();
    owner.wait().unwrap();

    let before_a_reboot = format!("old{}", std::process::id() % 100_000);
    fs::create_dir(Path::new("/var/lib/pilaster-lab").join(&before_a_reboot)).unwrap();

    let _next = lab_of(0)?;
    assert_nothing_left_of(&id);
    assert_nothing_left_of(&before_a_reboot);
    wait_until("the sleeper's end", LIMIT, || Ok(on_workstation.try_wait().unwrap().is_some()))
}

#[test]
fn a_lab_in_the_foreground_is_taken_down_by_ctrl_c_and_by_sigterm() {
    for (prefix, signal) in [("int", "-INT"), ("term", "-TERM")] {
        let (mut owner, id) = foreground_lab(prefix);
        let sent = Command::new("kill").args([signal, &owner.id().to_string()]).status().unwrap();
        assert!(sent.success() && owner.wait().unwrap().success(), "{signal}");
        assert_nothing_left_of(&id);
    }
}

#[test]
fn the_program_stands_a_lab_up_passes_exit_codes_and_takes_it_down() {
    let id = format!("cli{}", std::process::id() % 100_000);
    let lab = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_lab")).args(["--id", &id]).args(words).output().unwrap()
    };
    assert!(lab(&["up", "--hosts", "1"]).status.success());
    assert_eq!(lab(&["exec", "x-k3s-m-1", "--", "sh", "-c", "exit 7"]).status.code(), Some(7));
    assert_eq!(lab(&["exec", "ws", "--", "sh", "-c", "echo hello"]).stdout, b"hello\n");
    for words in [
        &["kill", "x-k3s-m-1"][..],
        &["boot", "x-k3s-m-1"],
        &["link", "x-k3s-m-1", "down"],
        &["wipe", "x-k3s-m-1"],
    ] {
        assert!(lab(words).status.success(), "{words:?}");
    }
    let status = String::from_utf8(lab(&["status"]).stdout).unwrap();
    assert!(
        status.lines().any(|line| line.starts_with(&id)
            && line.contains("x-k3s-m-1")
            && line.contains("off")),
        "{status}"
    );
    let again = lab(&["up"]);
    assert_eq!(again.status.code(), Some(1));
    assert_contains(
        &String::from_utf8(again.stderr).unwrap(),
        &format!("error: there is a lab {id} already"),
    );
    assert!(lab(&["down"]).status.success());
    assert_nothing_left_of(&id);
}

#[test]
fn without_root_it_says_so_and_what_to_do() {
    let program = std::env::temp_dir().join(format!("pilaster-lab-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_lab"), &program).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let output = Command::new("setpriv").args(nobody).arg(&program).arg("up").output().unwrap();
    fs::remove_file(program).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_contains(&said, "cause: this is not root");
    assert_contains(&said, " help: run it as root");
}

//! The main job: bare hosts become a healthy cluster, all members together and no sooner.
//!
//! Guards promise 1 (the search for keys) and promise 4 (clients on the peer port), which are among
//! the checks of [`lab::journey`]; promise 5 as far as the first formation goes.

use lab::journey::{ThreeLines, checks};
use lab::stage::{Enrolled, Stage};
use lab::{Host, Lab, LabError, wait_until};

use crate::bench::{LIMIT, NODE, SPEC, apply, assert_told, await_ready, begin_with_spec, joins};

#[test]
fn three_bare_hosts_become_a_healthy_cluster() -> Result<(), LabError> {
    let stage = Stage::of(3)?;
    let names_before = stage
        .hosts()
        .iter()
        .map(|host| host.exec_ok(["cat", "/etc/hosts"]))
        .collect::<Result<Vec<_>, _>>()?;
    stage.apply()?;
    let mut enrolled = Vec::new();
    for host in stage.hosts() {
        enrolled.push(stage.enroll(host)?);
        assert_lines(host, enrolled.last().unwrap());
    }
    stage.await_healthy()?;
    for (host, enrolled) in stage.hosts().iter().zip(enrolled) {
        assert_steps(host, &enrolled.finish()?);
    }
    assert_status(&stage)?;
    for (host, names_before) in stage.hosts().iter().zip(&names_before) {
        assert_service(host)?;
        assert_files(host)?;
        assert_names(&stage, host, names_before)?;
    }

    checks::assert_all_right(&stage)?;

    a_change_that_needs_a_rollout_is_refused(&stage)
}

/// What `coordctl enroll` tells a person to run, and what that line says when it is run.
fn assert_lines(host: &Host, enrolled: &Enrolled) {
    let shown = enrolled.lines.join("\n");
    for words in [
        &format!("On {}, as root:", host.name()),
        "apk add etcd etcd-ctl ./pilaster-agent.apk && pilaster-agent join 192.168.7.2:7443 --token-file -",
        "apt-get install etcd-server etcd-client",
        "good once, until 20",
    ] {
        assert!(shown.contains(words), "no {words:?} in:\n{shown}");
    }
    let said = String::from_utf8_lossy(&enrolled.joined.stdout);
    let (name, address) = (host.name(), host.address());
    let words = format!("{name} joined x-k3s as {address}; pilaster-agent is running\n");
    assert_eq!(said, words);
}

/// The steps that `coordctl enroll` has shown, each once and in this order. What holds a step up is
/// said between them where nothing has happened for some seconds, as on a busy machine.
fn assert_steps(host: &Host, shown: &str) {
    let lines: Vec<&str> = shown.lines().collect();
    let name = format!("{}: ", host.name());
    let step = |line: &&str| {
        line.strip_prefix(&name).unwrap_or_else(|| panic!("whose step is {line:?}?")).to_owned()
    };
    let mut steps = lines.iter().map(step).filter(|step| !step.starts_with("waits: "));
    let mut next = |begins: &str| {
        let step = steps.next().unwrap_or_default();
        assert!(step.starts_with(begins), "{step:?} where {begins:?} belongs, in:\n{shown}");
        step
    };
    assert_eq!(next("joined as "), format!("joined as {}", host.address()));
    next("has etcd 3.5.");
    next("holds its certificates");
    next("has all its files");
    if host.name() == "x-k3s-m-3" {
        next("has started etcd");
        next("is a healthy, voting member");
    } else {
        assert!(next("waits for ").contains("x-k3s-m-3"), "{shown}");
    }
    assert_eq!(steps.next(), None, "{shown}");
}

fn assert_status(stage: &Stage) -> Result<(), LabError> {
    let names: Vec<&str> = stage.hosts().iter().map(Host::name).collect();
    let shown = stage.ask(["status"])?;
    assert_eq!(shown.status.code(), Some(0));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("3 of 3 members healthy   leader x-k3s-m-"), "{shown}");
    assert!(shown.contains("goes on without the coordinator until 20"), "{shown}");

    let state = stage.status()?;
    assert_eq!(state["apiVersion"], "pilaster/v1");
    assert_eq!(state["formation"], "formed");
    assert_eq!((&state["healthyMembers"], &state["members"]), (&3.into(), &3.into()));
    assert_eq!(state["waits"], serde_json::json!([]));
    let leader = state["leader"].as_str().unwrap();
    assert!(names.contains(&leader), "{leader}");
    for node in state["nodes"].as_array().unwrap() {
        let leads = node["name"] == leader;
        assert_eq!(node["role"], if leads { "leader" } else { "follower" }, "{node}");
        assert!(node["healthy"] == true && node["problems"] == serde_json::json!([]), "{node}");
    }

    let env = stage.ctl(["env", "--certs", "."])?;
    for name in names {
        assert!(env.contains(&format!("https://{name}.edge.huatai.me:2379")), "{env}");
    }
    Ok(())
}

/// etcd runs as its own user below its supervisor, and at each boot.
fn assert_service(host: &Host) -> Result<(), LabError> {
    let etcd = host.exec_ok(["ps", "-o", "user=,ppid=", "-C", "etcd"])?;
    let Some((user, parent)) = etcd.trim().split_once(' ') else { panic!("not one etcd: {etcd}") };
    let parent = host.exec_ok(["ps", "-o", "comm=", "-p", parent.trim()])?;
    assert_eq!((user, parent.trim()), ("etcd", "supervise-daemo")); // 15 characters, as the kernel has it
    let enabled = host.exec_ok(["rc-update", "show", "default"])?;
    for service in ["etcd", "pilaster-agent"] {
        let line = format!("{service} | default");
        assert!(enabled.lines().any(|at| at.trim() == line), "{enabled}");
        host.exec_ok(["rc-service", service, "status"])?;
    }
    Ok(())
}

/// Owners and modes; and that from now on etcd would not begin a cluster of its own (promise 10).
fn assert_files(host: &Host) -> Result<(), LabError> {
    let name = host.name();
    let expected = format!(
        "root:root 755 /etc/etcd\n\
         root:root 644 /etc/etcd/ca.pem\n\
         root:root 600 /etc/etcd/client.pem\n\
         root:root 644 /etc/etcd/conf.yml\n\
         root:root 644 /etc/etcd/peer-ca.pem\n\
         etcd:etcd 600 /etc/etcd/server.pem\n\
         etcd:etcd 600 /etc/etcd/{name}.pem\n\
         root:root 644 /etc/conf.d/etcd\n\
         root:root 755 /etc/init.d/etcd\n\
         root:root 644 /etc/hosts\n\
         etcd:etcd 700 /var/lib/etcd\n\
         root:root 700 /var/lib/pilaster\n\
         root:root 600 /var/lib/pilaster/identity/current/identity.pem\n"
    );
    let script = "stat -c '%U:%G %a %n' /etc/etcd /etc/etcd/* /etc/conf.d/etcd /etc/init.d/etcd /etc/hosts \
                  /var/lib/etcd /var/lib/pilaster /var/lib/pilaster/identity/current/identity.pem";
    assert_eq!(host.exec_ok(["sh", "-c", script])?, expected, "{name}");

    let mut conf = String::new();
    wait_until("conf.yml says existing", LIMIT, || {
        conf = host.exec_ok(["cat", "/etc/etcd/conf.yml"])?;
        Ok(conf.contains("\ninitial-cluster-state: \"existing\"\n"))
    })?;
    for pair in ["server.pem", &format!("{name}.pem")] {
        for key in ["cert-file", "key-file"] {
            let line = format!("  {key}: /etc/etcd/{pair}\n");
            assert!(conf.contains(&line), "no {line:?} in:\n{conf}"); // one PEM for both (promise 7)
        }
    }
    Ok(())
}

/// All members and the service name are found from each host, and what stood in /etc/hosts stays.
fn assert_names(lab: &Lab, host: &Host, before: &str) -> Result<(), LabError> {
    let names = host.exec_ok(["cat", "/etc/hosts"])?;
    let block = names.strip_prefix(before).unwrap_or_else(|| panic!("something went:\n{names}"));
    for member in lab.hosts() {
        let (name, address) = (member.name(), member.address());
        let line = format!("{address}\t{name}.edge.huatai.me {name} etcd.edge.huatai.me\n");
        assert!(block.contains(&line), "no {line:?} in:\n{block}");
        let found = host.exec_ok(["getent", "ahostsv4", &format!("{name}.edge.huatai.me")])?;
        assert!(found.contains(&address.to_string()), "{found}");
        let found = host.exec_ok(["getent", "ahostsv4", "etcd.edge.huatai.me"])?;
        assert!(found.contains(&address.to_string()), "{found}");
    }
    assert_eq!(block.lines().count(), lab.hosts().len() + 2, "{block}");
    Ok(())
}

fn a_change_that_needs_a_rollout_is_refused(stage: &Stage) -> Result<(), LabError> {
    let good = stage.workstation().read("x-k3s.yml")?;
    let same = stage.ask(["apply", "x-k3s.yml"])?;
    assert_eq!(same.status.code(), Some(0));
    assert_eq!(same.stderr, b"x-k3s is as in x-k3s.yml already\n");
    for (old, new, words) in [
        ("storage: sdcard", "storage: ssd", "would restart (heartbeat-interval: 500 becomes 100, "),
        ("domain: edge.huatai.me", "domain: edge.other.me", "the members' URLs change"),
        ("  - name: x-k3s-m-3\n", "", "x-k3s-m-3 goes"),
        ("  - name: x-k3s-m-3\n", "  - name: x-k3s-m-3\n  - name: x-k3s-m-4\n", "x-k3s-m-4 is new"),
    ] {
        assert!(good.contains(old), "{old:?} is no line of:\n{good}");
        stage.workstation().write("changed.yml", &good.replacen(old, new, 1))?;
        let told: ThreeLines =
            assert_told(&stage.ask(["apply", "changed.yml"])?, 4, &["needs a rollout: ", words]);
        assert_eq!(told.error, "cannot apply changed.yml");
    }
    assert_eq!(stage.status()?["members"], 3);
    let same = stage.ask(["apply", "x-k3s.yml"])?;
    assert_eq!(same.stderr, b"x-k3s is as in x-k3s.yml already\n", "nothing of it was kept");
    Ok(())
}

#[test]
fn promise_05_with_one_member_missing_nothing_is_started_and_the_one_is_named()
-> Result<(), LabError> {
    let stage = Stage::of(3)?;
    stage.apply()?;
    let [first, second, third] = stage.hosts() else { panic!("three hosts") };
    for host in [first, second] {
        let shown = stage.enroll(host)?.finish()?;
        assert!(shown.lines().last().unwrap().contains("waits for "), "{shown}");
    }
    wait_until("both have all their files", LIMIT, || {
        let nodes = stage.status()?["nodes"].as_array().cloned().unwrap_or_default();
        let ready = nodes.iter().filter(|node| node["role"] == "ready").count();
        if ready == 2 { Ok(true) } else { Err(LabError::NotYet(format!("{nodes:?}"))) }
    })?;

    let shown = stage.ask(["status"])?;
    assert_eq!(shown.status.code(), Some(2));
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("0 of 3 members healthy   not formed yet"), "{shown}");
    let wait = "waits: x-k3s-m-3 has not joined; coordctl enroll x-k3s-m-3 (for ";
    let waits: Vec<&str> = shown.lines().filter(|line| line.starts_with("waits: ")).collect();
    assert!(matches!(waits[..], [only] if only.starts_with(wait)), "{shown}");
    let waited = stage.ask(["status", "--wait", "--timeout", "1s"])?;
    assert_eq!(waited.status.code(), Some(124));
    for host in [first, second] {
        assert!(!host.exec(["pidof", "etcd"])?.status.success(), "{} has an etcd", host.name());
        let written = host.written()?;
        assert!(written.has("/etc/init.d/etcd") && !written.has("/etc/runlevels/default/etcd"));
        assert!(!written.has("/var/lib/etcd/member"));
    }

    stage.enroll(third)?.finish()?;
    stage.await_healthy().map(drop)
}

#[test]
fn a_cluster_whose_names_are_kept_in_dns_has_no_block_in_etc_hosts() -> Result<(), LabError> {
    let stage = begin_with_spec(1)?;
    let host = stage.host(NODE);
    let names = || host.exec_ok(["cat", "/etc/hosts"]);
    let before = names()?;
    let in_dns = format!("{SPEC}names: dns\n");
    apply(&stage, &in_dns)?;
    joins(&stage, host, &stage.token(NODE, &[])?)?; // with all its files
    assert_eq!(names()?, before);

    apply(&stage, SPEC)?;
    wait_until("a block", LIMIT, || {
        Ok(names()?.contains("192.168.7.11\tx-k3s-m-1.edge.huatai.me"))
    })?;
    apply(&stage, &in_dns)?;
    wait_until("the block is gone", LIMIT, || Ok(names()? == before))?;
    await_ready(&stage)?;
    assert_eq!(stage.node(NODE)?["problems"], serde_json::json!([]));
    Ok(())
}

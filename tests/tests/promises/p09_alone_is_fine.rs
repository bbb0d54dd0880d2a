//! Promise 9: alone is fine.
//!
//! Goal: with the coordinator gone, a cluster survives even a crash of all of its hosts; and a
//! coordinator that comes back disturbs nothing. Method: three hosts with a healthy cluster and a
//! value in it. The coordinator is killed, then all hosts at once; all boot. The stock etcdctl on
//! the workstation says that all are healthy and reads the value, on each member. Then the
//! coordinator is started: it sees a healthy cluster, and every etcd and agent is the same process
//! as before. Not here: a node whose certificate ended while it was off.

use std::thread;

use lab::stage::{LIMIT, Stage};
use lab::{Host, Lab, LabError, wait_until};

/// `etcdctl WORDS` on the workstation, with all endpoints.
fn etcdctl(lab: &Lab, env: &str, words: &str) -> Result<String, LabError> {
    lab.workstation().exec_ok(["sh", "-c", &format!("{env}\netcdctl {words} 2>&1")])
}

/// etcd's and the agent's process on each host.
fn processes(lab: &Lab) -> Result<Vec<[String; 2]>, LabError> {
    lab.hosts()
        .iter()
        .map(|host| Ok([host.pid_of("etcd")?, host.pid_of("pilaster-agent")?]))
        .collect()
}

fn crash_and_boot(lab: &Lab) -> Result<(), LabError> {
    lab.hosts().iter().try_for_each(Host::kill)?;
    thread::scope(|scope| {
        let boots: Vec<_> = lab.hosts().iter().map(|host| scope.spawn(|| host.boot())).collect();
        boots.into_iter().try_for_each(|boot| boot.join().unwrap())
    })
}

#[test]
fn promise_09_a_cluster_survives_a_crash_of_all_hosts_without_its_coordinator()
-> Result<(), LabError> {
    let stage = Stage::formed(3)?.settled()?;
    stage.prepare_workstation()?;
    let env = stage.ctl(["env", "--certs", "."])?;
    etcdctl(&stage, &env, "put kept 'before the crash'")?;
    let until = stage.status()?["goesOnUntil"].clone(); // the date that `status` gives for it
    assert!(until.as_str().unwrap_or_default().starts_with("20"));

    stage.kill_coordinator();
    crash_and_boot(&stage)?;
    wait_until("all members healthy without a coordinator", LIMIT, || {
        let said = etcdctl(&stage, &env, "endpoint health")?;
        let healthy = said.matches("is healthy").count();
        if healthy == 3 { Ok(true) } else { Err(LabError::NotYet(said)) }
    })?;
    assert_eq!(stage.ask(["status"])?.status.code(), Some(3), "nobody keeps a coordinator up");
    for host in stage.hosts() {
        let own = format!(
            "unset ETCDCTL_ENDPOINTS\n etcdctl --endpoints=https://{}.edge.huatai.me:2379",
            host.name()
        );
        let read = stage.workstation().exec_ok([
            "sh",
            "-c",
            &format!("{env}\n{own} get kept --consistency=l"),
        ])?;
        assert_eq!(read, "kept\nbefore the crash\n", "{}", host.name());
    }
    etcdctl(&stage, &env, "put kept 'after the crash'")?;

    let before = processes(&stage)?;
    stage.start_coordinator()?;
    let shown = stage.await_healthy()?;
    assert!(shown.contains("3 of 3 members healthy"), "{shown}");
    assert_eq!(processes(&stage)?, before, "somebody was started again");
    let restarted = stage.hosts()[0].exec_ok(["cat", "/etc/etcd/conf.yml"])?;
    assert!(restarted.contains("initial-cluster-state: \"existing\""));
    Ok(())
}

//! A formed cluster and a changed spec: `coordctl plan` says what would happen, and `coordctl
//! apply` does just that.
//!
//! Guards promise 5: what restarts members is refused, and leaves no trace on them.

use lab::stage::Stage;
use lab::{Host, Lab, LabError, wait_until};
use serde_json::Value;

use crate::bench::{LIMIT, assert_told};

/// A Pi of 1 GiB.
const SMALL: &str = "sed 's/^MemTotal:.*/MemTotal:         927744 kB/' /proc/meminfo >/tmp/meminfo && mount --bind /tmp/meminfo /proc/meminfo";

/// What of a host a change that is refused may not touch.
fn state(host: &Host) -> Result<String, LabError> {
    let files = "sha256sum /etc/etcd/conf.yml /etc/conf.d/etcd /etc/init.d/etcd /etc/hosts /etc/etcd/server.pem; stat -c %i /etc/etcd/conf.yml";
    Ok(host.exec_ok(["sh", "-c", files])? + &etcd(host)?)
}

fn states(lab: &Lab) -> Result<Vec<String>, LabError> {
    lab.hosts().iter().map(state).collect()
}

fn etcd(host: &Host) -> Result<String, LabError> {
    host.pid_of("etcd")
}

fn served_names(host: &Host) -> Result<String, LabError> {
    let ask = format!(
        "openssl s_client -connect {}:2379 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName",
        host.address()
    );
    host.exec_ok(["sh", "-c", &ask])
}

#[test]
fn promise_05_a_plan_says_what_restarts_and_apply_does_only_what_does_not() -> Result<(), LabError>
{
    let stage = Stage::of(3)?;
    stage.hosts()[0].exec_ok(["sh", "-c", SMALL])?;
    stage.apply()?;
    stage.form()?;
    let stage = stage.settled()?;
    let good = stage.workstation().read("x-k3s.yml")?;
    let before = states(&stage)?;
    let plan = |spec: &str| -> Result<(Option<i32>, String, Value), LabError> {
        stage.workstation().write("changed.yml", spec)?;
        let (text, json) = (
            stage.ask(["plan", "changed.yml"])?,
            stage.ask(["plan", "changed.yml", "-o", "json"])?,
        );
        assert_eq!(text.status.code(), json.status.code());
        let json = serde_json::from_slice(&json.stdout).unwrap();
        Ok((text.status.code(), String::from_utf8(text.stdout).unwrap(), json))
    };

    let (exit, text, json) = plan(&good)?;
    assert_eq!((exit, &json["outcome"]), (Some(0), &"none".into()), "{text}");
    assert!(text.starts_with("x-k3s: nothing would change\n"), "{text}");
    assert!(text.contains("warning: x-k3s-m-1, x-k3s-m-2 and x-k3s-m-3 have etcd 3.5."), "{text}");

    let ssd = good.replacen("storage: sdcard", "storage: ssd", 1);
    let (exit, text, json) = plan(&ssd)?;
    assert_eq!(exit, Some(4), "{text}");
    let all: Vec<&str> = stage.hosts().iter().map(Host::name).collect();
    assert_eq!((&json["restarts"], &json["apiVersion"]), (&all.into(), &"pilaster/v1".into()));
    for words in [
        "3 members would restart: this needs a rollout, and is refused",
        "heartbeat-interval  500   100      restart  revertible",
        "--- x-k3s-m-2:/etc/etcd/conf.yml\n",
        "-heartbeat-interval: 500\n",
        "+heartbeat-interval: 100\n",
    ] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
    let refused = stage.ask(["apply", "changed.yml"])?;
    let causes = ["needs a rollout: ", "x-k3s-m-1, x-k3s-m-2 and x-k3s-m-3 would restart"];
    assert_told(&refused, 4, &causes);

    let (exit, text, _) = plan(&good.replacen("  # quota: 1GiB", "  quota: 1GiB", 1))?;
    assert_eq!(exit, Some(4), "{text}");
    let words = "refused: x-k3s-m-1: quota 1GiB is more than three quarters of the node's memory of 906MiB; write quota: 679MiB or less";
    assert!(text.contains(words) && !text.contains("x-k3s-m-2: quota"), "{text}");
    assert_told(&stage.ask(["apply", "changed.yml"])?, 4, &["x-k3s-m-1: quota 1GiB"]);
    std::thread::sleep(std::time::Duration::from_secs(2)); // time in which a wrong one would be written
    assert_eq!(states(&stage)?, before, "nothing of it came to the hosts");
    let same = stage.ask(["apply", "x-k3s.yml"])?;
    assert_eq!(same.stderr, b"x-k3s is as in x-k3s.yml already\n", "nothing of it was kept");

    let pids: Vec<String> = stage.hosts().iter().map(etcd).collect::<Result<_, _>>()?;
    let named = format!("{good}\nextra_names: [etcd-lb.huatai.me]\n");
    let (exit, text, json) = plan(&named)?;
    assert_eq!((exit, &json["restarts"]), (Some(2), &Value::Array(vec![])), "{text}");
    assert!(
        text.contains("x-k3s-m-3: nothing restarts\n--- x-k3s-m-3:/etc/etcd/server.pem\n"),
        "{text}"
    );
    assert!(text.contains("+DNS etcd-lb.huatai.me\n"), "{text}");
    let applied = stage.ask(["apply", "changed.yml"])?;
    let said = String::from_utf8_lossy(&applied.stderr);
    assert!(
        applied.status.success() && said.contains("server.pem change; nothing restarts"),
        "{said}"
    );
    wait_until("every member serves the new name", LIMIT, || {
        let all: Vec<String> = stage.hosts().iter().map(served_names).collect::<Result<_, _>>()?;
        Ok(all.iter().all(|names| names.contains("DNS:etcd-lb.huatai.me")))
    })?;
    assert_eq!(stage.hosts().iter().map(etcd).collect::<Result<Vec<_>, _>>()?, pids);
    assert_eq!(stage.status()?["healthyMembers"], 3);
    Ok(())
}

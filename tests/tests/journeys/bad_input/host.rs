//! The host: its name, its interface and addresses, etcd, etcd's ports.

use std::process::Stdio;

use lab::{LabError, wait_until};

use crate::bench::{Asked, LIMIT, NODE, SPEC, apply, assert_told, joins, one_invited, refused};

#[test]
fn a_host_name_that_no_node_can_have_is_refused_until_it_is_set_right() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    for (hostname, words, advice) in [
        ("m.example", "\"m.example\" is not one DNS label", "use the short name, such as \"m\""),
        ("etcd", "\"etcd\" is reserved", "localhost"),
        ("localhost", "\"localhost\" is reserved", "server, client"),
        ("My-Pi", "'M' is not allowed", "lower-case letters"),
    ] {
        host.exec_ok(["hostname", hostname])?;
        let told = refused(&stage, host, &token, Asked::No, &["the host name", words])?;
        assert!(told.help.contains(advice) && told.help.contains("/etc/hostname"), "{}", told.help);
    }
    host.exec_ok(["hostname", "-F", "/etc/hostname"])?; // as the help says
    joins(&stage, host, &token)
}

#[test]
fn a_host_that_is_not_in_the_spec_gets_no_token_and_cannot_use_another_ones() -> Result<(), LabError>
{
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    for (name, words) in [
        ("x-k3s-m-9", "x-k3s-m-9 is not a member of x-k3s"),
        ("m.example", "\"m.example\" is not one DNS label"),
        ("etcd", "\"etcd\" is reserved"),
    ] {
        let told = assert_told(&stage.ask(["enroll", name])?, 1, &[words]);
        assert_eq!(told.error, format!("cannot enroll {name}"));
    }
    host.exec_ok(["hostname", "x-k3s-m-9"])?;
    let words = ["the token is for x-k3s-m-1", "this host is x-k3s-m-9"];
    refused(&stage, host, &token, Asked::Yes, &words)?;
    host.exec_ok(["hostname", NODE])?;

    apply(&stage, &SPEC.replace("  - name: x-k3s-m-1\n", ""))?; // it left the spec meanwhile
    let told = refused(&stage, host, &token, Asked::Yes, &[NODE, "is not a member of x-k3s"])?;
    assert!(told.help.contains("coordctl apply"), "{}", told.help);
    apply(&stage, SPEC)?;
    joins(&stage, host, &token)
}

#[test]
fn a_host_without_eth0_is_told_its_interfaces_and_joins_with_the_one_that_it_names()
-> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    host.ip(["link", "set", "eth0", "down"])?;
    host.ip(["link", "set", "eth0", "name", "lan0"])?;
    host.ip(["link", "set", "lan0", "up"])?;
    let words = ["there is no interface eth0; there are: lan0, lo"];
    let told = refused(&stage, host, &token, Asked::No, &words)?;
    assert!(told.help.contains("PILASTER_INTERFACE"), "{}", told.help);
    let setting = "export PILASTER_INTERFACE=\"lan0\"\n"; // as the help says
    host.write("/etc/conf.d/pilaster-agent", setting, 0o644)?;
    joins(&stage, host, &token)
}

#[test]
fn an_interface_without_an_address_is_refused() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    host.ip(["address", "flush", "dev", "eth0"])?;
    host.ip(["address", "add", "169.254.7.7/16", "dev", "eth0"])?;
    refused(&stage, host, &token, Asked::No, &["eth0 has no global IPv4 address"])?;
    host.ip(["address", "add", "192.168.7.11/24", "dev", "eth0"])?;
    joins(&stage, host, &token)
}

#[test]
fn promise_02_of_two_addresses_on_eth0_the_spec_chooses_and_nobody_else() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    host.ip(["address", "add", "192.168.7.77/24", "dev", "eth0"])?;
    let reported = "more than one global IPv4 address: 192.168.7.11, 192.168.7.77";
    let told = refused(&stage, host, &token, Asked::Yes, &[reported])?;
    assert!(told.help.contains("coordctl approve x-k3s-m-1 --address ADDRESS"), "{}", told.help);

    let seen = stage.ask(["status"])?;
    assert_eq!(seen.status.code(), Some(2));
    let seen = String::from_utf8(seen.stdout).unwrap();
    assert!(seen.contains(&format!("{NODE}: refused: ")) && seen.contains(reported), "{seen}");

    let named = SPEC.replace(NODE, "x-k3s-m-1\n    address: 192.168.7.77");
    apply(&stage, &named)?;
    joins(&stage, host, &token)?;
    let node = stage.node(NODE)?;
    assert_eq!((&node["address"], &node["problems"]), (&"192.168.7.77".into(), &[0; 0][..].into()));
    Ok(())
}

#[test]
fn promise_02_an_address_outside_the_specs_network_or_of_another_node_is_refused()
-> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    apply(&stage, &SPEC.replace("192.168.7.0/24", "192.168.9.0/24"))?;
    let words = ["192.168.7.11", "not a host's address in the network 192.168.9.0/24"];
    let told = refused(&stage, host, &token, Asked::Yes, &words)?;
    assert!(told.help.contains("network:"), "{}", told.help);

    apply(&stage, &SPEC.replace("m-2", "m-2\n    address: 192.168.7.11"))?;
    let words = ["192.168.7.11, which is the address of x-k3s-m-2"];
    refused(&stage, host, &token, Asked::Yes, &words)?;

    apply(&stage, &SPEC.replace("m-1", "m-1\n    address: 192.168.7.31"))?;
    let words = ["x-k3s-m-1 is to have the address 192.168.7.31", "eth0 has 192.168.7.11"];
    refused(&stage, host, &token, Asked::Yes, &words)?;

    apply(&stage, SPEC)?;
    joins(&stage, host, &token)
}

#[test]
fn a_host_without_etcd_is_told_how_to_install_it() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    host.exec_ok(["mv", "/usr/bin/etcd", "/root/etcd"])?;
    let words = ["etcd is not installed: there is no /usr/bin/etcd"];
    let told = refused(&stage, host, &token, Asked::No, &words)?;
    assert!(told.help.contains("apk add etcd etcd-ctl"), "{}", told.help);
    assert!(told.help.contains("apt-get install etcd-server etcd-client"), "{}", told.help);

    host.write("/usr/bin/etcd", "#!/bin/sh\necho 'etcd Version: 2.3.8'\n", 0o755)?;
    refused(&stage, host, &token, Asked::No, &["2.3.8"])?;

    host.exec_ok(["mv", "/root/etcd", "/usr/bin/etcd"])?;
    joins(&stage, host, &token)
}

#[test]
fn a_process_on_one_of_etcds_ports_is_named_with_its_id() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    for port in ["2379", "2380"] {
        let script = "echo $$ >/run/holder; exec busybox nc -l -p $0";
        let mut holder = host.command(["sh", "-c", script, port])?;
        let mut holder = holder.stdin(Stdio::piped()).spawn().unwrap();
        wait_until("it listens", LIMIT, || {
            Ok(host.exec_ok(["ss", "-Hltn", &format!("sport = :{port}")])?.contains("LISTEN"))
        })?;
        let pid = host.exec_ok(["cat", "/run/holder"])?;
        let words = format!("port {port} is taken by busybox (pid {})", pid.trim());
        refused(&stage, host, &token, Asked::No, &[&words])?;
        host.exec_ok(["kill", pid.trim()])?;
        holder.wait().unwrap();
    }
    joins(&stage, host, &token)
}

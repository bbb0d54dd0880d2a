//! Each golden `conf.yml` is started by the etcd that it is for, and every value in force is the
//! typed one.
//!
//! Method: one host, one member. It is formed with the golden's values and itself as the only
//! member; then it is started again with the golden file, byte for byte, as on a Pi after its
//! formation. Each key of the file is proven by etcd's own start log, or by what etcd does; a key
//! that can be proven by neither stands in [`UNPROVEN`], and is printed. A key that nobody knows
//! fails the test, and so does a warning that is not known to come with every file.
//!
//! The checker itself is shown a misspelt key, a value that differs and an old spelling, and must
//! refuse each.
#![expect(
    clippy::disallowed_methods,
    reason = "the machine that runs the lab has a power supply: plain writes do"
)]

mod confs;
mod member;
mod pki;
mod told;
mod units;

use std::collections::BTreeMap;

use lab::etcd::{EtcdRelease, ensure, ensure_or_say_not_run};
use lab::{Lab, LabError, report};
use pilaster_common::etcd_conf::{EtcdConf, Metrics};

use confs::{DOMAIN, NODE, alone, golden, kinds, text};
use member::Member;
use pki::Pki;
use told::{Log, Verdict, judge};

/// Keys that no log tells and that nothing here shows, with the minors in which that is so.
const UNPROVEN: [(&str, &[u32]); 10] = [
    ("enable-log-rotation", &[5, 6, 7]),
    ("log-rotation-config-json", &[5, 6, 7]),
    ("grpc-keepalive-min-time", &[4, 5, 6, 7]),
    ("grpc-keepalive-interval", &[4, 5, 6, 7]),
    ("grpc-keepalive-timeout", &[4, 5, 6, 7]),
    ("log-level", &[4]),
    ("max-wals", &[4]),
    ("max-request-bytes", &[4]),
    ("max-concurrent-streams", &[4]),
    ("watch-progress-notify-interval", &[4, 5, 6, 7]), // where it is longer than a test waits
];

/// A host that knows its own name, and certificates for it.
fn begin() -> Result<(Lab, Pki), LabError> {
    let lab = Lab::of(1)?;
    let names = format!("127.0.0.1 localhost\n192.168.7.11 {NODE}.{DOMAIN} {NODE}\n");
    lab.host(NODE).write("/etc/hosts", names, 0o644)?;
    let folder = lab.workstation().dir().join("pki");
    let pki = Pki::make(&folder, &format!("{NODE}.{DOMAIN}"), "192.168.7.11")?;
    Ok((lab, pki))
}

#[test]
fn each_golden_starts_its_etcd_and_every_value_is_in_force() -> Result<(), LabError> {
    const TEST: &str = "each_golden_starts_its_etcd_and_every_value_is_in_force";
    let (lab, pki) = begin()?;
    let host = lab.host(NODE);
    host.install(&ensure(EtcdRelease::V3_5Old)?.etcdctl, "/usr/bin/etcdctl", 0o755)?;
    let mut wrong = Vec::new();
    for release in EtcdRelease::ALL {
        let Some(binaries) = ensure_or_say_not_run(release, TEST)? else { continue };
        for (kind, conf) in kinds(release.version()) {
            let file = golden(release.version(), kind);
            assert_eq!(text(&conf), file, "the golden and these values are the same");
            let member = Member { lab: &lab, host, pki: &pki, conf: &conf };
            member.prepare(&binaries)?;

            let formed = alone(&conf);
            member.start(&text(&formed))?;
            member.await_healthy()?;
            let first = check(&member.log()?, &text(&formed), &formed, false);
            member.stop()?;

            member.start(&file)?;
            member.await_healthy()?;
            let mut second = check(&member.log()?, &file, &conf, true);
            prove_by_behaviour(&member, &mut second)?;
            member.stop()?;

            let complaints = [first.complaints(), second.complaints()].concat();
            report::note(format_args!("etcd {release}, {kind}: {}", second.summary()));
            wrong.extend(complaints.iter().map(|told| format!("etcd {release}, {kind}: {told}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_checker_refuses_a_misspelt_key_another_value_and_an_old_spelling() -> Result<(), LabError> {
    const TEST: &str = "the_checker_refuses_a_misspelt_key_another_value_and_an_old_spelling";
    let Some(binaries) = ensure_or_say_not_run(EtcdRelease::V3_6, TEST)? else { return Ok(()) };
    let (lab, pki) = begin()?;
    let [(_, conf), ..] = kinds(EtcdRelease::V3_6.version());
    let conf = alone(&conf);
    let member = Member { lab: &lab, host: lab.host(NODE), pki: &pki, conf: &conf };
    member.prepare(&binaries)?;
    let refused = |from: &str, to: &str, expected: &str| {
        let file = text(&conf).replace(from, to);
        assert_ne!(file, text(&conf), "{from} stands in the file");
        member.start(&file)?;
        member.await_healthy()?;
        let told = check(&member.log()?, &file, &conf, true).complaints().join("\n");
        member.stop()?;
        assert!(told.contains(expected), "{to} is refused: {told:?}");
        Ok::<_, LabError>(())
    };
    member.start(&text(&conf))?;
    member.await_healthy()?;
    member.stop()?;
    refused("\npre-vote:", "\npre-voet:", "pre-voet: nobody knows this key")?;
    refused("quota-backend-bytes: 536870912", "quota-backend-bytes: 536870911", "quota-backend")?;
    refused("\nwatch-prog", "\nexperimental-watch-prog", "experimental-watch-progress")?;
    Ok(())
}

#[test]
fn names_that_a_reader_could_take_for_something_else_arrive_as_names() -> Result<(), LabError> {
    const TEST: &str = "names_that_a_reader_could_take_for_something_else_arrive_as_names";
    let (lab, pki) = begin()?;
    for release in [EtcdRelease::V3_4, EtcdRelease::V3_5Old, EtcdRelease::V3_7] {
        let Some(binaries) = ensure_or_say_not_run(release, TEST)? else { continue };
        for name in ["no", "on", "y", "null", "1e3", "0x10", "017", "true"] {
            let [(_, conf), ..] = kinds(release.version());
            let node = name.parse().expect("a DNS label");
            let conf = alone(&EtcdConf { node, token: name.into(), ..conf });
            let names = format!("127.0.0.1 localhost\n192.168.7.11 {}\n", conf.host());
            lab.host(NODE).write("/etc/hosts", names, 0o644)?;
            let member = Member { lab: &lab, host: lab.host(NODE), pki: &pki, conf: &conf };
            member.prepare(&binaries)?;
            member.start(&text(&conf))?;
            let log = member.await_told()?;
            member.stop()?;
            for key in ["name", "initial-cluster", "initial-cluster-token"] {
                let verdict = judge(key, &conf, &log, false);
                assert_eq!(verdict, Verdict::Holds, "{release}, {name}: {key}");
            }
        }
        report::note(format_args!("etcd {release} reads names like no, null and 0x10 as names"));
    }
    Ok(())
}

/// What is known of each key of a file.
struct Checked {
    minor: u32,
    keys: BTreeMap<String, Verdict>,
    warnings: Vec<String>,
}

fn check(log: &Log, file: &str, conf: &EtcdConf, formed: bool) -> Checked {
    let mapping: serde_yaml::Mapping = serde_yaml::from_str(file).expect("YAML");
    let keys = mapping.keys().map(|key| {
        let key = key.as_str().expect("a name").to_owned();
        let verdict = judge(&key, conf, log, formed);
        (key, verdict)
    });
    let minor = conf.version.minor;
    Checked { minor, keys: keys.collect(), warnings: log.complaints(minor) }
}

impl Checked {
    fn prove(&mut self, key: &str, holds: bool, otherwise: impl Into<String>) {
        let verdict = if holds { Verdict::Holds } else { Verdict::Differs(otherwise.into()) };
        if let Some(known) = self.keys.get_mut(key) {
            *known = verdict;
        }
    }

    fn unproven(&self) -> Vec<&str> {
        let not_told = self.keys.iter().filter(|(_, verdict)| **verdict == Verdict::NotTold);
        not_told.map(|(key, _)| key.as_str()).collect()
    }

    fn complaints(&self) -> Vec<String> {
        let differs = self.keys.iter().filter_map(|(key, verdict)| match verdict {
            Verdict::Differs(why) => Some(format!("{key}: {why}")),
            _ => None,
        });
        let by_behaviour = |key: &str| BEHAVIOUR.contains(&key);
        let is_known = |key: &&str| {
            let plain = key.trim_start_matches("experimental-");
            by_behaviour(plain)
                || UNPROVEN.iter().any(|(known, minors)| {
                    *known == plain && minors.contains(&self.minor) && is_spelt_so(key, self.minor)
                })
        };
        let unknown = self.unproven().into_iter().filter(|key| !is_known(key));
        let unknown = unknown.map(|key| format!("{key}: nobody knows this key"));
        self.warnings.iter().cloned().chain(differs).chain(unknown).collect()
    }

    fn summary(&self) -> String {
        let proven = self.keys.values().filter(|verdict| **verdict == Verdict::Holds).count();
        let unproven = self.unproven().join(", ");
        format!("{proven} of {} keys proven; rendered and unproven: {unproven}", self.keys.len())
    }
}

/// An old spelling that a newer release drops proves nothing.
fn is_spelt_so(key: &str, minor: u32) -> bool {
    minor < 6 || !key.starts_with("experimental-")
}

/// Keys that are proven by what etcd does, once its log has been judged.
const BEHAVIOUR: [&str; 6] = [
    "strict-reconfig-check",
    "enable-grpc-gateway",
    "enable-pprof",
    "metrics",
    "tls-min-version",
    "max-txn-ops",
];

/// Proves what the log does not tell. The last proof costs the member its quorum.
fn prove_by_behaviour(member: &Member<'_>, checked: &mut Checked) -> Result<(), LabError> {
    let tuning = &member.conf.tuning;
    let range = ["--data", r#"{"key":"Zm9v"}"#];
    let status = member.status_of(&range, "/v3/kv/range")?;
    let expected = if tuning.grpc_gateway { 200 } else { 404 };
    checked.prove("enable-grpc-gateway", status == expected, format!("/v3/kv/range is {status}"));

    let status = member.status_of(&[], "/debug/pprof/")?;
    if checked.keys.contains_key("enable-pprof") {
        checked.prove("enable-pprof", status == 404, format!("/debug/pprof/ is {status}"));
    } else {
        assert_eq!(
            status, 200,
            "where it is left out, the log level opens it: the key would be without effect"
        );
    }

    let is_extensive = member.metrics()?.contains("grpc_server_handling_seconds_bucket");
    let holds = is_extensive == (tuning.metrics == Metrics::Extensive);
    checked.prove("metrics", holds, format!("extensive: {is_extensive}"));

    let old = member.status_of(&["--tls-max", "1.2"], "/health")?;
    let new = member.status_of(&["--tlsv1.3"], "/health")?;
    let told = format!("/health is {old} over TLS 1.2 and {new} over 1.3");
    checked.prove("tls-min-version", (old, new) == (0, 200), told);

    if let Some(operations) = tuning.max_txn_ops {
        let puts = |count: u32| {
            let script = format!(
                "{{ echo; for i in $(seq {count}); do echo put k$i v; done; echo; echo; }} | etcdctl txn"
            );
            member.etcdctl(&script)
        };
        let (fits, above) = (puts(operations)?, puts(operations + 1)?);
        let holds = fits.contains("SUCCESS") && above.contains("too many operations");
        checked.prove("max-txn-ops", holds, format!("{above:.200}"));
    }

    // etcd adds up to a tenth at random (etcd: server/etcdserver/api/v3rpc/watch.go).
    let progress = checked.keys.keys().find(|key| key.ends_with("watch-progress-notify-interval"));
    let interval = tuning.watch_progress_notify_interval.map_or(u64::MAX, |i| i.as_secs());
    if let Some(key) = progress.cloned()
        && interval <= 5
    {
        let watch = |seconds: u64| {
            let line = format!("timeout {seconds} etcdctl watch --progress-notify k");
            Ok::<_, LabError>(member.etcdctl(&line)?.contains("progress notify"))
        };
        let (early, late) = (watch(interval - 1)?, watch(interval + 2)?);
        checked.prove(&key, !early && late, format!("early {early}, late {late}"));
    }

    // A second member that was never started leaves one of two: a third must be refused at once,
    // not for want of a quorum.
    let add = |n| {
        member.etcdctl(&format!("etcdctl member add m-{n} --peer-urls=https://192.168.7.{n}:2380"))
    };
    add(21)?;
    let told = add(22)?;
    let holds = told.contains("re-configuration failed due to not enough started members");
    checked.prove("strict-reconfig-check", holds, told);
    Ok(())
}

//! What must come out right at the end: each check of the hand procedure, typed as it stands there,
//! with the stock tools; and what the hand procedure could not promise.
//!
//! A check is a line that runs on the workstation or on a host, and what is expected of it. Those
//! that expect a refusal have a positive twin, so that a refusal for another reason does not pass.

use std::process::Output;

use super::keys;
use crate::error::LabError;
use crate::lab::Host;
use crate::stage::{CLUSTER, DOMAIN, SERVICE, Stage};

/// One line that was typed, and what came of it.
#[derive(Debug)]
pub struct Checked {
    /// The line.
    pub line: String,
    /// What it said.
    pub said: String,
    /// Why it is not right; `None` where it is.
    pub wrong: Option<String>,
}

/// What is expected of a line.
enum Expect<'a> {
    /// Exit code 0, and this text this many times in what it says.
    Says(&'a str, usize),
    /// Another exit code than 0, and one of these texts in what it says.
    Refused(&'a [&'a str]),
}

/// Where a line runs.
#[derive(Clone, Copy)]
enum Where<'a> {
    Workstation,
    Host(&'a Host),
}

/// Refusals by TLS, as curl and openssl say them.
const BY_TLS: &[&str] =
    &["unknown ca", "bad certificate", "certificate required", "alert", "SSL_read", "SSL routines"];

/// Runs every check, in order. The workstation must be prepared.
///
/// # Errors
/// A tool cannot be run at all.
pub fn run(stage: &Stage) -> Result<Vec<Checked>, LabError> {
    let checks = Checks { stage };
    let mut done = vec![];
    done.extend(checks.of_the_hand_procedure()?);
    done.extend(checks.a_write_is_read_everywhere()?);
    for host in stage.hosts() {
        done.extend(checks.certificates_of(host)?);
    }
    done.extend(checks.clients_are_no_peers()?);
    Ok(done)
}

/// Runs every check on a cluster of three, and looks for its keys: each comes out right.
///
/// # Errors
/// A tool cannot be run at all.
///
/// # Panics
/// One came out wrong.
pub fn assert_all_right(stage: &Stage) -> Result<(), LabError> {
    stage.prepare_workstation()?;
    let done = run(stage)?;
    let wrong: Vec<_> = done.iter().filter(|checked| checked.wrong.is_some()).collect();
    assert!(done.len() >= 35 && wrong.is_empty(), "{wrong:#?}");
    let searched = keys::search(stage)?;
    assert_eq!((searched.keys, searched.planted), (12, 144));
    assert!(searched.missed.is_empty() && searched.leaks.is_empty(), "{searched:#?}");
    Ok(())
}

struct Checks<'a> {
    stage: &'a Stage,
}

impl Checks<'_> {
    fn of_the_hand_procedure(&self) -> Result<Vec<Checked>, LabError> {
        let n = self.stage.hosts().len();
        let health = format!(
            "curl --silent --show-error --cacert ca.pem --cert client.pem --key client-key.pem https://{SERVICE}:2379/health"
        );
        Ok(vec![
            self.check(Where::Workstation, &health, &Expect::Says(r#""health":"true""#, 1))?,
            self.etcdctl("member list", &Expect::Says("started", n))?,
            self.etcdctl("--write-out=table endpoint status", &Expect::Says(":2379 |", n))?,
            self.etcdctl("endpoint health", &Expect::Says("is healthy", n))?,
            self.etcdctl("endpoint health --cluster", &Expect::Says("is healthy", n))?,
        ])
    }

    fn a_write_is_read_everywhere(&self) -> Result<Vec<Checked>, LabError> {
        let endpoint = |host: &Host| format!("https://{}.{DOMAIN}:2379", host.name());
        let hosts = self.stage.hosts();
        let put = format!("--endpoints={} put greeting hello", endpoint(&hosts[0]));
        let mut done = vec![self.etcdctl(&put, &Expect::Says("OK", 1))?];
        for host in &hosts[1..] {
            let get = format!("--endpoints={} get greeting --consistency=l", endpoint(host));
            done.push(self.etcdctl(&get, &Expect::Says("hello", 1))?);
        }
        Ok(done)
    }

    /// Each certificate by openssl's strict rules against the CA that it is for, and the names that
    /// it carries.
    fn certificates_of(&self, host: &Host) -> Result<Vec<Checked>, LabError> {
        let (name, address) = (host.name(), host.address());
        let full = format!("{name}.{DOMAIN}");
        let peer = format!("/etc/etcd/{name}.pem");
        let identity = "/var/lib/pilaster/identity/current/identity.pem";
        let roots = "/var/lib/pilaster/identity/current/roots.pem";
        let verify = |ca: &str, purpose: &str, file: &str| {
            format!("openssl verify -x509_strict -purpose {purpose} -CAfile {ca} {file}")
        };
        let san = |file: &str| format!("openssl x509 -noout -ext subjectAltName -in {file}");
        let server_names = format!(
            "DNS:{SERVICE}, DNS:localhost, DNS:{name}, DNS:{full}, IP Address:127.0.0.1, IP Address:{address}, IP Address:0:0:0:0:0:0:0:1"
        );
        let peer_names = format!("DNS:{name}, DNS:{full}, IP Address:{address}");
        let lines = [
            (verify("/etc/etcd/ca.pem", "sslserver", "/etc/etcd/server.pem"), "server.pem: OK"),
            (san("/etc/etcd/server.pem"), server_names.as_str()),
            (verify("/etc/etcd/peer-ca.pem", "sslserver", &peer), "pem: OK"),
            (verify("/etc/etcd/peer-ca.pem", "sslclient", &peer), "pem: OK"),
            (san(&peer), peer_names.as_str()),
            (verify("/etc/etcd/ca.pem", "sslclient", "/etc/etcd/client.pem"), "client.pem: OK"),
            (verify(roots, "sslclient", identity), "identity.pem: OK"),
        ];
        let mut done = Vec::new();
        for (line, says) in &lines {
            done.push(self.check(Where::Host(host), line, &Expect::Says(says, 1))?);
        }
        let no_client = verify("/etc/etcd/ca.pem", "sslclient", "/etc/etcd/server.pem");
        done.push(self.check(
            Where::Host(host),
            &no_client,
            &Expect::Refused(&["unsuitable", "unsupported"]),
        )?);
        Ok(done)
    }

    /// Promise 4. Dialled from another member's own host, so that only the certificate makes the
    /// difference.
    fn clients_are_no_peers(&self) -> Result<Vec<Checked>, LabError> {
        let [first, second, ..] = self.stage.hosts() else { return Ok(vec![]) };
        let dial = |certificate: &str| {
            format!(
                "(printf 'GET /version HTTP/1.0\\r\\n\\r\\n'; sleep 0.5) | openssl s_client -quiet -no_ign_eof -CAfile /etc/etcd/peer-ca.pem \
                 -connect {}:2380 -cert {certificate} -key {certificate}",
                first.address()
            )
        };
        let own = format!("/etc/etcd/{}.pem", second.name());
        self.plant_certificate_without_names(second)?;
        Ok(vec![
            self.check(Where::Host(second), &dial(&own), &Expect::Says("etcdserver", 1))?,
            self.check(
                Where::Host(second),
                &dial("/etc/etcd/client.pem"),
                &Expect::Refused(BY_TLS),
            )?,
            self.check(Where::Host(second), &dial("/tmp/no-names.pem"), &Expect::Refused(BY_TLS))?,
        ])
    }

    /// A certificate of the cluster's client CA that has both usages and no names at all: what
    /// etcd's own check of names lets pass.
    fn plant_certificate_without_names(&self, host: &Host) -> Result<(), LabError> {
        let ca = format!("coordinator/ca/{}/client-g1.pem", CLUSTER);
        let script = format!(
            "umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out no-names.key && \
             openssl req -new -key no-names.key -subj /CN=no-names -out no-names.csr && \
             printf 'extendedKeyUsage=serverAuth,clientAuth\\n' >no-names.ext && \
             openssl x509 -req -in no-names.csr -CA {ca} -CAkey {ca} -CAcreateserial -CAserial no-names.srl -days 1 -extfile no-names.ext && \
             rm no-names.csr no-names.ext no-names.srl"
        );
        let workstation = self.stage.workstation();
        let certificate = workstation.exec_ok(["sh", "-c", &script])?;
        let key = workstation.exec_ok(["cat", "no-names.key"])?;
        host.write("/tmp/no-names.pem", certificate + &key, 0o600)
    }

    fn etcdctl(&self, words: &str, expect: &Expect<'_>) -> Result<Checked, LabError> {
        let env = self.stage.ctl(["env", "--certs", "."])?;
        let line = format!("etcdctl {words}");
        // etcdctl refuses an option beside the variable of the same name
        let unset = if line.contains("--endpoints=") { "unset ETCDCTL_ENDPOINTS\n" } else { "" };
        let output = self.stage.workstation().exec(["sh", "-c", &format!("{env}{unset}{line}")])?;
        Ok(judge(line, &output, expect))
    }

    fn check(
        &self,
        place: Where<'_>,
        line: &str,
        expect: &Expect<'_>,
    ) -> Result<Checked, LabError> {
        let (shown, output) = match place {
            Where::Workstation => {
                (line.to_owned(), self.stage.workstation().exec(["sh", "-c", line])?)
            }
            Where::Host(host) => {
                (format!("[{}] {line}", host.name()), host.exec(["sh", "-c", line])?)
            }
        };
        Ok(judge(shown, &output, expect))
    }
}

fn judge(line: String, output: &Output, expect: &Expect<'_>) -> Checked {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let said = [text(&output.stdout), text(&output.stderr)].join("\n").trim().to_owned();
    let code = output.status;
    let wrong = match expect {
        Expect::Says(_, _) if !code.success() => Some(format!("{code}")),
        Expect::Says(words, times) if said.matches(words).count() < *times => {
            Some(format!("{words:?} is not there {times} times"))
        }
        Expect::Refused(_) if code.success() => Some("it was not refused".into()),
        Expect::Refused(any) if !any.iter().any(|words| said.contains(words)) => {
            Some(format!("refused, but for another reason: {code}"))
        }
        Expect::Says(..) | Expect::Refused(_) => None,
    };
    Checked { line, said, wrong }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn wrong(code: i32, said: &str, expect: &Expect<'_>) -> bool {
        let output =
            Output { status: ExitStatus::from_raw(code << 8), stdout: said.into(), stderr: vec![] };
        judge("line".into(), &output, expect).wrong.is_some()
    }

    #[test]
    fn a_check_refuses_a_broken_answer() {
        let healthy = Expect::Says("is healthy", 3);
        assert!(!wrong(0, "a is healthy\nb is healthy\nc is healthy", &healthy));
        assert!(wrong(0, "a is healthy\nb is healthy", &healthy));
        assert!(wrong(1, "a is healthy\nb is healthy\nc is healthy", &healthy));
        let refused = Expect::Refused(BY_TLS);
        assert!(!wrong(1, "sslv3 alert bad certificate", &refused));
        assert!(wrong(0, "sslv3 alert bad certificate", &refused));
        assert!(wrong(1, "connect: Connection refused", &refused));
    }
}

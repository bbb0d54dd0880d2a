//! etcd's own keys that a person may know and write, and that cannot be set: why, and what to do.
//!
//! Facts are from etcd's `server/embed/config.go` (which keys there are) and from what etcd does
//! with them when it starts. Not here: keys with another name in a spec, which stand in the table
//! of [`super::settings`].

use super::EtcdSettings;

/// What is said of one of etcd's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    /// It has another name here, below `etcd:`.
    Named(&'static str),
    /// It cannot be set: why, and what to do.
    Never { why: &'static str, help: &'static str },
}

/// Keys as in etcd's file or its flags, without `experimental-`.
macro_rules! never {
    ($($($key:literal)|+: $why:literal, $help:literal;)*) => {
        const NEVER: &[(&str, Instead)] =
            &[$($(($key, Instead::Never { why: $why, help: $help }),)+)*];
    };
}

never! {
    // where the data lies, who the member is
    "name": "a member is named as its node is", "write names below members:";
    "data-dir": "the data lies in /var/lib/etcd, where the gate that guards it looks",
        "remove it; mount another disk there, if it should lie elsewhere";
    "wal-dir": "the log lies with the data, so that both are guarded, kept or replaced together",
        "remove it; mount a faster disk at /var/lib/etcd instead";
    "listen-peer-urls" | "listen-client-urls":
        "etcd listens on the member's address and on loopback, with TLS",
        "give the member its address: below members:";
    "listen-metrics-urls": "metrics are served on loopback, without a certificate",
        "scrape http://127.0.0.1:2381/metrics on the node";
    "listen-client-http-urls": "with it the client port no longer answers /health",
        "remove it: Pilaster sets it on each member";
    "initial-advertise-peer-urls": "members find each other by <name>.<domain>",
        "set domain: and the members' names";
    "advertise-client-urls": "clients are told <name>.<domain>",
        "set domain: and the members' names; a load balancer's name goes into extra_names:";
    // the formation
    "initial-cluster": "it follows from members:", "remove it";
    "initial-cluster-state":
        "new is right only until the cluster has formed: later, an empty disk would start as a \
        second cluster",
        "remove it: Pilaster writes existing from that moment on";
    "initial-cluster-token":
        "it is random for each formation, so that a member of a dead cluster is refused",
        "remove it";
    "strict-reconfig-check": "without it, one wrong member add ends the quorum",
        "remove it: it is always on";
    "pre-vote": "without it a member that comes back disturbs the leader",
        "remove it: it is always on";
    "force-new-cluster":
        "it throws the other members away, and in a file it does so at every start",
        "restoring a lost cluster is an act of its own, not a setting";
    "unsafe-no-fsync": "it loses acknowledged writes when the power fails",
        "for slow cards: storage: sdcard, or a longer heartbeat_interval";
    "discovery" | "discovery-endpoints" | "discovery-fallback" | "discovery-proxy"
    | "discovery-srv" | "discovery-token":
        "members are those of the spec", "name them below members:";
    "proxy":
        "etcd's v2 proxy is gone since 3.6, and before that it starts a proxy in place of a member",
        "remove it; `etcd grpc-proxy` is a program of its own";
    // trust
    "auto-tls" | "peer-auto-tls": "etcd would make certificates that nobody can verify",
        "remove it: each member gets its own from the cluster's CA";
    "self-signed-cert-validity": "no certificate signs itself here",
        "set how long they live: certificates: {leaf: 365d}";
    "cert-file": "the files of each member are Pilaster's",
        "names for them: extra_names: and extra_addresses:";
    "key-file": "each node makes its own key, and it never leaves it", "remove it";
    "trusted-ca-file": "the cluster has CAs of its own: one for clients, one for peers",
        "remove it; `coordctl client NAME` makes a certificate for a client";
    "client-cert-auth": "without it anyone could read and write", "remove it: it is always on";
    "client-transport-security":
        "certificates and CAs are Pilaster's: TLS with client certificates, always",
        "names for them: extra_names: and extra_addresses:";
    "peer-transport-security":
        "certificates and CAs are Pilaster's: TLS with a CA for peers alone, always", "remove it";
    "cipher-suites":
        "TLS 1.3 alone is spoken, and its suites cannot be chosen: with this key etcd does not \
        start",
        "remove it";
    "tls-min-version" | "tls-max-version": "TLS 1.3 alone is spoken", "remove it";
    "allowed-cn" | "allowed-hostname":
        "the peer port trusts a CA that signs this cluster's members and nobody else", "remove it";
    "client-crl-file": "etcd reads no revocation list from its file",
        "`coordctl node deny NODE` shuts a node out";
    "auth-token" | "auth-token-ttl" | "bcrypt-cost": "who may do what inside etcd is etcd's own",
        "`etcdctl auth` sets it up";
    "host-whitelist": "every client has shown a certificate, so a browser cannot be misled to etcd",
        "remove it";
    "cors": "every client has shown a certificate: there is no browser to serve", "remove it";
    // gone, or dangerous
    "enable-v2": "v2 is gone since etcd 3.6, and its data blocks the way there", "remove it";
    "enable-v2v3" | "v2-deprecation": "v2 is gone since etcd 3.6", "remove it";
    "debug": "it is gone since etcd 3.5", "write log_level: debug";
    "enable-pprof": "it gives heap and profiles to every client with a certificate",
        "remove it; log_level: debug and metrics: extensive tell much";
    "socket-options": "with reuse-port a second etcd could take the port of the first", "remove it";
    "feature-gates": "an unknown gate stops etcd, and names differ by release",
        "initial_corrupt_check: and compact_hash_check: set the two that matter";
    "auto-compaction-mode": "history is kept by time, as compaction_retention says",
        "write compaction_retention: 1h";
    "max-snapshots": "it does nothing since etcd 3.6, which warns of it", "remove it";
    "logger": "etcd has one logger since 3.5", "remove it";
    "log-format": "the log is JSON, which the checks of it read", "remove it";
    "log-output" | "log-outputs": "the log is /var/log/etcd/etcd.log, and kept small",
        "remove it; log_level: sets how much it says";
    "enable-log-rotation" | "log-rotation-config-json":
        "the log is kept small always, or it would fill the card", "remove it";
    "backend-bbolt-freelist-type": "map, etcd's own choice, is right for every size", "remove it";
    "next-cluster-version-compatible":
        "it is for going back from 3.5 to 3.4, which Pilaster does not do", "remove it";
}

/// What is said of `key`, in any spelling of etcd: its file's, its flags' or its variables'.
pub(super) fn instead_of(key: &str) -> Option<Instead> {
    let key = key.to_ascii_lowercase().replace('_', "-");
    let key = key.trim_start_matches("--");
    let key = key.strip_prefix("etcd-").unwrap_or(key);
    let key = key.strip_prefix("experimental-").unwrap_or(key);
    let known_as = EtcdSettings::KNOWN_AS.iter().find(|(name, _)| *name == key);
    let named = known_as.map(|(_, here)| Instead::Named(here));
    named.or_else(|| NEVER.iter().find(|(name, _)| *name == key).map(|(_, instead)| *instead))
}

#[cfg(test)]
mod tests {
    use super::Instead::{Named, Never};
    use super::*;

    #[test]
    fn etcds_keys_are_known_in_each_of_their_spellings() {
        assert_eq!(instead_of("quota-backend-bytes"), Some(Named("quota")));
        assert_eq!(instead_of("ETCD_QUOTA_BACKEND_BYTES"), Some(Named("quota")));
        assert_eq!(
            instead_of("experimental-corrupt-check-time"),
            Some(Named("corrupt_check_interval"))
        );
        assert!(matches!(instead_of("auto_tls"), Some(Never { .. })));
        assert_eq!(instead_of("colour"), None);
    }

    #[test]
    fn each_key_is_told_once() {
        let known_as = EtcdSettings::KNOWN_AS.iter().map(|(key, _)| *key);
        let mut keys: Vec<&str> = known_as.chain(NEVER.iter().map(|(key, _)| *key)).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}

//! Specs with mistakes, and how each is told: read `testdata/bad-specs.txt` as its user would.

use std::fmt::Write;

use pilaster_common::error::Told;

use super::super::{parse, text_of};

/// Whether a JSON Schema can see the mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The form is wrong: editors underline it.
    BySchema,
    /// Its meaning is wrong, or it is no YAML at all.
    ByUs,
}
use Seen::{BySchema, ByUs};

const GOOD: &str = "\
cluster: x-k3s
domain: edge.example.net
network: 192.168.7.0/24
members:
  - name: x-k3s-m-1
    address: 192.168.7.11
  - name: x-k3s-m-2
    address: 192.168.7.12
";

pub(super) fn cases() -> Vec<(&'static str, Seen, Vec<u8>)> {
    let mut cases: Vec<(&'static str, Seen, String)> = vec![
        ("an empty file", ByUs, String::new()),
        ("only comments", ByUs, "# a spec\n\n# to come\n".into()),
        ("null", BySchema, "---\n~\n".into()),
        ("one word", BySchema, "hello\n".into()),
        ("a list", BySchema, "- cluster: x-k3s\n- domain: edge.example.net\n".into()),
        ("nothing but a cluster", BySchema, "cluster: x-k3s\n".into()),
    ];
    let mut with = |title, seen, lines: &str| cases.push((title, seen, format!("{GOOD}{lines}\n")));
    with("an unknown key", BySchema, "colour: red");
    with("a misspelt key", BySchema, "netwrok: 192.168.7.0/24");
    with("a misspelt setting", BySchema, "etcd:\n  snapshot_cuont: 10000");
    with("hyphens as etcd has them", BySchema, "etcd: {heartbeat-interval: 100ms}");
    with("a setting of etcd in the wrong place", BySchema, "storage: ssd");
    with("a key of a spec below etcd", BySchema, "etcd: {names: dns}");
    with("etcd's own name of a setting", BySchema, "etcd: {quota-backend-bytes: 536870912}");
    with("a variable of etcd", BySchema, "etcd: {ETCD_AUTO_COMPACTION_RETENTION: 1h}");
    with("auto-tls", BySchema, "etcd: {auto-tls: true}");
    with("proxy", BySchema, "etcd: {proxy: 'off'}");
    with("enable-v2", BySchema, "etcd: {enable-v2: true}");
    with("discovery", BySchema, "etcd: {discovery: 'https://discovery.etcd.io/x'}");
    with("force-new-cluster", BySchema, "etcd: {force-new-cluster: true}");
    with("data-dir", BySchema, "etcd: {data-dir: /mnt/etcd}");
    with("listen-client-urls", BySchema, "etcd:\n  listen-client-urls: http://0.0.0.0:2379");
    with("initial-cluster-state", BySchema, "initial-cluster-state: new");
    with("cipher-suites", BySchema, "etcd: {cipher-suites: [TLS_RSA_WITH_AES_128_CBC_SHA]}");
    with("a key twice", ByUs, "network: 192.168.8.0/24");
    with("a setting twice", ByUs, "etcd: {quota: 1GiB, quota: 2GiB}");
    with("a key without a value", BySchema, "service:");
    with("a bare number for a time span", BySchema, "etcd: {heartbeat_interval: 500}");
    with("a time span in words", BySchema, "certificates: {leaf: one year}");
    with("a time span out of range", ByUs, "etcd: {grpc_keepalive_min_time: 2h}");
    with("parts of a second where none can be", ByUs, "etcd: {compaction_retention: 90500ms}");
    with("a bare number for a size", BySchema, "etcd: {quota: 2147483648}");
    with("a size in powers of ten", BySchema, "etcd: {quota: 512MB}");
    with("a quota beyond etcd's own advice", ByUs, "etcd: {quota: 64GiB}");
    with("zero", BySchema, "etcd: {snapshot_count: 0}");
    with("a fraction", BySchema, "etcd: {max_wals: 2.5}");
    with("a number in quotes", BySchema, "etcd: {max_wals: \"5\"}");
    with("yes for true", BySchema, "etcd: {grpc_gateway: yes}");
    with("true in quotes", BySchema, "etcd: {grpc_gateway: \"true\"}");
    with("a word that is none of them", BySchema, "etcd: {storage: nvme}");
    with("a misspelt word", BySchema, "etcd: {storage: sd-card}");
    with("one value for a list", BySchema, "extra_names: lb.example.net");
    with("a list for one value", BySchema, "service: [etcd.edge.example.net]");
    with("one value for a section", BySchema, "etcd: ssd");
    with("a service outside the domain", ByUs, "service: etcd.other.net");
    with("the domain itself as the service", ByUs, "service: edge.example.net");
    with("a member's host as the service", ByUs, "service: x-k3s-m-2.edge.example.net");
    with("a member's name as an extra name", ByUs, "extra_names: [x-k3s-m-1.edge.example.net]");
    with("an extra name that is there already", ByUs, "extra_names: [etcd.edge.example.net]");
    with("an extra name twice", ByUs, "extra_names: [lb.example.net, lb.example.net]");
    with("a wildcard", BySchema, "extra_names: [\"*.edge.example.net\"]");
    with("an address among the names", ByUs, "extra_names: [192.168.7.10]");
    with("a name among the addresses", BySchema, "extra_addresses: [lb.example.net]");
    with(
        "a member's address as an extra one",
        ByUs,
        "extra_addresses: [192.168.7.10, 192.168.7.12]",
    );
    with("loopback as an extra address", ByUs, "extra_addresses: [127.0.0.1]");
    with(
        "an election of three heartbeats",
        ByUs,
        "etcd:\n  heartbeat_interval: 500ms\n  election_timeout: 1500ms",
    );
    with(
        "a heartbeat too slow for the storage",
        ByUs,
        "etcd: {storage: ssd, heartbeat_interval: 500ms}",
    );
    with("an election that etcd refuses", ByUs, "etcd: {election_timeout: 90s}");
    with("an autonomy as long as a leaf", ByUs, "certificates: {leaf: 30d, autonomy: 30d}");
    with("a leaf shorter than the autonomy", ByUs, "certificates: {leaf: 30d}");
    with("a leaf of no time", ByUs, "certificates: {leaf: 1s, autonomy: 0s}");
    with("an alias", ByUs, "etcd: &e {storage: ssd}\ncertificates: *e");
    with("an alias of nothing", ByUs, "service: *.example.net");
    with("a tag", ByUs, "service: !!binary ZXRjZA==");
    with("a second document", ByUs, "---\ncluster: y");
    with("a bracket that stays open", ByUs, "extra_names: [lb.example.net");
    with("a quote that stays open", ByUs, "service: \"etcd.edge.example.net");
    with("no space behind the colon", ByUs, "service:etcd.edge.example.net");
    with("text behind a quoted value", ByUs, "service: \"etcd\".edge.example.net");
    with("a list for a key", ByUs, "[a, b]: c");
    with("a directive", ByUs, "%YAML 1.1\n---\nx: y");
    with("depth", ByUs, &format!("etcd: {}{}", "[".repeat(40), "]".repeat(40)));
    with("an alias bomb", ByUs, "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]");
    with("a NUL byte", ByUs, "service: \0");
    with("wide characters", BySchema, "etcd: {storage: 固态硬盘, quota: 大}");
    with(
        "several mistakes at once",
        BySchema,
        "colour: red\netcd:\n  storage: nvme\n  quota: 512\nextra_names: [\"*.example.net\"]",
    );
    let mut mended = |title, seen, from: &str, to: &str| {
        assert!(GOOD.contains(from), "{title}");
        cases.push((title, seen, GOOD.replacen(from, to, 1)));
    };
    mended("a tab", ByUs, "    address: 192.168.7.11", "\taddress: 192.168.7.11");
    mended(
        "a line that is not indented as its neighbours",
        ByUs,
        "    address: 192.168.7.11",
        "     address: 192.168.7.11",
    );
    mended("a domain without a dot", BySchema, "edge.example.net", "edge");
    mended("a domain in capitals", BySchema, "edge.example.net", "Edge.example.net");
    mended("a cluster named by a number", BySchema, "x-k3s", "1234");
    mended("a reserved node name", ByUs, "name: x-k3s-m-2", "name: etcd");
    mended("a host name in full", BySchema, "name: x-k3s-m-2", "name: x-k3s-m-2.edge.example.net");
    mended("an underscore", BySchema, "name: x-k3s-m-2", "name: x_k3s_m_2");
    mended("a member twice", ByUs, "name: x-k3s-m-2", "name: x-k3s-m-1");
    mended("a member without a name", BySchema, "  - name: x-k3s-m-2\n    address", "  - address");
    mended(
        "a member that is only a name",
        BySchema,
        "  - name: x-k3s-m-2\n    address: 192.168.7.12",
        "  - x-k3s-m-2",
    );
    mended("an address twice", ByUs, "192.168.7.12", "192.168.7.11");
    mended("an address outside the network", ByUs, "192.168.7.12", "192.168.8.12");
    mended("the broadcast address", ByUs, "192.168.7.12", "192.168.7.255");
    mended("an address with a prefix", BySchema, "192.168.7.12", "192.168.7.12/24");
    mended("an address of IPv6", BySchema, "192.168.7.12", "\"fd00::12\"");
    mended("three numbers", BySchema, "192.168.7.12", "192.168.7");
    mended("a number above 255", ByUs, "192.168.7.12", "192.168.7.300");
    mended(
        "an address again as a further one",
        ByUs,
        "192.168.7.12",
        "192.168.7.12\n    addresses: [192.168.7.12]",
    );
    mended(
        "an interface of the shell",
        BySchema,
        "192.168.7.12",
        "192.168.7.12\n    interface: eth0;reboot",
    );
    mended("a network without a prefix", BySchema, "192.168.7.0/24", "192.168.7.0");
    mended("an address in place of the network", ByUs, "192.168.7.0/24", "192.168.7.5/24");
    let (head, _) = GOOD.split_once("members:").expect("there");
    cases.push(("no members", BySchema, format!("{head}members: []\n")));
    cases.push((
        "members that are all comments",
        BySchema,
        format!("{head}members:\n  # - name: x\n"),
    ));
    cases.push((
        "a domain too long for etcd's name",
        ByUs,
        GOOD.replace(
            "edge.example.net",
            &["a".repeat(61).as_str(), &"b".repeat(61), &"c".repeat(61), "de"].join("."),
        ),
    ));
    cases.push((
        "a long line",
        ByUs,
        format!(
            "{GOOD}extra_names: [{}x-k3s-m-1]\n",
            (10..40).map(|i| format!("lb-{i}.example.net, ")).collect::<String>()
        ),
    ));
    let mut cases: Vec<_> =
        cases.into_iter().map(|(title, seen, text)| (title, seen, text.into_bytes())).collect();
    cases.push(("Latin-1", ByUs, [GOOD.as_bytes(), b"# caf\xe9\n"].concat()));
    cases.push(("UTF-16", ByUs, b"\xff\xfec\0l\0u\0".to_vec()));
    cases.push(("a file of 2 MiB", ByUs, vec![b'#'; 2 << 20]));
    cases
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_to_do() {
    let cases = cases();
    assert!(cases.len() >= 40);
    let mut golden = String::new();
    for (title, _, bytes) in &cases {
        let error = text_of(bytes).and_then(parse).expect_err(title).in_file("bad.yml");
        assert!(error.places().count() > 0, "{title}");
        let told = Told::new("cannot apply bad.yml", &error);
        assert!(!told.help.is_empty(), "{title}");
        let shown: String = String::from_utf8_lossy(bytes).chars().take(1000).collect();
        let shown = shown.replace(GOOD, "(good)\n").replace('\0', "\\0").replace('\t', "\\t");
        let shown = if bytes.len() > 10_000 { "(long)".into() } else { shown };
        let shown: String = shown.lines().map(|line| format!("    {line}\n")).collect();
        writeln!(golden, "## {title}\n{shown}{told}\n").expect("a string takes all");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/bad-specs.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let owner = pilaster_common::atomic_file::Access { mode: 0o644, ..crate::config::owner() };
        pilaster_common::atomic_file::replace(path.as_ref(), golden.as_bytes(), owner)
            .expect("writes");
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == reviewed,
        "{path} differs: UPDATE_GOLDEN=1 cargo test rewrites it, then review the change"
    );
}

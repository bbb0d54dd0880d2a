//! Random specs are read as they were written; random texts are read, or refused with a place.
//!
//! Every run draws the same values, and tells the smallest that fail. That no text takes long is
//! seen by these tests ending: a text that hangs the reader would hang them.

use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::etcd_conf::{LogLevel, Metrics};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed};

use super::super::{ClusterSpec, EtcdSettings, Lifetimes, MemberSpec, Names, Storage};
use super::super::{parse, span_text, text_of};
use super::bad::cases;
use super::good;

/// So many cases, the same in each run; nothing is written to the disk.
fn config(cases: u32) -> Config {
    let rng_seed = RngSeed::Fixed(0x5eed);
    Config { cases, rng_seed, failure_persistence: None, ..Config::default() }
}

/// One of the many ways in which a person might write a spec: choices, taken one after the other.
struct Hand<'choices>(std::iter::Cycle<std::slice::Iter<'choices, u8>>);

impl Hand<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(*self.0.next().expect("there are choices")) % bound
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 1
    }

    fn quoted(&mut self, text: impl ToString) -> String {
        let text = text.to_string();
        // a name may be a number or a null for YAML, and `::1` begins with its colon
        let needs_quotes = text.contains("::")
            || !text.contains(|c: char| c.is_ascii_alphabetic())
            || ["null", "true", "false"].contains(&text.as_str())
            || text.contains('e');
        match self.below(3) {
            0 if !needs_quotes => text,
            1 => format!("\"{text}\""),
            _ => format!("'{text}'"),
        }
    }

    fn list(&mut self, items: &[impl ToString]) -> String {
        let items: Vec<String> = items.iter().map(|item| self.quoted(item.to_string())).collect();
        format!("[{}]", items.join(", "))
    }

    fn member(&mut self, indent: &str, member: &MemberSpec) -> String {
        let MemberSpec { name, address, addresses, interface } = member;
        let mut keys = vec![
            format!("name: {}", self.quoted(name)),
            format!("interface: {}", self.quoted(interface)),
            format!("addresses: {}", self.list(addresses)),
        ];
        keys.extend(address.map(|address| format!("address: {address}")));
        match self.yes() {
            true => format!("{indent}- {{{}}}\n", keys.join(", ")),
            false => format!("{indent}- {}\n", keys.join(&format!("\n{indent}  "))),
        }
    }

    fn settings(&mut self, etcd: &EtcdSettings) -> String {
        let said = etcd.written().into_iter().filter_map(|(key, value)| Some((key, value?)));
        let lines: Vec<String> = said.map(|(key, value)| format!("{key}: {value}")).collect();
        match self.yes() {
            true => format!("etcd: {{{}}}\n", lines.join(", ")),
            false => format!("etcd:\n  {}\n", lines.join("\n  ")),
        }
    }

    fn write(&mut self, spec: &ClusterSpec) -> String {
        let ClusterSpec {
            cluster,
            domain,
            service,
            network,
            names,
            members,
            extra_names,
            extra_addresses,
            etcd,
            certificates: Lifetimes { leaf, autonomy, identity },
        } = spec;
        let indent = ["", "  "][self.below(2)];
        let members: String = members.iter().map(|member| self.member(indent, member)).collect();
        let mut sections = vec![
            format!("cluster: {}\n", self.quoted(cluster)),
            format!("domain: {}\n", self.quoted(domain)),
            format!("service: {}\n", self.quoted(service)),
            network.map(|network| format!("network: {network}\n")).unwrap_or_default(),
            format!("names: {}\n", if *names == Names::Dns { "dns" } else { "hosts" }),
            format!("members:\n{members}"),
            format!("extra_names: {}\n", self.list(extra_names)),
            format!("extra_addresses: {}\n", self.list(extra_addresses)),
            self.settings(etcd),
            format!(
                "certificates:\n  leaf: {}\n  autonomy: {}\n  identity: {}\n",
                span_text(*leaf),
                span_text(*autonomy),
                span_text(*identity)
            ),
        ];
        let mut text = String::new();
        while !sections.is_empty() {
            if self.below(4) == 1 {
                text.push_str("# a comment: with a colon\n\n");
            }
            text.push_str(&sections.swap_remove(self.below(sections.len())));
        }
        if self.yes() { text.replace('\n', "\r\n") } else { text }
    }
}

/// A DNS label of at least one and at most `most` characters.
fn label(most: usize) -> impl Strategy<Value = String> {
    let pattern = format!("[a-z0-9]([-a-z0-9]{{0,{}}}[a-z0-9])?", most - 2);
    proptest::string::string_regex(&pattern).expect("a pattern")
}

fn members() -> impl Strategy<Value = Vec<MemberSpec>> {
    let interface = select(vec!["eth0", "end0", "br-lan", "eth0.7"]);
    let member = (label(40), any::<bool>(), 0..3_u8, interface);
    vec(member, 1..10).prop_map(|drawn| {
        let member = |(i, (name, addressed, more, interface)): (u8, (String, bool, u8, &str))| {
            let further = |j| format!("fd00:{j}::{}", i + 1).parse().expect("an address");
            MemberSpec {
                name: format!("m{i}{name}").parse().expect("a label"),
                address: addressed.then(|| [10, 0, 0, i + 1].into()),
                addresses: (0..more).map(further).collect(),
                interface: interface.parse().expect("a name"),
            }
        };
        (0..).zip(drawn).map(member).collect()
    })
}

/// One of these spans in milliseconds, or nothing.
fn span(of: &[u64]) -> impl Strategy<Value = Option<Duration>> + use<> {
    option::of(select(of.to_vec()).prop_map(Duration::from_millis))
}

prop_compose! {
    fn settings()(
        heartbeat_interval in span(&[1, 50, 77, 100]),
        // five of the slowest heartbeat, 500 ms, or more
        election_timeout in span(&[2500, 5000, 3456, 50_000]),
        compaction_retention in span(&[60_000, 61_000, 86_400_000]),
        backend_batch_interval in span(&[1, 10_000]),
        grpc_keepalive_interval in span(&[1000, 7_200_000]),
        corrupt_check_interval in span(&[60_000, 3_600_000]),
        watch_progress_notify_interval in span(&[100, 5000]),
        (quota, request) in (option::of(16..8016_u64), option::of(64..1064_u64)),
        snapshot_count in option::of(1..1_000_000_u64),
        checks in any::<(Option<bool>, Option<bool>)>(),
        metrics in option::of(select(vec![Metrics::Basic, Metrics::Extensive])),
        log_level in option::of(select(vec![LogLevel::Debug, LogLevel::Error])),
        storage in select(vec![Storage::Sdcard, Storage::Ssd]),
    ) -> EtcdSettings {
        EtcdSettings {
            storage,
            heartbeat_interval,
            election_timeout,
            compaction_retention,
            backend_batch_interval,
            grpc_keepalive_interval,
            corrupt_check_interval,
            watch_progress_notify_interval,
            quota: quota.map(|mib| mib << 20),
            max_request_size: request.map(|kib| kib << 10),
            snapshot_count,
            grpc_gateway: checks.0,
            compact_hash_check: checks.1,
            metrics,
            log_level,
            ..EtcdSettings::default()
        }
    }
}

prop_compose! {
    fn specs()(
        cluster in label(63),
        domain in (label(30), label(30)),
        network in any::<bool>(),
        names in select(vec![Names::Hosts, Names::Dns]),
        members in members(),
        extra_names in vec(label(20), 0..4),
        extra_addresses in 0..4_u8,
        etcd in settings(),
        (leaf, identity) in (1000..100_001_000_u64, 10..100_000_000_u64),
    ) -> ClusterSpec {
        let domain = format!("{}.{}", domain.0, domain.1);
        let extra_name =
            |(i, name): (u8, String)| format!("lb{i}.{name}x").parse().expect("a name");
        ClusterSpec {
            cluster: cluster.parse().expect("a label"),
            service: format!("service.{domain}").parse().expect("a domain"),
            domain: domain.parse().expect("a domain"),
            network: network.then(|| "10.0.0.0/16".parse::<Ipv4Net>().expect("a network")),
            names,
            members,
            extra_names: (0..).zip(extra_names).map(extra_name).collect(),
            extra_addresses: (0..extra_addresses).map(|i| [172, 16, 0, i].into()).collect(),
            etcd,
            certificates: Lifetimes {
                leaf: Duration::from_secs(leaf),
                autonomy: Duration::from_secs(leaf / 2),
                identity: Duration::from_secs(identity),
            },
        }
    }
}

proptest! {
    #![proptest_config(config(800))]

    #[test]
    fn what_is_written_is_read_again(spec in specs(), choices in vec(any::<u8>(), 100)) {
        let text = Hand(choices.iter().cycle()).write(&spec);
        match parse(&text) {
            Ok(read) => prop_assert_eq!(read, spec, "{}", text),
            Err(error) => prop_assert!(false, "{error}\n{text}"),
        }
    }
}

#[track_caller]
fn is_read_or_refused_with_a_place(bytes: &[u8]) {
    let Err(error) = text_of(bytes).and_then(parse) else { return };
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!(error.places().count() > 0);
    for place in error.places() {
        let within = (1..=lines + 1).contains(&place.line) && place.column >= 1;
        assert!(within, "{place:?} of {lines} lines");
    }
    let told = error.in_file("x.yml").to_string();
    assert!(told.len() < 10_000, "{} bytes", told.len());
}

/// What YAML cares about.
const TOKENS: [&[u8]; 24] = [
    b"\t",
    b"\0",
    b"\r",
    b"\n",
    b"---\n",
    b"...\n",
    b"&a ",
    b"*a",
    b"!!int ",
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b"- ",
    b"? ",
    b"|\n",
    b">-\n",
    b"\"",
    b"'",
    b"%",
    b"\xef\xbb\xbf",
    b"\xff",
    b"99999999999999999999d",
];

/// A change of the kind that finds mistakes.
#[derive(Debug, Clone)]
enum Change {
    Flip {
        at: Index,
        bit: u32,
    },
    Cut {
        at: Index,
        length: usize,
    },
    Double {
        at: Index,
        length: usize,
        to: Index,
    },
    /// In place of what is cut out, a part of another text.
    Graft {
        at: Index,
        length: usize,
        other: Index,
        from: Index,
        taken: usize,
    },
    Token {
        at: Index,
        length: usize,
        token: &'static [u8],
    },
    SwapLines {
        one: Index,
        other: Index,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        (place(), 0..8_u32).prop_map(|(at, bit)| Change::Flip { at, bit }),
        (place(), 0..40_usize).prop_map(|(at, length)| Change::Cut { at, length }),
        (place(), 0..40_usize, place()).prop_map(|(at, length, to)| Change::Double {
            at,
            length,
            to
        }),
        (place(), 0..40_usize, place(), place(), 0..80_usize).prop_map(
            |(at, length, other, from, taken)| Change::Graft { at, length, other, from, taken }
        ),
        (place(), 0..40_usize, select(TOKENS.to_vec()))
            .prop_map(|(at, length, token)| Change::Token { at, length, token }),
        (place(), place()).prop_map(|(one, other)| Change::SwapLines { one, other }),
    ]
}

/// So many bytes from a place on, or those that there are.
fn part(bytes: &[u8], at: Index, length: usize) -> std::ops::Range<usize> {
    let at = at.index(bytes.len() + 1);
    at..(at + length).min(bytes.len())
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        match *self {
            Self::Flip { at, bit } => {
                let at = at.index(bytes.len() + 1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Cut { at, length } => drop(bytes.drain(part(bytes, at, length))),
            Self::Double { at, length, to } => {
                let doubled = bytes[part(bytes, at, length)].to_vec();
                let to = to.index(bytes.len() + 1);
                bytes.splice(to..to, doubled);
            }
            Self::Graft { at, length, other, from, taken } => {
                let other = other.get(others);
                let graft = other[part(other, from, taken)].iter().copied();
                bytes.splice(part(bytes, at, length), graft);
            }
            Self::Token { at, length, token } => {
                bytes.splice(part(bytes, at, length), token.iter().copied());
            }
            Self::SwapLines { one, other } => {
                let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
                let count = lines.len();
                lines.swap(one.index(count), other.index(count));
                *bytes = lines.join(&b'\n');
            }
        }
        bytes.truncate(20_000);
    }
}

/// Good specs and bad ones, where random texts begin.
fn seeds() -> Vec<Vec<u8>> {
    let good = good().into_iter().map(|(_, text)| text.into_bytes());
    let bad = cases().into_iter().map(|(_, _, bytes)| bytes).filter(|bytes| bytes.len() < 10_000);
    good.chain(bad).collect()
}

#[test]
fn no_text_breaks_the_reader() {
    let seeds = seeds();
    for seed in &seeds {
        is_read_or_refused_with_a_place(seed);
    }
    let drawn = (any::<Index>(), vec(change(), 1..7));
    proptest!(config(4000), |((seed, changes) in drawn)| {
        let mut bytes = seed.get(&seeds).clone();
        for change in changes {
            change.apply(&mut bytes, &seeds);
        }
        is_read_or_refused_with_a_place(&bytes);
    });
}

#[test]
fn a_huge_text_of_one_pattern_is_refused_at_once() {
    let members: String = (0..30_000).map(|i| format!("- {{name: m{i}}}\n")).collect();
    is_read_or_refused_with_a_place(
        format!("cluster: c\ndomain: a.b\nmembers:\n{members}").as_bytes(),
    );
    let keys: String = (0..60_000).map(|i| format!("k{i}: 1\n")).collect();
    is_read_or_refused_with_a_place(keys.as_bytes());
    for pattern in [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "&a ",
        "*a ",
        "!",
        "\"",
        "'",
        "|\n",
        "a: 1\n",
        "%",
        "\t",
        "#",
        ",",
        "x ",
        "a:\n ",
        "- - [\n",
        "a,",
        "{a: ",
        "\n",
        "x\n",
        "- a\n",
        "members: [",
        "\"\\x41",
    ] {
        is_read_or_refused_with_a_place(pattern.repeat((1 << 18) / pattern.len()).as_bytes());
    }
}

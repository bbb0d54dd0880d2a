//! Random specs are read as they were written; random texts are read, or refused with a place, in bounded time.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::super::{ClusterSpec, parse, text_of};
use super::bad::cases;
use super::good;

/// A small generator of random numbers (xorshift64*): a failed run is repeated by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 33) % bound.max(1) as u64).expect("below bound")
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Writes a spec as YAML, in one of the many ways that a person might.
fn write(spec: &ClusterSpec, random: &mut Random) -> String {
    let quoted = |text: String, random: &mut Random| match random.below(3) {
        0 => format!("\"{text}\""),
        1 => format!("'{text}'"),
        // a name may be a number or a null for YAML, and `::1` begins with its colon
        _ if text.contains("::") || !text.contains(|c: char| c.is_ascii_alphabetic()) => {
            format!("'{text}'")
        }
        _ if ["null", "true", "false"].contains(&text.as_str()) || text.contains('e') => {
            format!("'{text}'")
        }
        _ => text,
    };
    let list = |items: Vec<String>, random: &mut Random| {
        let items: Vec<String> = items.into_iter().map(|item| quoted(item, random)).collect();
        format!("[{}]", items.join(", "))
    };
    fn texts<T: ToString>(of: &[T]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }
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
        certificates,
    } = spec;
    let span = super::super::span_text;
    let mut sections = vec![
        format!("cluster: {}\n", quoted(cluster.to_string(), random)),
        format!("domain: {}\n", quoted(domain.to_string(), random)),
        format!("service: {}\n", quoted(service.to_string(), random)),
        format!("names: {names}\n"),
        format!("extra_names: {}\n", list(texts(extra_names), random)),
        format!("extra_addresses: {}\n", list(texts(extra_addresses), random)),
        format!(
            "certificates:\n  leaf: {}\n  autonomy: {}\n  identity: {}\n",
            span(certificates.leaf),
            span(certificates.autonomy),
            span(certificates.identity)
        ),
    ];
    if let Some(network) = network {
        sections.push(format!("network: {network}\n"));
    }
    let mut lines = String::from("members:\n");
    for member in members {
        let mut keys = vec![
            format!("name: {}", quoted(member.name.to_string(), random)),
            format!("interface: {}", quoted(member.interface.to_string(), random)),
            format!("addresses: {}", list(texts(&member.addresses), random)),
        ];
        keys.extend(member.address.map(|address| format!("address: {address}")));
        match random.yes() {
            true => writeln!(lines, "- {{{}}}", keys.join(", ")),
            false => writeln!(lines, "  - {}", keys.join("\n    ")).and_then(|()| {
                // one way of indenting for all items of a list
                lines = lines.replace("\n- {", "\n  - {");
                Ok(())
            }),
        }
        .expect("a string takes all");
    }
    if lines.contains("\n  - ") {
        lines = lines.replace("\n- {", "\n  - {");
    }
    sections.push(lines);
    let settings: Vec<String> = etcd
        .written()
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| format!("{key}: {value}")))
        .collect();
    sections.push(match random.yes() {
        true => format!("etcd: {{{}}}\n", settings.join(", ")),
        false => format!("etcd:\n  {}\n", settings.join("\n  ")),
    });
    let mut text = String::new();
    while !sections.is_empty() {
        if random.below(4) == 0 {
            text.push_str("# a comment: with a colon\n\n");
        }
        text.push_str(&sections.swap_remove(random.below(sections.len())));
    }
    if random.yes() { text.replace('\n', "\r\n") } else { text }
}

fn random_spec(random: &mut Random) -> ClusterSpec {
    let letters = |random: &mut Random, bound: usize| -> String {
        let length = 1 + random.below(bound);
        let inner = |random: &mut Random| random.one_of(b"abcdefghijklmnopqrstuvwxyz0123456789-");
        let mut name: String = (0..length).map(|_| char::from(inner(random))).collect();
        name = name.trim_matches('-').into();
        if name.is_empty() { "x".into() } else { name }
    };
    let (_, base) = &good()[random.below(good().len())];
    let mut spec = parse(base).expect("good");
    spec.cluster = letters(random, 63).parse().expect("a label");
    spec.domain =
        format!("{}.{}", letters(random, 30), letters(random, 30)).parse().expect("a domain");
    spec.service = format!("service.{}", spec.domain).parse().expect("a domain");
    spec.names = random.one_of(&["hosts", "dns"]).parse().expect("a word");
    spec.network = random.yes().then(|| "10.0.0.0/16".parse().expect("a network"));
    let member = spec.members[0].clone();
    spec.members = (0..1 + random.below(9))
        .map(|i| {
            let mut member = member.clone();
            let low = u8::try_from(i + 1).expect("few");
            member.name = format!("m{i}{}", letters(random, 40))
                .trim_end_matches('-')
                .parse()
                .expect("a label");
            member.address = random.yes().then(|| [10, 0, 0, low].into());
            member.addresses = (0..random.below(3))
                .map(|j| format!("fd00:{j}::{low}").parse().expect("an address"))
                .collect();
            member.interface =
                random.one_of(&["eth0", "end0", "br-lan", "eth0.7"]).parse().expect("a name");
            member
        })
        .collect();
    spec.extra_names = (0..random.below(4))
        .map(|i| format!("lb{i}.{}x", letters(random, 20)).parse().expect("a name"))
        .collect();
    spec.extra_addresses =
        (0..random.below(4)).map(|i| [172, 16, 0, u8::try_from(i).expect("few")].into()).collect();
    let mut span =
        |bases: &[u64]| random.yes().then(|| Duration::from_millis(random.one_of(bases)));
    let etcd = &mut spec.etcd;
    etcd.heartbeat_interval = span(&[1, 50, 77, 100]);
    etcd.election_timeout = span(&[2500, 5000, 3456, 50_000]); // five of the slowest heartbeat, 500 ms, or more
    etcd.compaction_retention = span(&[60_000, 61_000, 86_400_000]);
    etcd.backend_batch_interval = span(&[1, 10_000]);
    etcd.grpc_keepalive_interval = span(&[1000, 7_200_000]);
    etcd.corrupt_check_interval = span(&[60_000, 3_600_000]);
    etcd.watch_progress_notify_interval = span(&[100, 5000]);
    etcd.quota = random.yes().then(|| (16 + random.below(8000) as u64) << 20);
    etcd.max_request_size = random.yes().then(|| (64 + random.below(1000) as u64) << 10);
    etcd.snapshot_count = random.yes().then(|| 1 + random.below(1_000_000) as u64);
    etcd.grpc_gateway = random.one_of(&[None, Some(true), Some(false)]);
    etcd.compact_hash_check = random.one_of(&[None, Some(true), Some(false)]);
    etcd.metrics =
        random.yes().then(|| random.one_of(&["basic", "extensive"]).parse().expect("a word"));
    etcd.log_level =
        random.yes().then(|| random.one_of(&["debug", "error"]).parse().expect("a word"));
    spec.certificates.leaf = Duration::from_secs(1000 + random.below(100_000_000) as u64);
    spec.certificates.autonomy = spec.certificates.leaf / 2;
    spec.certificates.autonomy = Duration::from_secs(spec.certificates.autonomy.as_secs());
    spec
}

#[test]
fn what_is_written_is_read_again() {
    let mut random = Random(0x5eed);
    for round in 0..3000 {
        let spec = random_spec(&mut random);
        let text = write(&spec, &mut random);
        match parse(&text) {
            Ok(read) => assert_eq!(read, spec, "round {round}:\n{text}"),
            Err(error) => panic!("round {round}: {error}\n{text}"),
        }
    }
}

/// Time that one text may take, on a machine that is busy: a hang is thousands of times that.
const PATIENCE: Duration = Duration::from_secs(5);

#[track_caller]
fn is_read_or_refused_with_a_place(bytes: &[u8], seed: u64) {
    let began = Instant::now();
    let outcome = text_of(bytes).and_then(parse);
    let took = began.elapsed();
    assert!(took < PATIENCE, "seed {seed}: {took:?}");
    if let Err(error) = outcome {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut places = error.places().peekable();
        assert!(places.peek().is_some(), "seed {seed}");
        for place in places {
            let within = (1..=lines + 1).contains(&place.line) && place.column >= 1;
            assert!(within, "seed {seed}: {place:?} of {lines} lines");
        }
        let told = error.in_file("x.yml").to_string();
        assert!(told.len() < 10_000, "seed {seed}: {} bytes", told.len());
    }
}

/// One change of the kind that finds mistakes: bytes flipped, cut out, doubled, moved between files, replaced by what YAML cares about.
fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
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
    let at = random.below(bytes.len() + 1);
    let bound = 1 + random.below(40);
    let length = random.below(bound).min(bytes.len() - at);
    match random.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 => drop(bytes.drain(at..at + length)),
        2 => {
            let part = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
        3 => {
            let other = random.one_of(others);
            let from = random.below(other.len() + 1);
            let end = (from + random.below(80)).min(other.len());
            bytes.splice(at..at + length, other[from..end].iter().copied());
        }
        4 => drop(bytes.splice(at..at + length, random.one_of(&TOKENS).iter().copied())),
        _ => {
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            let mut lines = lines.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
            let (one, other) = (random.below(lines.len()), random.below(lines.len()));
            lines.swap(one, other);
            *bytes = lines.join(&b'\n');
        }
    }
    bytes.truncate(20_000);
}

#[test]
fn no_text_breaks_the_reader() {
    const SECONDS: u64 = 10;
    let mut seeds: Vec<Vec<u8>> = good().into_iter().map(|(_, text)| text.into_bytes()).collect();
    seeds.extend(
        cases().into_iter().map(|(_, _, bytes)| bytes).filter(|bytes| bytes.len() < 10_000),
    );
    for seed in &seeds {
        is_read_or_refused_with_a_place(seed, 0);
    }
    let began = Instant::now();
    let mut seed = 1;
    while began.elapsed() < Duration::from_secs(SECONDS) {
        let mut random = Random(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let mut bytes = random.one_of(&seeds);
        for _ in 0..1 + random.below(6) {
            mutate(&mut bytes, &seeds, &mut random);
        }
        is_read_or_refused_with_a_place(&bytes, seed);
        seed += 1;
    }
    assert!(seed > 1000, "only {seed} texts in {SECONDS} s");
}

#[test]
fn a_huge_text_of_one_pattern_is_refused_at_once() {
    let members: String = (0..30_000).map(|i| format!("- {{name: m{i}}}\n")).collect();
    is_read_or_refused_with_a_place(
        format!("cluster: c\ndomain: a.b\nmembers:\n{members}").as_bytes(),
        0,
    );
    let keys: String = (0..60_000).map(|i| format!("k{i}: 1\n")).collect();
    is_read_or_refused_with_a_place(keys.as_bytes(), 0);
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
        is_read_or_refused_with_a_place(pattern.repeat((1 << 20) / pattern.len()).as_bytes(), 0);
    }
}

//! Decides what is to be done to the node: desired and observed in, steps and problems out.
//!
//! Pure; called by [`super::reconciler`]. Keeps promise 13: a desired state that is older, of another node, or not exactly what this
//! agent renders from its values gives no step, only the reason. Keeps promise 7 in part: what is right already gives no step.
//! Not here: when etcd may start, which the coordinator says (`WantedService`), and how a step is done (`apply::act`).

use std::net::IpAddr;

use pilaster_common::certificate::key_hash;
use pilaster_common::error::{Told, code};
use pilaster_common::hosts_block::{self, HostEntry};
use pilaster_common::name::NodeId;
use pilaster_common::pem;
use pilaster_common::profile::Profile;
use pilaster_common::templates::{RenderedFiles, TEMPLATES};
use pilaster_proto::desired::{Desired, NodeState, WantedCertificate, WantedService};
use pilaster_proto::facts::InstalledEtcd;
use pilaster_proto::report::ServiceState;
use rustls_pki_types::CertificateDer;

use super::memory::Accepted;
use super::observe::Observed;
use super::proof::{Verdict, judge};
use super::refusal::Refusal;
use crate::apply::{ManagedFile, Step};
use crate::certificates::{Ca, is_due, is_met_by};

/// What to do, and what keeps the node from being as desired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) steps: Vec<Step>,
    pub(crate) problems: Vec<Told>,
    /// Done when no other step is left. Where it fails that is told, and keeps nothing waiting: the node counts as being as desired.
    pub(crate) aside: Option<Step>,
}

impl Decision {
    /// Whether all is in place.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.problems.is_empty()
    }
}

/// Decides.
pub(crate) fn decide(own: &NodeId, desired: &Desired, observed: &Observed) -> Decision {
    let state = &desired.state;
    let rendered = match check(own, desired, observed) {
        Ok(rendered) => rendered,
        Err(refusal) => {
            let what = format!("cannot take over generation {}", desired.generation);
            let problems = vec![Told::new(what, &refusal)];
            return Decision { problems, ..Decision::default() };
        }
    };
    let mut steps = Vec::new();
    steps.extend(remember(desired, observed));
    if !observed.folder_in_order {
        steps.push(Step::MakeFolder);
    }
    steps.extend(place(observed, ManagedFile::ClientCa, encode(&state.client_ca)));
    steps.extend(place(observed, ManagedFile::PeerCa, encode(&state.peer_ca)));
    steps.extend(proofs(observed));
    steps.extend(issue(desired, observed));
    steps.extend(hosts(state, observed));
    for (file, text) in rendered {
        steps.extend(place(observed, ManagedFile::Text(file), text));
    }
    steps.extend(service(state, observed));
    let problems = replaced(state, observed)
        .into_iter()
        .chain(stopped(state, observed))
        .chain(taken_back(state, observed));
    Decision { steps, problems: problems.collect(), aside: pin(state, observed) }
}

/// Answers the texts, as this agent renders them.
fn check(own: &NodeId, desired: &Desired, observed: &Observed) -> Result<RenderedFiles, Refusal> {
    check_age(desired, observed.accepted)?;
    let state = &desired.state;
    check_target(own, state, observed)?;
    let rendered = check_texts(state)?;
    check_hosts(state)?;
    check_certificates(&state.certificates)?;
    check_host_is_ready(state, observed)?;
    Ok(rendered)
}

fn check_age(desired: &Desired, accepted: Accepted) -> Result<(), Refusal> {
    if desired.epoch < accepted.epoch {
        return Err(Refusal::OldEpoch { got: desired.epoch, accepted: accepted.epoch });
    }
    if desired.generation < accepted.generation {
        return Err(Refusal::OldGeneration { accepted: accepted.generation });
    }
    Ok(())
}

fn check_target(own: &NodeId, state: &NodeState, observed: &Observed) -> Result<(), Refusal> {
    let conf = &state.etcd;
    let got = NodeId::new(&conf.cluster, &conf.node);
    if got != *own {
        return Err(Refusal::OtherNode { got, own: own.clone() });
    }
    if !observed.facts.addresses.iter().any(|net| net.addr() == conf.address) {
        return Err(Refusal::OtherAddress { got: conf.address.into() });
    }
    if !conf.members.iter().any(|member| member.name == own.node) {
        return Err(Refusal::NotAMember);
    }
    Ok(())
}

/// The agent's own rendering decides; the coordinator's must be the same, and of every file.
fn check_texts(state: &NodeState) -> Result<RenderedFiles, Refusal> {
    state.etcd.check().map_err(Refusal::BadValue)?;
    let got = state.template_version;
    let rendered = TEMPLATES.render(got, &state.etcd).ok_or(Refusal::Template { got })?;
    for (file, own) in &rendered {
        let mut theirs = state.files.iter().filter(|(kind, _)| kind == file);
        let differs = |difference: String| Refusal::OtherText { file: *file, difference };
        let (_, text) = theirs.next().ok_or_else(|| differs("it was not sent".into()))?;
        if theirs.next().is_some() {
            return Err(differs("it was sent twice".into()));
        }
        if text != own {
            return Err(differs(first_difference(text, own)));
        }
    }
    Ok(rendered)
}

fn first_difference(theirs: &str, own: &str) -> String {
    let mut own = own.lines();
    for (number, theirs) in theirs.lines().enumerate() {
        let own = own.next();
        if own != Some(theirs) {
            let own = own.unwrap_or("its end");
            return format!("line {} is {theirs:?}, where {own:?} is right", number + 1);
        }
    }
    "its end is missing or differs".into()
}

/// Only names of the cluster, so that no other host can be impersonated.
fn check_hosts(state: &NodeState) -> Result<(), Refusal> {
    for HostEntry { address, names } in &state.hosts {
        if !is_host_address(*address) {
            return Err(Refusal::ForeignAddress { address: *address });
        }
        if let Some(name) = names.iter().find(|name| !is_name_of_cluster(state, name)) {
            return Err(Refusal::ForeignName { name: name.clone() });
        }
    }
    Ok(())
}

fn is_host_address(address: IpAddr) -> bool {
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

fn is_name_of_cluster(state: &NodeState, name: &str) -> bool {
    let NodeState { etcd, hosts_domain, .. } = state;
    (*hosts_domain == etcd.domain && hosts_domain.covers(name))
        || state.etcd.members.iter().any(|member| member.name.as_ref() == name)
}

fn check_certificates(wanted: &[WantedCertificate]) -> Result<(), Refusal> {
    for (i, one) in wanted.iter().enumerate() {
        if wanted[..i].iter().any(|other| other.profile == one.profile) {
            return Err(Refusal::TwoOfAProfile { profile: one.profile });
        }
    }
    Ok(())
}

fn check_host_is_ready(state: &NodeState, observed: &Observed) -> Result<(), Refusal> {
    let no_etcd = || Refusal::NoEtcd(observed.no_etcd.clone().unwrap_or_default());
    let installed = observed.facts.etcd.ok_or_else(no_etcd)?;
    if !has_started(state, observed) {
        check_binary(state, installed)?;
    }
    let manager = state.etcd.service_manager;
    if observed.facts.service_manager != Some(manager) {
        return Err(Refusal::OtherHost { got: format!("{manager:?}") });
    }
    if !observed.etcd_user {
        return Err(Refusal::NoEtcdUser);
    }
    if observed.hosts.is_none() {
        return Err(Refusal::HostsUnreadable);
    }
    if !observed.port_holders.is_empty() {
        let holders: Vec<_> = observed.port_holders.iter().map(ToString::to_string).collect();
        return Err(Refusal::PortsTaken { holders: holders.join(", ") });
    }
    Ok(())
}

/// Whether etcd has run with these files on this node. Then they stay as they are, whatever is installed meanwhile, and certificates go on being
/// renewed: an etcd that runs does not notice another binary.
fn has_started(state: &NodeState, observed: &Observed) -> bool {
    state.service == WantedService::Run && observed.started.as_ref() == Some(&state.etcd.token)
}

fn check_binary(state: &NodeState, installed: InstalledEtcd) -> Result<(), Refusal> {
    let got = state.etcd.version;
    if got != installed.version {
        return Err(Refusal::OtherVersion { got, installed: installed.version });
    }
    if state.etcd.processor != installed.processor {
        return Err(Refusal::OtherHost { got: state.etcd.processor.to_string() });
    }
    Ok(())
}

/// An etcd that was replaced under its running member, by one that reads other files. The same minor is none: the coordinator renders for it.
fn replaced(state: &NodeState, observed: &Observed) -> Option<Told> {
    let installed = observed.facts.etcd.filter(|_| has_started(state, observed))?;
    let got = state.etcd.version;
    let another =
        installed.version.minor != got.minor || installed.processor != state.etcd.processor;
    let what = "etcd was replaced under its running member";
    another.then(|| Told::new(what, &Refusal::Replaced { got, installed }))
}

fn remember(desired: &Desired, observed: &Observed) -> Option<Step> {
    let accepted = Accepted { epoch: desired.epoch, generation: desired.generation };
    (accepted != observed.accepted).then_some(Step::Accept(accepted))
}

fn encode(certificates: &[CertificateDer<'static>]) -> String {
    pem::encode_certificates(certificates)
}

fn place(observed: &Observed, file: ManagedFile, text: String) -> Option<Step> {
    let content = text.into_bytes();
    let right = observed
        .files
        .get(&file)
        .is_some_and(|present| present.in_order && present.sha256 == key_hash(&content));
    (!right).then_some(Step::Place { file, content })
}

fn hosts(state: &NodeState, observed: &Observed) -> Option<Step> {
    let present = observed.hosts.as_deref()?;
    let wanted = hosts_block::replace_in(present, &state.hosts);
    (wanted.trim_end() != present.trim_end())
        .then(|| Step::Place { file: ManagedFile::Hosts, content: wanted.into_bytes() })
}

/// One call for all that are missing, say something else, or end soon.
fn issue(desired: &Desired, observed: &Observed) -> Option<Step> {
    let wanted: Vec<_> = desired
        .state
        .certificates
        .iter()
        .filter(|wanted| !holds(observed, wanted) && !waits(observed, wanted.profile))
        .cloned()
        .collect();
    if wanted.is_empty() {
        return None;
    }
    let keep =
        wanted.iter().map(|wanted| wanted.profile).filter(|profile| keeps(observed, *profile));
    Some(Step::Issue {
        generation: desired.generation,
        keep: keep.collect(),
        ca: Ca { client: desired.state.client_ca.clone(), peer: desired.state.peer_ca.clone() },
        wanted,
    })
}

/// One that was taken back is not tried again yet, as long as another is there.
fn waits(observed: &Observed, profile: Profile) -> bool {
    observed.held.contains_key(&profile)
        && observed.proofs.get(&profile).is_some_and(|proof| proof.taken_back.is_some())
}

/// Whether the pair that is replaced is kept until the new one is seen: at a running etcd, and not one that is yet to prove itself.
fn keeps(observed: &Observed, profile: Profile) -> bool {
    let held = observed.held.get(&profile);
    observed.etcd_answers
        && held.is_some_and(|held| held.in_order && held.leaf.not_after > observed.now)
        && observed.proofs.get(&profile).is_none_or(|proof| proof.before.is_none())
}

/// What becomes of the pairs that were kept.
fn proofs(observed: &Observed) -> impl Iterator<Item = Step> {
    observed.proofs.iter().filter_map(|(profile, proof)| {
        let held = observed.held.get(profile)?;
        match judge(&held.leaf, proof, observed.now) {
            Verdict::Wait => None,
            Verdict::Erase => Some(Step::EraseBefore(*profile)),
            Verdict::PutBack { why } => Some(Step::PutBack { profile: *profile, why }),
        }
    })
}

fn taken_back(state: &NodeState, observed: &Observed) -> impl Iterator<Item = Told> {
    let waiting = state.certificates.iter().filter(|wanted| !holds(observed, wanted));
    waiting.filter_map(|wanted| observed.proofs.get(&wanted.profile)?.taken_back.clone())
}

/// A key file that others could read counts as lost: its key is replaced.
fn holds(observed: &Observed, wanted: &WantedCertificate) -> bool {
    observed.held.get(&wanted.profile).is_some_and(|held| {
        held.in_order && is_met_by(wanted, &held.leaf) && !is_due(wanted, &held.leaf, observed.now)
    })
}

/// The first start in a formation, and the runlevel. The marker comes last: a power cut before it means another first start.
fn service(state: &NodeState, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if state.service == WantedService::Hold {
        return steps;
    }
    let token = &state.etcd.token;
    let started = observed.started.as_ref() == Some(token);
    if !started && observed.service != ServiceState::Started {
        steps.push(Step::Start);
    }
    if !observed.enabled {
        steps.push(Step::Enable);
    }
    if !started {
        steps.push(Step::RememberStarted { token: token.clone() });
    }
    steps
}

/// From the first start on the formation's minor version stays, unless a person says otherwise.
fn pin(state: &NodeState, observed: &Observed) -> Option<Step> {
    let started = observed.started.as_ref() == Some(&state.etcd.token);
    (started && observed.etcd_may_jump).then_some(Step::Pin(state.etcd.version))
}

/// Once started, a service that does not run is left to the person who stopped it, or to its supervisor, and told.
fn stopped(state: &NodeState, observed: &Observed) -> Option<Told> {
    if state.service == WantedService::Hold || observed.started.as_ref() != Some(&state.etcd.token)
    {
        return None;
    }
    let cause = match observed.service {
        ServiceState::Started => return None,
        ServiceState::Absent => "its service script is gone",
        ServiceState::Stopped => {
            "it was stopped since it was started first; the agent leaves that to a person"
        }
        ServiceState::Crashed => "its supervisor has died",
    };
    Some(Told {
        code: code::STOPPED,
        what: "etcd does not run".into(),
        cause: cause.into(),
        help: "start it: rc-service etcd start".into(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use pilaster_common::certificate::CertificateFacts;
    use pilaster_common::clock::Timestamp;
    use pilaster_common::etcd_conf::{
        EtcdConf, InitialState, Member, Processor, ServiceManager, Tuning,
    };
    use pilaster_common::node_file::NodeFile;
    use pilaster_common::profile::LEAVES;
    use pilaster_proto::desired::WantedIdentity;
    use pilaster_proto::facts::Facts;

    use super::*;
    use crate::config::SERVED_GRACE;
    use crate::facts::PortHolder;
    use crate::reconcile::observe::{Held, PresentFile};
    use crate::reconcile::proof::tests::{leaf, shown};
    use crate::reconcile::proof::{Proof, told};
    use crate::testing::node_id;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn own() -> NodeId {
        node_id("x-k3s", "m-1")
    }

    fn conf() -> EtcdConf {
        EtcdConf {
            version: "3.5.16".parse().expect("known"),
            cluster: own().cluster,
            domain: "edge.huatai.me".parse().expect("good"),
            node: own().node,
            address: [192, 168, 7, 11].into(),
            members: ["m-1", "m-2"]
                .map(|name| Member {
                    name: name.parse().expect("good"),
                    host: format!("{name}.edge.huatai.me"),
                })
                .to_vec(),
            token: "x-k3s-1".into(),
            initial_state: InitialState::New,
            heartbeat_ms: 500,
            election_ms: 5000,
            snapshot_count: 10_000,
            quota_bytes: 1 << 29,
            compaction_retention_seconds: 3600,
            processor: Processor::Arm64,
            service_manager: ServiceManager::OpenRc,
            memory_limit_bytes: None,
            tuning: Tuning::default(),
        }
    }

    fn texts(conf: &EtcdConf) -> RenderedFiles {
        TEMPLATES.render(TEMPLATES.newest(), conf).expect("it is one of ours")
    }

    fn desired() -> Desired {
        let state = NodeState {
            etcd: conf(),
            template_version: TEMPLATES.newest(),
            files: texts(&conf()),
            hosts: vec![entry(
                [192, 168, 7, 12],
                &["m-2.edge.huatai.me", "m-2", "etcd.edge.huatai.me"],
            )],
            hosts_domain: conf().domain,
            certificates: LEAVES.map(wanted).to_vec(),
            client_ca: vec![vec![1, 2, 3].into()],
            peer_ca: vec![vec![4, 5, 6].into()],
            service: WantedService::Run,
            endpoints: vec!["192.168.7.2:7443".parse().expect("good")],
            identity: WantedIdentity { renew_before: 30 * DAY, replace_serial: None },
        };
        Desired { epoch: 3, generation: 7, state }
    }

    fn entry(address: [u8; 4], names: &[&str]) -> HostEntry {
        HostEntry {
            address: address.into(),
            names: names.iter().map(ToString::to_string).collect(),
        }
    }

    fn wanted(profile: Profile) -> WantedCertificate {
        WantedCertificate {
            profile,
            names: vec!["m-1".into()],
            addresses: vec![[192, 168, 7, 11].into()],
            common_name: "m-1".into(),
            gateway: false,
            issuer_key_id: vec![9],
            renew_before: 270 * DAY,
            replace_serial: None,
        }
    }

    fn held(profile: Profile) -> Held {
        let wanted = wanted(profile);
        Held {
            in_order: true,
            leaf: CertificateFacts {
                serial: vec![1],
                not_before: NOW.minus(DAY),
                not_after: NOW.plus(365 * DAY),
                common_name: wanted.common_name,
                names: wanted.names,
                addresses: wanted.addresses,
                uris: Vec::new(),
                client_auth: false,
                public_key: Vec::new(),
                key_id: Vec::new(),
                issuer_key_id: wanted.issuer_key_id,
            },
        }
    }

    /// A node on which `desired()` is in place and etcd runs.
    fn settled() -> Observed {
        let desired = desired();
        let mut files: BTreeMap<ManagedFile, PresentFile> = texts(&conf())
            .into_iter()
            .map(|(file, text)| (ManagedFile::Text(file), present(&text)))
            .collect();
        files.insert(ManagedFile::ClientCa, present(&encode(&desired.state.client_ca)));
        files.insert(ManagedFile::PeerCa, present(&encode(&desired.state.peer_ca)));
        Observed {
            now: NOW,
            facts: Facts {
                hostname: "m-1".into(),
                addresses: vec!["192.168.7.11/24".parse().expect("good")],
                etcd: Some(InstalledEtcd { version: conf().version, processor: conf().processor }),
                service_manager: Some(ServiceManager::OpenRc),
                ..Facts::default()
            },
            no_etcd: None,
            accepted: Accepted { epoch: 3, generation: 7 },
            started: Some(conf().token),
            folder_in_order: true,
            files,
            held: LEAVES.map(|profile| (profile, held(profile))).into(),
            hosts: Some(hosts_block::replace_in("127.0.0.1 localhost\n", &desired.state.hosts)),
            service: ServiceState::Started,
            enabled: true,
            etcd_user: true,
            etcd_may_jump: false,
            port_holders: Vec::new(),
            proofs: BTreeMap::new(),
            etcd_answers: true,
        }
    }

    fn present(text: &str) -> PresentFile {
        PresentFile { sha256: key_hash(text.as_bytes()), in_order: true }
    }

    /// A step in two words.
    fn name(step: &Step) -> String {
        match step {
            Step::Accept(accepted) => format!("accept {}.{}", accepted.epoch, accepted.generation),
            Step::MakeFolder => "folder".into(),
            Step::Place { file, .. } => format!("place {file:?}"),
            Step::Issue { wanted, .. } => {
                let profiles: Vec<_> = wanted.iter().map(|one| one.profile.name()).collect();
                format!("issue {}", profiles.join("+"))
            }
            Step::EraseBefore(profile) => format!("erase before {profile}"),
            Step::PutBack { profile, .. } => format!("put back {profile}"),
            Step::Start => "start".into(),
            Step::Enable => "enable".into(),
            Step::RememberStarted { token } => format!("started {token}"),
            Step::Pin(version) => format!("pin {version}"),
        }
    }

    #[track_caller]
    fn steps(change: impl FnOnce(&mut Desired, &mut Observed)) -> Vec<String> {
        let (mut desired, mut observed) = (desired(), settled());
        change(&mut desired, &mut observed);
        let decision = decide(&own(), &desired, &observed);
        assert_eq!(decision.problems, [], "{:?}", decision.steps);
        decision.steps.iter().map(name).collect()
    }

    #[track_caller]
    fn refused(words: &str, change: impl FnOnce(&mut Desired, &mut Observed)) {
        let (mut desired, mut observed) = (desired(), settled());
        observed.files.clear(); // there would be something to do
        change(&mut desired, &mut observed);
        let decision = decide(&own(), &desired, &observed);
        assert_eq!(decision.steps, [], "{words}");
        let told = decision.problems.first().expect("the reason");
        assert!(told.cause.contains(words), "{words}: {told}");
        assert!(!told.help.is_empty(), "{told}");
    }

    #[test]
    fn a_node_that_is_as_desired_gives_no_step() {
        assert_eq!(steps(|_, _| {}), [""; 0]);
    }

    #[test]
    fn an_empty_node_is_brought_up_in_order() {
        let all = steps(|_, o| {
            o.accepted = Accepted::default();
            o.started = None;
            o.folder_in_order = false;
            o.files.clear();
            o.held.clear();
            o.hosts = Some("127.0.0.1 localhost\n".into());
            o.service = ServiceState::Absent;
            o.enabled = false;
        });
        assert_eq!(
            all,
            [
                "accept 3.7",
                "folder",
                "place ClientCa",
                "place PeerCa",
                "issue server+peer+client",
                "place Hosts",
                "place Text(EtcdConf)",
                "place Text(ServiceConf)",
                "place Text(ServiceScript)",
                "start",
                "enable",
                "started x-k3s-1",
            ]
        );
    }

    #[test]
    fn each_difference_gives_exactly_its_step() {
        let place = |file: ManagedFile| steps(move |_, o| o.files.retain(|kind, _| *kind != file));
        assert_eq!(place(ManagedFile::ClientCa), ["place ClientCa"]);
        assert_eq!(place(ManagedFile::PeerCa), ["place PeerCa"]);
        for file in [NodeFile::EtcdConf, NodeFile::ServiceConf, NodeFile::ServiceScript] {
            assert_eq!(place(ManagedFile::Text(file)), [format!("place Text({file:?})")]);
        }
        let conf = ManagedFile::Text(NodeFile::EtcdConf);
        let spoiled = |o: &mut Observed| o.files.get_mut(&conf).expect("there").in_order = false;
        assert_eq!(steps(|_, o| spoiled(o)), ["place Text(EtcdConf)"]);
        assert_eq!(steps(|_, o| o.hosts = Some(String::new())), ["place Hosts"]);
        assert_eq!(steps(|d, _| d.state.hosts.clear()), ["place Hosts"]);
        let untouched = |d: &mut Desired, o: &mut Observed| {
            d.state.hosts.clear();
            o.hosts = Some("127.0.0.1 localhost".into());
        };
        assert_eq!(steps(untouched), [""; 0], "no block is wanted, and there is none");
        assert_eq!(steps(|_, o| o.folder_in_order = false), ["folder"]);
        assert_eq!(steps(|_, o| o.enabled = false), ["enable"]);
        assert_eq!(steps(|d, _| d.generation = 8), ["accept 3.8"]);
        assert_eq!(steps(|d, _| d.epoch = 4), ["accept 4.7"]);
    }

    #[test]
    fn a_changed_conf_restarts_nothing() {
        let all = steps(|d, _| {
            d.generation = 8;
            d.state.etcd.initial_state = InitialState::Existing;
            d.state.files = texts(&d.state.etcd);
        });
        assert_eq!(all, ["accept 3.8", "place Text(EtcdConf)"]);
    }

    #[test]
    fn a_certificate_is_replaced_when_it_is_not_what_is_wanted() {
        let peer = |change: fn(&mut Held)| {
            steps(move |_, o| change(o.held.get_mut(&Profile::Peer).expect("there")))
        };
        assert_eq!(peer(|held| held.leaf.issuer_key_id = vec![8]), ["issue peer"]);
        assert_eq!(peer(|held| held.leaf.names.push("x".into())), ["issue peer"]);
        assert_eq!(peer(|held| held.leaf.addresses.clear()), ["issue peer"]);
        assert_eq!(peer(|held| held.leaf.common_name.clear()), ["issue peer"]);
        assert_eq!(peer(|held| held.in_order = false), ["issue peer"]);
        let left = |held: &mut Held, days: u32| {
            held.leaf.not_before = NOW.minus((365 - days) * DAY);
            held.leaf.not_after = NOW.plus(days * DAY);
        };
        assert_eq!(peer(|held| held.leaf.not_after = NOW.plus(30 * DAY)), [""; 0], "a short one");
        let left =
            |days| steps(move |_, o| left(o.held.get_mut(&Profile::Peer).expect("there"), days));
        assert_eq!(left(242), ["issue peer"]);
        assert_eq!(left(298), [""; 0]);
        let goes = |serial: u8| {
            steps(move |d: &mut Desired, _| {
                d.state
                    .certificates
                    .iter_mut()
                    .for_each(|wanted| wanted.replace_serial = Some(vec![serial]));
            })
        };
        assert_eq!(goes(1), ["issue server+peer+client"]);
        assert_eq!(goes(2), [""; 0], "it has gone already");
        assert_eq!(steps(|_, o| drop(o.held.remove(&Profile::Server))), ["issue server"]);
    }

    #[test]
    fn promise_01_the_pair_before_is_kept_only_while_the_new_one_has_to_prove_itself() {
        let kept = |change: fn(&mut Observed)| {
            let (mut desired, mut observed) = (desired(), settled());
            desired.state.certificates[1].replace_serial = Some(vec![1]);
            change(&mut observed);
            match &decide(&own(), &desired, &observed).steps[..] {
                [Step::Issue { keep, .. }] => keep.clone(),
                steps => panic!("{steps:?}"),
            }
        };
        assert_eq!(kept(|_| {}), [Profile::Peer]);
        assert_eq!(kept(|o| o.etcd_answers = false), []);
        let proof = |o: &mut Observed, proof: Proof| drop(o.proofs.insert(Profile::Peer, proof));
        let spoil = |change: fn(&mut Held)| {
            let mut observed = settled();
            change(observed.held.get_mut(&Profile::Peer).expect("there"));
            keeps(&observed, Profile::Peer)
        };
        assert!(spoil(|_| {}));
        assert!(!spoil(|held| held.in_order = false), "others could read its key");
        assert!(!spoil(|held| held.leaf.not_after = NOW), "it has ended");
        let before = || Proof { before: Some(leaf(7, DAY)), ..Proof::default() };
        let mut observed = settled();
        proof(&mut observed, before());
        assert!(!keeps(&observed, Profile::Peer), "the one that proved itself stays");

        let seen = |o: &mut Observed| proof(o, Proof { served: shown(1), ..before() });
        assert_eq!(steps(|_, o| seen(o)), ["erase before peer"]);
        let other = Proof { served: shown(7), sought: SERVED_GRACE, ..before() };
        assert_eq!(steps(|_, o| proof(o, other)), ["put back peer"]);
    }

    #[test]
    fn a_leaf_that_was_taken_back_waits_and_is_told() {
        let mut desired = desired();
        desired.state.certificates[1].replace_serial = Some(vec![1]);
        let mut observed = settled();
        let taken_back = Some(told(Profile::Peer, "refused"));
        observed.proofs.insert(Profile::Peer, Proof { taken_back, ..Proof::default() });
        let decision = decide(&own(), &desired, &observed);
        assert_eq!((decision.steps.len(), decision.problems.len()), (0, 1), "{decision:?}");
        observed.held.remove(&Profile::Peer);
        let decision = decide(&own(), &desired, &observed);
        assert_eq!(decision.steps.len(), 1, "without any leaf etcd cannot start: {decision:?}");
    }

    #[test]
    fn etcd_is_started_once_a_formation() {
        let hold = |d: &mut Desired, o: &mut Observed| {
            d.state.service = WantedService::Hold;
            (o.started, o.enabled, o.service) = (None, false, ServiceState::Stopped);
        };
        assert_eq!(steps(hold), [""; 0]);
        assert_eq!(
            steps(|_, o| {
                (o.started, o.enabled, o.service) = (None, false, ServiceState::Stopped);
            }),
            ["start", "enable", "started x-k3s-1"]
        );
        let cut_off = |_: &mut Desired, o: &mut Observed| o.started = None;
        assert_eq!(steps(cut_off), ["started x-k3s-1"], "a power cut before the marker");
        let again = |_: &mut Desired, o: &mut Observed| {
            (o.started, o.service) = (Some("x-k3s-0".into()), ServiceState::Stopped);
        };
        assert_eq!(steps(again), ["start", "started x-k3s-1"], "another formation");
    }

    #[test]
    fn an_etcd_that_was_started_is_pinned_where_packages_could_change_its_minor() {
        let aside = |may_jump, started: Option<&str>| {
            let mut observed = settled();
            (observed.etcd_may_jump, observed.started) = (may_jump, started.map(Into::into));
            decide(&own(), &desired(), &observed).aside
        };
        assert_eq!(aside(true, Some("x-k3s-1")), Some(Step::Pin(conf().version)));
        assert_eq!(aside(false, Some("x-k3s-1")), None, "a person has named a version");
        assert_eq!(aside(true, None), None, "it has not been started");
        assert_eq!(aside(true, Some("x-k3s-0")), None, "in another formation");
    }

    #[test]
    fn an_etcd_that_a_person_stopped_stays_stopped_and_is_told() {
        for (state, words) in
            [(ServiceState::Stopped, "was stopped"), (ServiceState::Crashed, "supervisor")]
        {
            let mut observed = settled();
            observed.service = state;
            let decision = decide(&own(), &desired(), &observed);
            assert_eq!(decision.steps, []);
            assert!(!decision.is_done());
            assert!(decision.problems[0].cause.contains(words), "{:?}", decision.problems);
        }
    }

    #[test]
    fn promise_13_what_a_bad_coordinator_sends_is_refused_and_nothing_is_written() {
        refused("epoch is 2", |d, _| d.epoch = 2);
        refused("generation 7 was accepted", |d, _| d.generation = 6);
        refused("election-timeout is 2000", |d, _| d.state.etcd.election_ms = 2000);
        refused("version 99, this agent has 1", |d, _| d.state.template_version = 99);
        refused("x-k3s/m-2", |d, _| d.state.etcd.node = "m-2".parse().expect("good"));
        refused("y/m-1", |d, _| d.state.etcd.cluster = "y".parse().expect("good"));
        refused("192.168.7.99", |d, _| d.state.etcd.address = [192, 168, 7, 99].into());
        refused("not among the members", |d, _| drop(d.state.etcd.members.remove(0)));
        refused("two peer", |d, _| d.state.certificates.push(wanted(Profile::Peer)));
        refused("was not sent", |d, _| drop(d.state.files.pop()));
        refused("was sent twice", |d, _| d.state.files.push(d.state.files[0].clone()));
        refused("\"auto-tls: true\"", |d, _| d.state.files[0].1.push_str("auto-tls: true\n"));
        refused("the service's script", |d, _| d.state.files[2].1.push_str("rm -rf /\n"));
        refused("the service's settings", |d, _| d.state.files[1].1.insert(0, ' '));
        refused("github.com", |d, _| d.state.hosts[0].names.push("github.com".into()));
        refused("localhost", |d, _| d.state.hosts[0].names.push("localhost".into()));
        refused("m-9", |d, _| d.state.hosts[0].names.push("m-9".into()));
        refused("edge.huatai.me", |d, _| d.state.hosts_domain = "huatai.me".parse().expect("good"));
        refused("127.0.0.1", |d, _| d.state.hosts[0].address = [127, 0, 0, 1].into());
    }

    #[test]
    fn a_host_that_cannot_run_it_is_told_before_anything_is_written() {
        refused("etcd is not installed", |_, o| {
            let cause = "etcd is not installed".into();
            o.facts.etcd = None;
            o.no_etcd = Some(Told { cause, help: "h".into(), ..Told::default() });
        });
        refused("etcd 3.4.23 is installed", |_, o| {
            o.started = None;
            let version = "3.4.23".parse().expect("known");
            o.facts.etcd = Some(InstalledEtcd { version, processor: Processor::Arm64 });
        });
        refused("does not have: arm64", |_, o| {
            o.started = None;
            let version = conf().version;
            o.facts.etcd = Some(InstalledEtcd { version, processor: Processor::Arm });
        });
        refused("does not have: OpenRc", |_, o| o.facts.service_manager = None);
        refused("no user etcd", |_, o| o.etcd_user = false);
        refused("/etc/hosts", |_, o| o.hosts = None);
        refused("port 2379 is taken by nginx (pid 4)", |_, o| {
            o.port_holders = vec![PortHolder { port: 2379, process: "nginx (pid 4)".into() }];
        });
    }

    #[test]
    fn an_etcd_replaced_under_its_running_member_is_told_and_the_rest_goes_on() {
        let with = |version: &str, processor| {
            let mut observed = settled();
            observed.held.remove(&Profile::Server);
            let version = version.parse().expect("known");
            observed.facts.etcd = Some(InstalledEtcd { version, processor });
            let decision = decide(&own(), &desired(), &observed);
            assert!(matches!(decision.steps[..], [Step::Issue { .. }]), "{:?}", decision.steps);
            decision.problems.first().map(|told| told.cause.clone()).unwrap_or_default()
        };
        assert_eq!(
            with("3.6.15", Processor::Arm64),
            "etcd 3.6.15 for arm64 is installed, and the member's files are for etcd 3.5.16"
        );
        assert!(with("3.5.16", Processor::Arm).contains("for arm is installed"));
        assert_eq!(with("3.5.33", Processor::Arm64), "", "the coordinator renders for it");
    }
}

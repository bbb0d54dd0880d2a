//! Decides what is to be done to the node: an accepted state and the node in, steps and problems
//! out.
//!
//! Pure; called by [`super::reconciler`], which has asked [`super::accept`] first. Keeps promise 7
//! in part: what is right already gives no step. Not here: when etcd may start, which the
//! coordinator says (`WantedService`), and how a step is done ([`super::act`]).

use pilaster_common::error::{Told, code};
use pilaster_common::hosts_block;
use pilaster_common::pem;
use pilaster_common::profile::Profile;
use pilaster_proto::desired::{NodeState, WantedCertificate, WantedService};
use pilaster_proto::report::ServiceState;

use super::accept::{Acceptable, has_started};
use super::act::Step;
use super::memory::Accepted;
use super::observe::{Observed, version};
use super::refusal::Refusal;
use crate::certificates::{Ca, is_due, is_met_by};
use crate::host::{Deed, File, Service, ServiceVerb};
use crate::trial::{Subject, Verdict, judge};

/// What to do, and what keeps the node from being as desired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) steps: Vec<Step>,
    pub(crate) problems: Vec<Told>,
    /// Done when no step is left. Where it fails that is told, and keeps nothing waiting: the node
    /// counts as being as desired.
    pub(crate) aside: Option<Deed>,
}

impl Decision {
    /// Whether all is in place.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.problems.is_empty()
    }
}

/// Decides.
pub(crate) fn decide(acceptable: &Acceptable<'_>, observed: &Observed) -> Decision {
    let state = acceptable.state();
    let mut steps = Vec::new();
    steps.extend(remember(acceptable.number(), observed));
    if !observed.seen.folder_in_order {
        steps.push(Step::Do(Deed::MakeFolder));
    }
    steps.extend(place(observed, File::ClientCa, &pem::encode_certificates(&state.client_ca)));
    steps.extend(place(observed, File::PeerCa, &pem::encode_certificates(&state.peer_ca)));
    steps.extend(trials(observed));
    steps.extend(issue(acceptable, observed));
    steps.extend(hosts(state, observed));
    for (file, text) in acceptable.rendered() {
        steps.extend(place(observed, File::Text(*file), text));
    }
    steps.extend(service(state, observed));
    let problems = replaced(state, observed)
        .into_iter()
        .chain(stopped(state, observed))
        .chain(taken_back(state, observed));
    Decision { steps, problems: problems.collect(), aside: pin(state, observed) }
}

/// An etcd that was replaced under its running member, by one that reads other files. The same
/// minor is none: the coordinator renders for it.
fn replaced(state: &NodeState, observed: &Observed) -> Option<Told> {
    let installed = observed.known.facts.etcd.filter(|_| has_started(state, observed))?;
    let got = state.etcd.version;
    let another =
        installed.version.minor != got.minor || installed.processor != state.etcd.processor;
    let what = "etcd was replaced under its running member";
    another.then(|| Told::new(what, &Refusal::Replaced { got, installed }))
}

fn remember(number: Accepted, observed: &Observed) -> Option<Step> {
    (number != observed.accepted).then_some(Step::Accept(number))
}

fn place(observed: &Observed, file: File, text: &str) -> Option<Step> {
    let seen = observed.seen.files.get(&file);
    let is_right = seen.is_some_and(|seen| seen.in_order && seen.content == text.as_bytes());
    (!is_right).then(|| Step::Do(Deed::Place { file, content: text.into() }))
}

fn hosts(state: &NodeState, observed: &Observed) -> Option<Step> {
    let present = observed.seen.hosts.as_deref()?;
    let wanted = hosts_block::replace_in(present, &state.hosts);
    (wanted.trim_end() != present.trim_end())
        .then_some(Step::Do(Deed::Place { file: File::Hosts, content: wanted }))
}

/// One call for all that are missing, say something else, or end soon.
fn issue(acceptable: &Acceptable<'_>, observed: &Observed) -> Option<Step> {
    let state = acceptable.state();
    let is_wanted =
        |wanted: &&WantedCertificate| !holds(observed, wanted) && !waits(observed, wanted.profile);
    let wanted: Vec<_> = state.certificates.iter().filter(is_wanted).cloned().collect();
    let keep = wanted.iter().map(|wanted| wanted.profile);
    (!wanted.is_empty()).then(|| Step::Issue {
        generation: acceptable.number().generation,
        keep: keep.filter(|profile| keeps(observed, *profile)).collect(),
        ca: Ca { client: state.client_ca.clone(), peer: state.peer_ca.clone() },
        wanted: wanted.clone(),
    })
}

/// One that was taken back is not tried again yet, as long as another is there.
fn waits(observed: &Observed, profile: Profile) -> bool {
    observed.held.contains_key(&profile)
        && observed.taken_back.contains_key(&Subject::Leaf(profile))
}

/// Whether the pair that is replaced is kept until the new one is seen: at a running etcd, and not
/// one that is yet to prove itself.
fn keeps(observed: &Observed, profile: Profile) -> bool {
    let held = observed.held.get(&profile);
    let proof = observed.proofs.get(&Subject::Leaf(profile));
    observed.etcd_answers
        && held.is_some_and(|held| held.in_order && held.leaf.not_after > observed.now)
        && proof.is_none_or(|proof| proof.before.is_none())
}

/// What becomes of the pairs that were kept.
fn trials(observed: &Observed) -> impl Iterator<Item = Step> {
    observed.proofs.iter().filter_map(|(subject, proof)| {
        let Subject::Leaf(profile) = subject;
        let held = observed.held.get(profile)?;
        match judge(*subject, &version(&held.leaf), proof, observed.now) {
            Verdict::Wait => None,
            Verdict::Erase => Some(Step::EraseBefore(*subject)),
            Verdict::PutBack { why } => Some(Step::PutBack { subject: *subject, why }),
        }
    })
}

fn taken_back(state: &NodeState, observed: &Observed) -> impl Iterator<Item = Told> {
    let waiting = state.certificates.iter().filter(|wanted| !holds(observed, wanted));
    waiting.filter_map(|wanted| observed.taken_back.get(&Subject::Leaf(wanted.profile)).cloned())
}

/// A key file that others could read counts as lost: its key is replaced.
fn holds(observed: &Observed, wanted: &WantedCertificate) -> bool {
    observed.held.get(&wanted.profile).is_some_and(|held| {
        held.in_order && is_met_by(wanted, &held.leaf) && !is_due(wanted, &held.leaf, observed.now)
    })
}

/// The first start in a formation, and the runlevel. The marker comes last: a power cut before it
/// means another first start.
fn service(state: &NodeState, observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if state.service == WantedService::Hold {
        return steps;
    }
    let token = &state.etcd.token;
    let started = observed.started.as_ref() == Some(token);
    if !started && observed.seen.etcd.state != ServiceState::Started {
        steps.push(on_service(ServiceVerb::Start));
    }
    if !observed.seen.etcd.is_enabled {
        steps.push(on_service(ServiceVerb::Enable));
    }
    if !started {
        steps.push(Step::RememberStarted { token: token.clone() });
    }
    steps
}

fn on_service(verb: ServiceVerb) -> Step {
    Step::Do(Deed::Service { service: Service::Etcd, verb })
}

/// From the first start on the formation's minor version stays, unless a person says otherwise.
fn pin(state: &NodeState, observed: &Observed) -> Option<Deed> {
    let started = observed.started.as_ref() == Some(&state.etcd.token);
    (started && observed.seen.etcd_may_jump).then_some(Deed::Pin(state.etcd.version))
}

/// Once started, a service that does not run is left to the person who stopped it, or to its
/// supervisor, and told.
fn stopped(state: &NodeState, observed: &Observed) -> Option<Told> {
    if state.service == WantedService::Hold || observed.started.as_ref() != Some(&state.etcd.token)
    {
        return None;
    }
    let cause = match observed.seen.etcd.state {
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
    use pilaster_common::etcd_conf::{
        EtcdConf, InitialState, Member, Processor, ServiceManager, Tuning,
    };
    use pilaster_common::hosts_block::HostEntry;
    use pilaster_common::name::NodeId;
    use pilaster_common::node_file::NodeFile;
    use pilaster_common::profile::LEAVES;
    use pilaster_common::templates::{RenderedFiles, TEMPLATES};
    use pilaster_proto::desired::Desired;
    use pilaster_proto::desired::WantedIdentity;
    use pilaster_proto::facts::{Facts, InstalledEtcd};

    use super::*;
    use crate::host::{Known, PortHolder, Seen, SeenFile, SeenService};
    use crate::reconcile::accept::accept;
    use crate::reconcile::observe::Held;
    use crate::testing::{leaf, node_id, now};
    use crate::trial::{Proof, Sight};

    const PEER: Subject = Subject::Leaf(Profile::Peer);
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

    fn working(mark: u8) -> Option<Sight> {
        Some(Sight::Working(vec![mark]))
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
        let WantedCertificate { common_name, names, addresses, issuer_key_id, .. } =
            wanted(profile);
        let leaf =
            CertificateFacts { common_name, names, addresses, issuer_key_id, ..leaf(1, 365 * DAY) };
        Held { in_order: true, leaf }
    }

    /// A node on which `desired()` is in place and etcd runs.
    fn settled() -> Observed {
        let state = desired().state;
        let mut files: BTreeMap<File, SeenFile> =
            texts(&conf()).iter().map(|(file, text)| (File::Text(*file), file_of(text))).collect();
        files.insert(File::ClientCa, file_of(&pem::encode_certificates(&state.client_ca)));
        files.insert(File::PeerCa, file_of(&pem::encode_certificates(&state.peer_ca)));
        let facts = Facts {
            hostname: "m-1".into(),
            addresses: vec!["192.168.7.11/24".parse().expect("good")],
            etcd: Some(InstalledEtcd { version: conf().version, processor: conf().processor }),
            service_manager: Some(ServiceManager::OpenRc),
            ..Facts::default()
        };
        Observed {
            now: now(),
            known: Known { facts, ..Known::default() },
            seen: Seen {
                folder_in_order: true,
                files,
                hosts: Some(hosts_block::replace_in("127.0.0.1 localhost\n", &state.hosts)),
                etcd: SeenService { state: ServiceState::Started, is_enabled: true },
                etcd_user: true,
                ..Seen::default()
            },
            accepted: Accepted { epoch: 3, generation: 7 },
            started: Some(conf().token),
            held: LEAVES.map(|profile| (profile, held(profile))).into(),
            proofs: BTreeMap::new(),
            taken_back: BTreeMap::new(),
            etcd_answers: true,
        }
    }

    fn file_of(text: &str) -> SeenFile {
        SeenFile { content: text.into(), in_order: true }
    }

    /// A step in two words.
    fn name(step: &Step) -> String {
        match step {
            Step::Accept(accepted) => format!("accept {}.{}", accepted.epoch, accepted.generation),
            Step::Issue { wanted, .. } => {
                let profiles: Vec<_> = wanted.iter().map(|one| one.profile.name()).collect();
                format!("issue {}", profiles.join("+"))
            }
            Step::EraseBefore(Subject::Leaf(profile)) => format!("erase before {profile}"),
            Step::PutBack { subject: Subject::Leaf(profile), .. } => format!("put back {profile}"),
            Step::RememberStarted { token } => format!("started {token}"),
            Step::Do(Deed::MakeFolder) => "folder".into(),
            Step::Do(Deed::Place { file, .. }) => format!("place {file:?}"),
            Step::Do(Deed::Service { service: Service::Etcd, verb }) => format!("{verb:?}"),
            Step::Do(deed) => format!("{deed:?}"),
        }
    }

    fn decided(desired: &Desired, observed: &Observed) -> Decision {
        decide(&accept(&own(), desired, observed).expect("acceptable"), observed)
    }

    #[track_caller]
    fn steps(change: impl FnOnce(&mut Desired, &mut Observed)) -> Vec<String> {
        let (mut desired, mut observed) = (desired(), settled());
        change(&mut desired, &mut observed);
        let decision = decided(&desired, &observed);
        assert_eq!(decision.problems, [], "{:?}", decision.steps);
        decision.steps.iter().map(name).collect()
    }

    #[track_caller]
    fn refused(words: &str, change: impl FnOnce(&mut Desired, &mut Observed)) {
        let (mut desired, mut observed) = (desired(), settled());
        change(&mut desired, &mut observed);
        let refusal = accept(&own(), &desired, &observed).expect_err(words);
        let told = Told::new("refused", &refusal);
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
            o.seen.folder_in_order = false;
            o.seen.files.clear();
            o.held.clear();
            o.seen.hosts = Some("127.0.0.1 localhost\n".into());
            o.seen.etcd.state = ServiceState::Absent;
            o.seen.etcd.is_enabled = false;
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
                "Start",
                "Enable",
                "started x-k3s-1",
            ]
        );
    }

    #[test]
    fn each_difference_gives_exactly_its_step() {
        let place = |file: File| steps(move |_, o| o.seen.files.retain(|kind, _| *kind != file));
        assert_eq!(place(File::ClientCa), ["place ClientCa"]);
        assert_eq!(place(File::PeerCa), ["place PeerCa"]);
        for file in [NodeFile::EtcdConf, NodeFile::ServiceConf, NodeFile::ServiceScript] {
            assert_eq!(place(File::Text(file)), [format!("place Text({file:?})")]);
        }
        let conf = File::Text(NodeFile::EtcdConf);
        let spoiled =
            |o: &mut Observed| o.seen.files.get_mut(&conf).expect("there").in_order = false;
        assert_eq!(steps(|_, o| spoiled(o)), ["place Text(EtcdConf)"]);
        assert_eq!(steps(|_, o| o.seen.hosts = Some(String::new())), ["place Hosts"]);
        assert_eq!(steps(|d, _| d.state.hosts.clear()), ["place Hosts"]);
        let untouched = |d: &mut Desired, o: &mut Observed| {
            d.state.hosts.clear();
            o.seen.hosts = Some("127.0.0.1 localhost".into());
        };
        assert_eq!(steps(untouched), [""; 0], "no block is wanted, and there is none");
        assert_eq!(steps(|_, o| o.seen.folder_in_order = false), ["folder"]);
        assert_eq!(steps(|_, o| o.seen.etcd.is_enabled = false), ["Enable"]);
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
            held.leaf.not_before = now().minus((365 - days) * DAY);
            held.leaf.not_after = now().plus(days * DAY);
        };
        assert_eq!(peer(|held| held.leaf.not_after = now().plus(30 * DAY)), [""; 0], "a short one");
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
            match &decided(&desired, &observed).steps[..] {
                [Step::Issue { keep, .. }] => keep.clone(),
                steps => panic!("{steps:?}"),
            }
        };
        assert_eq!(kept(|_| {}), [Profile::Peer]);
        assert_eq!(kept(|o| o.etcd_answers = false), []);
        let proof = |o: &mut Observed, proof: Proof| drop(o.proofs.insert(PEER, proof));
        let spoil = |change: fn(&mut Held)| {
            let mut observed = settled();
            change(observed.held.get_mut(&Profile::Peer).expect("there"));
            keeps(&observed, Profile::Peer)
        };
        assert!(spoil(|_| {}));
        assert!(!spoil(|held| held.in_order = false), "others could read its key");
        assert!(!spoil(|held| held.leaf.not_after = now()), "it has ended");
        let before = || Proof { before: Some(version(&leaf(7, DAY))), ..Proof::default() };
        let mut observed = settled();
        proof(&mut observed, before());
        assert!(!keeps(&observed, Profile::Peer), "the one that proved itself stays");

        let seen = |o: &mut Observed| proof(o, Proof { sight: working(1), ..before() });
        assert_eq!(steps(|_, o| seen(o)), ["erase before peer"]);
        let other = Proof { sight: working(7), sought: DAY, ..before() };
        assert_eq!(steps(|_, o| proof(o, other)), ["put back peer"]);
    }

    #[test]
    fn a_leaf_that_was_taken_back_waits_and_is_told() {
        let mut desired = desired();
        desired.state.certificates[1].replace_serial = Some(vec![1]);
        let mut observed = settled();
        observed.taken_back.insert(PEER, Told { what: "taken back".into(), ..Told::default() });
        let decision = decided(&desired, &observed);
        assert_eq!((decision.steps.len(), decision.problems.len()), (0, 1), "{decision:?}");
        observed.held.remove(&Profile::Peer);
        let decision = decided(&desired, &observed);
        assert_eq!(decision.steps.len(), 1, "without any leaf etcd cannot start: {decision:?}");
    }

    #[test]
    fn etcd_is_started_once_a_formation() {
        let hold = |d: &mut Desired, o: &mut Observed| {
            d.state.service = WantedService::Hold;
            (o.started, o.seen.etcd.is_enabled, o.seen.etcd.state) =
                (None, false, ServiceState::Stopped);
        };
        assert_eq!(steps(hold), [""; 0]);
        assert_eq!(
            steps(|_, o| {
                (o.started, o.seen.etcd.is_enabled, o.seen.etcd.state) =
                    (None, false, ServiceState::Stopped);
            }),
            ["Start", "Enable", "started x-k3s-1"]
        );
        let cut_off = |_: &mut Desired, o: &mut Observed| o.started = None;
        assert_eq!(steps(cut_off), ["started x-k3s-1"], "a power cut before the marker");
        let again = |_: &mut Desired, o: &mut Observed| {
            (o.started, o.seen.etcd.state) = (Some("x-k3s-0".into()), ServiceState::Stopped);
        };
        assert_eq!(steps(again), ["Start", "started x-k3s-1"], "another formation");
    }

    #[test]
    fn an_etcd_that_was_started_is_pinned_where_packages_could_change_its_minor() {
        let aside = |may_jump, started: Option<&str>| {
            let mut observed = settled();
            (observed.seen.etcd_may_jump, observed.started) = (may_jump, started.map(Into::into));
            decided(&desired(), &observed).aside
        };
        assert_eq!(aside(true, Some("x-k3s-1")), Some(Deed::Pin(conf().version)));
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
            observed.seen.etcd.state = state;
            let decision = decided(&desired(), &observed);
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
            o.known.facts.etcd = None;
            o.known.no_etcd = Some(Told { cause, help: "h".into(), ..Told::default() });
        });
        refused("etcd 3.4.23 is installed", |_, o| {
            o.started = None;
            let version = "3.4.23".parse().expect("known");
            o.known.facts.etcd = Some(InstalledEtcd { version, processor: Processor::Arm64 });
        });
        refused("does not have: arm64", |_, o| {
            o.started = None;
            let version = conf().version;
            o.known.facts.etcd = Some(InstalledEtcd { version, processor: Processor::Arm });
        });
        refused("does not have: OpenRc", |_, o| o.known.facts.service_manager = None);
        refused("no user etcd", |_, o| o.seen.etcd_user = false);
        refused("/etc/hosts", |_, o| o.seen.hosts = None);
        refused("port 2379 is taken by nginx (pid 4)", |_, o| {
            o.seen.port_holders = vec![PortHolder { port: 2379, process: "nginx (pid 4)".into() }];
        });
    }

    #[test]
    fn an_etcd_replaced_under_its_running_member_is_told_and_the_rest_goes_on() {
        let with = |version: &str, processor| {
            let mut observed = settled();
            observed.held.remove(&Profile::Server);
            let version = version.parse().expect("known");
            observed.known.facts.etcd = Some(InstalledEtcd { version, processor });
            let decision = decided(&desired(), &observed);
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

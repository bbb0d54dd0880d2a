//! The one owner of all that is done to the node: look, decide, act, report, and wait for the next reason to look.
//!
//! Level-triggered: each pass compares the whole desired state with the whole node, so a lost event costs one resync at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pilaster_common::clock::Clock;
use pilaster_common::error::{Told, causes, code};
use pilaster_common::name::NodeId;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_proto::client::Coordinator;
use pilaster_proto::desired::{Desired, WantedService};
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::report::{HeldCertificate, Report, ServedCertificate, ServiceState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::decide::{Decision, decide};
use super::memory::{Accepted, Memory, MemoryError};
use super::observe::{Observed, before, observe};
use super::proof::{self, Proof};
use super::report::lines;
use crate::apply::{Host, ManagedFile, Step, act};
use crate::config::{
    ASIDE_BACKOFF, FACTS_MAX_AGE, LEAF_BACKOFF, RESYNC_INTERVAL, SERVED_INTERVAL,
    SERVED_INTERVAL_EAGER, STEP_BACKOFF,
};
use crate::etcd::{Pace, Served};
use crate::facts::{self, Known};
use crate::link::Backoff;
use crate::link::attach::Latest;
use crate::status;

/// What the reconciler listens to, and what it keeps up to date.
pub(crate) struct Wires {
    pub(crate) desired: watch::Receiver<Latest>,
    pub(crate) coordinator: watch::Receiver<Option<Coordinator>>,
    pub(crate) etcd: watch::Receiver<Option<EtcdState>>,
    pub(crate) pace: watch::Sender<Pace>,
    pub(crate) report: watch::Sender<Option<Report>>,
}

/// The task.
pub(crate) struct Reconciler<H> {
    own: NodeId,
    host: H,
    memory: Memory,
    clock: Arc<dyn Clock>,
    wires: Wires,
    facts: Option<(Known, Instant)>,
    boot_id: String,
    /// Of the desired state that was wholly in place at the last look.
    generation: u64,
    backoff: Backoff,
    setback: Option<Setback>,
    aside_backoff: Backoff,
    aside_setback: Option<Setback>,
    looks: BTreeMap<Profile, Look>,
    taken_back: BTreeMap<Profile, TakenBack>,
    /// Why the last look failed: logged once.
    blind: Option<Told>,
}

/// A step that failed: it is not tried again before this moment, unless something else is wanted or the link has come back.
struct Setback {
    until: Instant,
    of: Accepted,
    told: Told,
}

/// The last look at what etcd shows of a leaf.
struct Look {
    /// Serial of the leaf in place.
    of: Vec<u8>,
    /// Whether etcd answered elsewhere.
    answers: bool,
    at: Instant,
    /// When this leaf was looked for first.
    since: Instant,
    served: Served,
}

/// A leaf that did not work; its profile's is not replaced before this moment, unless something else is wanted.
struct TakenBack {
    backoff: Backoff,
    until: Instant,
    of: Accepted,
    told: Told,
}

/// Steps decided after acting: one is expected in the second round (a new leaf is seen), more mean that something undoes them.
const ROUNDS_MAX: usize = 4;

impl Look {
    fn is_older_than(&self, interval: Duration, answers: bool) -> bool {
        self.answers != answers || self.at.elapsed() >= interval
    }
}

impl<H: Host> Reconciler<H> {
    /// For the node `own`.
    pub(crate) fn new(
        own: NodeId,
        host: H,
        memory: Memory,
        clock: Arc<dyn Clock>,
        wires: Wires,
    ) -> Self {
        Self {
            own,
            host,
            memory,
            clock,
            wires,
            facts: None,
            boot_id: facts::boot_id(),
            generation: 0,
            backoff: Backoff::new(STEP_BACKOFF),
            setback: None,
            aside_backoff: Backoff::new(ASIDE_BACKOFF),
            aside_setback: None,
            looks: BTreeMap::new(),
            taken_back: BTreeMap::new(),
            blind: None,
        }
    }

    /// Cancel safety: none. Give it a task and let it end; `shutdown` stops it between two passes.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let pause = self.pass().await; // outside `select!`: nothing can drop a half-done step
            tokio::select! {
                () = shutdown.cancelled() => return,
                // cancel-safe: tokio docs
                changed = self.wires.desired.changed() => if changed.is_err() { return },
                changed = self.wires.coordinator.changed() => {
                    if changed.is_err() { return }
                    self.setback = None;
                }
                changed = self.wires.etcd.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look, and all that follows from it. Answers when to look again if nothing happens.
    async fn pass(&mut self) -> Duration {
        let known = self.known().await;
        let desired = self.wires.desired.borrow_and_update().clone();
        let (observed, problems) = match desired {
            None => (self.look(&known), known.no_etcd.clone().into_iter().collect()),
            Some(Err(told)) => (self.look(&known), vec![told]),
            Some(Ok(desired)) => self.bring_to(&desired, &known).await,
        };
        let observed = match observed {
            Ok(observed) => observed,
            Err(error) => {
                let told = Told::new("cannot look at the node", &error);
                if self.blind.as_ref() != Some(&told) {
                    tracing::error!("{}", told.to_string().replace('\n', "; "));
                }
                self.blind = Some(told);
                return RESYNC_INTERVAL;
            }
        };
        self.blind = None;
        if !problems.is_empty() {
            self.facts = None; // a person may be about to mend it: look closer next time
        }
        let is_sought = observed.proofs.values().any(Proof::is_sought);
        self.publish(observed, problems);
        let now = Instant::now();
        let retry = self.setback.as_ref().map(|setback| setback.until).filter(|until| now < *until);
        let pause = if is_sought { SERVED_INTERVAL_EAGER } else { RESYNC_INTERVAL };
        retry.map_or(pause, |until| pause.min(until - now))
    }

    fn look(&self, known: &Known) -> Result<Observed, MemoryError> {
        observe(&self.host, &self.memory, known, self.clock.now())
    }

    /// Looks, decides and acts until nothing is left to do, or something stands in the way.
    async fn bring_to(
        &mut self,
        desired: &Desired,
        known: &Known,
    ) -> (Result<Observed, MemoryError>, Vec<Told>) {
        self.set_pace(desired.state.service);
        for _ in 0..ROUNDS_MAX {
            let mut observed = match self.look(known) {
                Ok(observed) => observed,
                Err(error) => return (Err(error), Vec::new()),
            };
            self.look_at_ports(desired, &mut observed).await;
            let decision = decide(&self.own, desired, &observed);
            self.note_generation(desired, &decision);
            if decision.steps.is_empty() {
                self.backoff.reset();
                let mut problems = decision.problems;
                problems.extend(self.act_aside(desired, decision.aside.as_ref()).await);
                return (Ok(observed), problems);
            }
            if let Some(told) = self.held_back(desired) {
                return (Ok(observed), vec![told]);
            }
            if let Err(told) = self.act(desired, &decision).await {
                self.set_back(desired, told.clone());
                return (self.look(known), vec![told]);
            }
        }
        let told = Told {
            code: code::STEP,
            what: format!("cannot bring the node to generation {}", desired.generation),
            cause: "something undoes what the agent does".into(),
            help: "what was replaced stands in /var/log/pilaster-agent.log".into(),
        };
        self.set_back(desired, told.clone());
        (self.look(known), vec![told])
    }

    /// What etcd shows of each leaf: looked at when the leaf or etcd has changed, otherwise once a minute, and only while etcd is to run.
    async fn look_at_ports(&mut self, desired: &Desired, observed: &mut Observed) {
        let etcd = self.etcd_of(observed.service);
        observed.etcd_answers = etcd.is_some();
        let runs = desired.state.service == WantedService::Run
            && observed.service == ServiceState::Started;
        if !runs {
            self.looks.clear();
        }
        for profile in LEAVES {
            let Some(held) = observed.held.get(&profile) else { continue };
            let before = before(&self.host, profile);
            let (serial, answers) = (&held.leaf.serial, observed.etcd_answers);
            let interval = if before.is_some() { SERVED_INTERVAL_EAGER } else { SERVED_INTERVAL };
            let last = self.looks.get(&profile).filter(|look| look.of == *serial);
            if runs && last.is_none_or(|last| last.is_older_than(interval, answers)) {
                let since = last.map_or_else(Instant::now, |last| last.since);
                let served = self.host.served(profile, desired.state.etcd.address).await;
                let (of, at) = (serial.clone(), Instant::now());
                self.looks.insert(profile, Look { of, answers, at, since, served });
            }
            let look = self.looks.get(&profile);
            let proof = Proof {
                before,
                served: look.map(|look| look.served.clone()),
                sought: look.map_or(Duration::ZERO, |look| look.since.elapsed()),
                taken_back: self.taken_back(profile, desired),
            };
            observed.proofs.insert(profile, proof);
        }
    }

    fn taken_back(&self, profile: Profile, desired: &Desired) -> Option<Told> {
        let back = self.taken_back.get(&profile)?;
        let of = Accepted { epoch: desired.epoch, generation: desired.generation };
        (back.of == of && Instant::now() < back.until).then(|| back.told.clone())
    }

    /// Remembers what became of a new leaf, so that one that does not work is not tried hot.
    fn note_proof(&mut self, desired: &Desired, step: &Step) {
        match step {
            Step::PutBack { profile, why } => {
                let of = Accepted { epoch: desired.epoch, generation: desired.generation };
                let tries = self.taken_back.remove(profile).map(|back| back.backoff);
                let mut backoff = tries.unwrap_or_else(|| Backoff::new(LEAF_BACKOFF));
                let until = Instant::now() + backoff.pause();
                let told = proof::told(*profile, why);
                self.taken_back.insert(*profile, TakenBack { backoff, until, of, told });
            }
            Step::EraseBefore(profile) => drop(self.taken_back.remove(profile)),
            _ => {}
        }
    }

    fn set_pace(&self, service: WantedService) {
        let wanted = match service {
            WantedService::Hold => Pace::Calm,
            WantedService::Run => Pace::Eager,
        };
        self.wires.pace.send_if_modified(|pace| std::mem::replace(pace, wanted) != wanted);
    }

    fn set_back(&mut self, desired: &Desired, told: Told) {
        let of = Accepted { epoch: desired.epoch, generation: desired.generation };
        self.setback = Some(Setback { until: Instant::now() + self.backoff.pause(), of, told });
    }

    fn held_back(&mut self, desired: &Desired) -> Option<Told> {
        let of = Accepted { epoch: desired.epoch, generation: desired.generation };
        self.setback =
            self.setback.take().filter(|back| back.of == of && Instant::now() < back.until);
        self.setback.as_ref().map(|setback| setback.told.clone())
    }

    fn note_generation(&mut self, desired: &Desired, decision: &Decision) {
        if decision.is_done() {
            self.generation = desired.generation;
        } else if self.generation == desired.generation {
            self.generation = 0; // it was in place, and is no longer
        }
    }

    async fn act(&mut self, desired: &Desired, decision: &Decision) -> Result<(), Told> {
        for step in &decision.steps {
            let coordinator = self.wires.coordinator.borrow().clone();
            let what = format!("cannot bring the node to generation {}", desired.generation);
            act(&self.host, &self.memory, coordinator, step, self.clock.now())
                .await
                .map_err(|error| Told::new(what, &error))?;
            self.note_proof(desired, step);
        }
        Ok(())
    }

    /// Does what keeps nothing waiting; answers why it could not, which is tried again after a while.
    async fn act_aside(&mut self, desired: &Desired, step: Option<&Step>) -> Option<Told> {
        let Some(step) = step else {
            self.aside_backoff.reset();
            self.aside_setback = None;
            return None;
        };
        let of = Accepted { epoch: desired.epoch, generation: desired.generation };
        if let Some(back) = self.aside_setback.as_ref().filter(|back| Instant::now() < back.until) {
            return Some(back.told.clone());
        }
        let done = act(&self.host, &self.memory, None, step, self.clock.now()).await;
        let told = Told::new("cannot keep etcd at its minor version", &done.err()?);
        let until = Instant::now() + self.aside_backoff.pause();
        self.aside_setback = Some(Setback { until, of, told: told.clone() });
        Some(told)
    }

    async fn known(&mut self) -> Known {
        if let Some((known, at)) = &self.facts
            && at.elapsed() < FACTS_MAX_AGE
        {
            return known.clone();
        }
        let known = self.host.facts().await;
        for (output, trimmed) in self.host.trim_outputs() {
            match trimmed {
                Ok(true) => tracing::info!("cut {output}, whose end is kept"),
                Ok(false) => {}
                Err(error) => tracing::warn!("cannot keep {output} small: {}", causes(&error)),
            }
        }
        self.facts = Some((known.clone(), Instant::now()));
        known
    }

    fn publish(&self, observed: Observed, problems: Vec<Told>) {
        let report = Report {
            facts: observed.facts,
            epoch: observed.accepted.epoch,
            generation: self.generation,
            certificates: observed
                .held
                .into_iter()
                .map(|(profile, held)| {
                    HeldCertificate::new(profile, held.leaf, self.shown(profile))
                })
                .collect(),
            service: observed.service,
            etcd: self.etcd_of(observed.service),
            problems,
            boot_id: self.boot_id.clone(),
            files: observed
                .files
                .iter()
                .filter_map(|(file, present)| match file {
                    ManagedFile::Text(text) => Some((*text, present.sha256)),
                    _ => None,
                })
                .collect(),
        };
        self.tell(&report);
        self.wires.report.send_replace(Some(report));
    }

    fn shown(&self, profile: Profile) -> Option<ServedCertificate> {
        match &self.looks.get(&profile)?.served {
            Served::Shown(shown) => Some(shown.clone()),
            Served::Refused(_) | Served::Unreachable => None,
        }
    }

    /// What answers on etcd's ports while its service does not run is not this node's member.
    fn etcd_of(&self, service: ServiceState) -> Option<EtcdState> {
        match service {
            ServiceState::Started | ServiceState::Crashed => self.wires.etcd.borrow().clone(),
            ServiceState::Absent | ServiceState::Stopped => None,
        }
    }

    /// For the log and for `pilaster-agent status`: only what is new.
    fn tell(&self, report: &Report) {
        let known = self.wires.report.borrow();
        let known = known.as_ref();
        if known.is_some_and(|known| !report.is_news_after(known)) {
            return;
        }
        for told in &report.problems {
            if known.is_none_or(|known| !known.problems.contains(told)) {
                tracing::warn!("{}", told.to_string().replace('\n', "; "));
            }
        }
        if report.generation != known.map_or(0, |known| known.generation) && report.generation != 0
        {
            tracing::info!("generation {} is in place", report.generation);
        }
        status::write(&lines(report));
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::certificate::CertificateFacts;
    use pilaster_common::clock::SystemClock;
    use pilaster_common::node_file::NodeFile;
    use pilaster_common::pem::Pair;
    use tokio::sync::mpsc;

    use super::*;
    use crate::identity::Folder;
    use crate::link::attach::{Link, LinkWires};
    use crate::reconcile::held_certificate;
    use crate::testing::{FakeCoordinator, TestHost, desired, joining};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// An agent on a host in memory, attached to a coordinator over real TLS.
    struct World {
        host: TestHost,
        coordinator: FakeCoordinator,
        reports: mpsc::Receiver<Report>,
        shutdown: CancellationToken,
        etcd: watch::Sender<Option<EtcdState>>,
        _folder: tempfile::TempDir,
    }

    async fn world() -> World {
        let (_, coordinator, reports, listener) = joining(|_| {});
        tokio::spawn(coordinator.clone().serve(listener));
        let (desired_in, desired) = watch::channel(None);
        let (coordinator_in, reached) = watch::channel(None);
        let (etcd_in, etcd) = watch::channel(None);
        let (report, report_out) = watch::channel(None);
        let identity = coordinator.identity();
        let own = identity.node.clone();
        let folder = tempfile::tempdir().expect("folder");
        let (host, shutdown) = (TestHost::default(), CancellationToken::new());
        let reconciler = Reconciler::new(
            own,
            host.clone(),
            Memory::at(folder.path()),
            Arc::new(SystemClock),
            Wires {
                desired,
                coordinator: reached,
                etcd,
                pace: watch::channel(Pace::Calm).0,
                report,
            },
        );
        let identity_folder = Folder::at(folder.path().join("identity"));
        let wires =
            LinkWires { report: report_out, desired: desired_in, coordinator: coordinator_in };
        let link = Link::new(identity, identity_folder, Arc::new(SystemClock), wires);
        tokio::spawn(reconciler.run(shutdown.clone()));
        tokio::spawn(link.run(shutdown.clone()));
        World { host, coordinator, reports, shutdown, etcd: etcd_in, _folder: folder }
    }

    impl World {
        fn want(&self, generation: u64, service: WantedService) {
            let desired = Desired { generation, ..desired(&self.coordinator, service) };
            self.coordinator.desired.send_replace(Some(desired));
        }

        /// The first report that is as wanted.
        async fn report(&mut self, wanted: impl Fn(&Report) -> bool) -> Report {
            let found = async {
                while let Some(report) = self.reports.recv().await {
                    if wanted(&report) {
                        return report;
                    }
                }
                panic!("the stream of reports ended");
            };
            tokio::time::timeout(PATIENCE, found).await.expect("a report within 10 s")
        }
    }

    #[tokio::test]
    async fn a_node_is_brought_from_nothing_to_a_started_etcd() {
        let mut world = world().await;
        let first = world.report(|_| true).await;
        assert_eq!((first.generation, first.certificates.len()), (0, 0));

        world.want(1, WantedService::Hold);
        let ready = world.report(|report| report.generation == 1).await;
        assert_eq!(ready.problems, []);
        assert_eq!((ready.certificates.len(), ready.files.len()), (3, 3));
        let done = world.host.take_done();
        assert!(!done.contains(&"Start".to_owned()), "{done:?}");
        for profile in LEAVES {
            let state = world.host.state();
            Pair::from_pem(&state.files[&ManagedFile::Leaf(profile)]).expect("a whole pair");
        }

        world.want(2, WantedService::Run);
        world.report(|report| report.generation == 2).await;
        assert_eq!(world.host.take_done(), ["Start", "Enable"]);

        world.want(3, WantedService::Run);
        world.report(|report| report.generation == 3).await;
        assert_eq!(world.host.take_done(), [""; 0], "nothing is done twice");
        world.shutdown.cancel();
    }

    #[tokio::test]
    async fn etcd_is_pinned_after_its_start_and_what_keeps_it_from_that_is_told_and_holds_nothing_up()
     {
        let mut world = world().await;
        world.host.state().may_jump = true;
        world.want(1, WantedService::Hold);
        world.report(|report| report.generation == 1).await;
        let done = world.host.take_done();
        assert!(!done.iter().any(|done| done.starts_with("pin")), "before the start: {done:?}");

        world.host.state().pin_fails = true;
        world.want(2, WantedService::Run);
        let report = world.report(|report| report.generation == 2).await;
        assert_eq!(world.host.take_done(), ["Start", "Enable", "pin 3.5.16"]);
        assert!(report.problems[0].cause.contains("(1/1) Purging"), "{report:?}");
        world.want(3, WantedService::Run);
        world.report(|report| report.generation == 3).await;
        assert_eq!(world.host.take_done(), [""; 0], "not tried again at once");
        world.shutdown.cancel();
    }

    #[tokio::test]
    async fn an_etcd_that_may_jump_is_pinned_once() {
        let mut world = world().await;
        world.host.state().may_jump = true;
        world.want(1, WantedService::Run);
        let report = world.report(|report| report.generation == 1).await;
        assert_eq!(report.problems, []);
        world.want(2, WantedService::Run);
        world.report(|report| report.generation == 2).await;
        let done = world.host.take_done();
        let pins = done.iter().filter(|done| done.starts_with("pin")).count();
        assert_eq!(pins, 1, "{done:?}");
        world.shutdown.cancel();
    }

    #[tokio::test]
    async fn a_refusal_is_reported_and_the_next_good_word_is_followed() {
        let mut world = world().await;
        let good = desired(&world.coordinator, WantedService::Hold);
        let mut bad = good.clone();
        bad.state.files[0].1.push_str("force-new-cluster: true\n");
        world.coordinator.desired.send_replace(Some(bad));
        let report = world.report(|report| !report.problems.is_empty()).await;
        assert!(report.problems[0].cause.contains("force-new-cluster"), "{report:?}");
        assert_eq!(world.host.take_done(), [""; 0]);

        let mut unknown = good.clone();
        unknown.state.endpoints.clear();
        world.coordinator.desired.send_replace(Some(unknown));
        let report =
            world.report(|r| r.problems.iter().any(|p| p.cause.contains("endpoints"))).await;
        assert_eq!((report.generation, world.host.take_done().len()), (0, 0));
    }

    #[tokio::test]
    async fn certificates_of_another_ca_are_refused_and_nothing_is_placed() {
        let mut world = world().await;
        let mut other = desired(&world.coordinator, WantedService::Hold);
        other.state.client_ca = other.state.peer_ca.clone(); // what is issued is signed by the other one
        world.coordinator.desired.send_replace(Some(other));
        let report = world.report(|report| !report.problems.is_empty()).await;
        assert!(
            report.problems[0].cause.contains("server certificate that came is refused"),
            "{report:?}"
        );
        let state = world.host.state();
        assert!(!state.files.contains_key(&ManagedFile::Leaf(Profile::Peer)), "all or none");
        assert!(!state.files.contains_key(&ManagedFile::Text(NodeFile::EtcdConf)));
    }

    impl World {
        /// A node on which etcd runs, and generation 1 is in place.
        async fn running(&mut self) {
            self.want(1, WantedService::Run);
            self.etcd.send_replace(Some(EtcdState::default()));
            self.report(|r| r.generation == 1 && r.certificates.iter().all(is_served)).await;
            self.host.take_done();
        }

        fn leaf(&self, profile: Profile) -> Option<CertificateFacts> {
            held_certificate(self.host.state().files.get(&ManagedFile::Leaf(profile))?)
        }

        /// Wants the leaf with this serial replaced.
        fn rotate(&self, profile: Profile, generation: u64) {
            let mut wanted =
                Desired { generation, ..desired(&self.coordinator, WantedService::Run) };
            let index = LEAVES.iter().position(|one| *one == profile).expect("a leaf");
            wanted.state.certificates[index].replace_serial =
                Some(self.leaf(profile).expect("held").serial);
            self.coordinator.desired.send_replace(Some(wanted));
        }

        fn erased(&self, profile: Profile) -> bool {
            !self.host.state().files.contains_key(&ManagedFile::Before(profile))
        }
    }

    fn is_served(held: &HeldCertificate) -> bool {
        held.is_served() && held.serves_until() == held.not_after
    }

    #[tokio::test]
    async fn promise_06_a_serial_that_is_to_go_is_replaced_and_the_new_one_seen() {
        let mut world = world().await;
        world.running().await;
        let before = world.leaf(Profile::Peer).expect("held").serial;
        world.rotate(Profile::Peer, 2);
        let new = |held: &HeldCertificate| {
            held.profile == Profile::Peer && held.serial != before && is_served(held)
        };
        world.report(|r| r.generation == 2 && r.certificates.iter().any(new)).await;
        assert_eq!(
            world.host.take_done(),
            ["Before(Peer)", "Leaf(Peer)", "erase Before(Peer)"],
            "kept, replaced, erased once the new one was seen; nothing else was touched"
        );
        assert!(world.erased(Profile::Peer));
    }

    #[tokio::test]
    async fn promise_08_a_leaf_that_etcd_does_not_take_is_put_back_and_not_tried_hot() {
        let mut world = world().await;
        world.running().await;
        let before = world.host.state().files[&ManagedFile::Leaf(Profile::Client)].clone();
        let refused = Served::Refused("alert: bad certificate".into());
        world.host.state().served.insert(Profile::Client, refused);
        world.rotate(Profile::Client, 2);
        let report = world.report(|r| !r.problems.is_empty()).await;
        assert!(
            report.problems[0].what.contains("client certificate was taken back"),
            "{report:?}"
        );
        assert!(report.problems[0].cause.contains("bad certificate"), "{report:?}");
        assert_eq!(report.generation, 0);
        assert_eq!(world.host.state().files[&ManagedFile::Leaf(Profile::Client)], before);
        assert!(world.erased(Profile::Client));
        world.host.take_done();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.host.take_done(), [""; 0], "not tried again at once");

        world.host.state().served.clear();
        world.rotate(Profile::Client, 3); // something else is wanted: at once
        world.report(|r| r.generation == 3 && r.certificates.iter().all(is_served)).await;
        assert_ne!(world.host.state().files[&ManagedFile::Leaf(Profile::Client)], before);
        assert!(world.erased(Profile::Client));
    }

    #[tokio::test]
    async fn promise_01_a_pair_that_a_crash_left_behind_is_erased_once_the_new_one_is_seen() {
        let mut world = world().await;
        world.running().await;
        let other = world.coordinator.client.leaf(Profile::Server, &Default::default());
        let file = ManagedFile::Before(Profile::Server);
        world.host.state().files.insert(file, other.to_pem().as_bytes().to_vec());
        world.etcd.send_replace(Some(EtcdState::default())); // look again
        tokio::time::timeout(PATIENCE, async {
            while !world.erased(Profile::Server) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("erased");
    }

    #[tokio::test]
    async fn no_port_is_asked_and_no_pair_kept_while_etcd_does_not_run() {
        let mut world = world().await;
        world.want(1, WantedService::Hold);
        world.report(|r| r.generation == 1).await;
        world.host.take_done();
        let shown = ServedCertificate { serial: vec![1], not_after: SystemClock.now() };
        world.host.state().served.insert(Profile::Server, Served::Shown(shown));
        let mut wanted =
            Desired { generation: 2, ..desired(&world.coordinator, WantedService::Hold) };
        wanted.state.certificates[0].replace_serial =
            Some(world.leaf(Profile::Server).expect("held").serial);
        world.coordinator.desired.send_replace(Some(wanted));
        let report = world.report(|r| r.generation == 2).await;
        assert!(report.certificates.iter().all(|held| held.served.is_none()), "{report:?}");
        assert_eq!(world.host.take_done(), ["Leaf(Server)"]);
    }
}

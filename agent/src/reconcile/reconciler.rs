//! The one owner of all that is done to the node: look, decide, act, report, and wait for the next
//! reason to look.
//!
//! Level-triggered: each pass compares the whole desired state with the whole node, so a lost event
//! costs one resync at most.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock};
use pilaster_common::error::{Told, causes, code};
use pilaster_common::name::NodeId;
use pilaster_common::profile::LEAVES;
use pilaster_proto::client::Coordinator;
use pilaster_proto::desired::{Desired, WantedService};
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::report::{Report, ServiceState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::accept::accept;
use super::act::{Step, act};
use super::decide::{Decision, decide};
use super::memory::{Accepted, Memory, MemoryError};
use super::observe::{Observed, observe};
use super::report::{report, tell};
use crate::certificates::Looks;
use crate::etcd::{AskEtcd, Pace};
use crate::host::{Deed, Host, Known};
use crate::link::Latest;
use crate::node::Patience;
use crate::trial::{Proof, Subject, Taken};

/// A look at the node when nothing changed: a few small files are read, nothing is written.
const RESYNC_INTERVAL: Duration = Duration::from_secs(5);
/// The same while something that is tried has not been seen yet.
const RESYNC_INTERVAL_EAGER: Duration = Duration::from_millis(500);
/// How old memory, free disk and the like may be.
const KNOWN_AGE_MAX: Duration = Duration::from_secs(60);
/// Pauses after a step that failed: no hot retry, on a full disk for example.
const STEP_BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// Pauses after a step that keeps nothing waiting: each try starts processes.
const ASIDE_BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(1800));
/// Steps decided after acting: one is expected in the second round (a new leaf is seen), more mean
/// that something undoes them.
const ROUNDS_MAX: usize = 4;

/// What the reconciler listens to, and what it keeps up to date.
pub(crate) struct Wires {
    pub(crate) desired: watch::Receiver<Latest>,
    pub(crate) coordinator: watch::Receiver<Option<Coordinator>>,
    pub(crate) etcd: watch::Receiver<Option<EtcdState>>,
    pub(crate) pace: watch::Sender<Pace>,
    pub(crate) report: watch::Sender<Option<Report>>,
    /// The file that `pilaster-agent status` reads.
    pub(crate) status: PathBuf,
}

/// The task.
pub(crate) struct Reconciler {
    own: NodeId,
    host: Arc<dyn Host>,
    memory: Memory,
    clock: Arc<dyn Clock>,
    wires: Wires,
    known: Option<(Known, BootTime)>,
    /// Of the desired state that was wholly in place at the last look.
    generation: u64,
    /// After a step that failed. Another desired state is tried at once, and so is this one once
    /// the link has come back.
    steps: Patience<Accepted>,
    /// After a step that keeps nothing waiting.
    aside: Patience,
    /// After outputs that could not be cut.
    upkeep: Patience,
    looks: Looks,
    taken: Taken<Accepted>,
    /// Why the last look failed: logged once.
    blind: Option<Told>,
}

impl Reconciler {
    /// For the node `own`.
    pub(crate) fn new(
        own: NodeId,
        (host, etcd): (Arc<dyn Host>, Arc<dyn AskEtcd>),
        memory: Memory,
        clock: Arc<dyn Clock>,
        wires: Wires,
    ) -> Self {
        Self {
            own,
            host,
            memory,
            looks: Looks::new(etcd, Arc::clone(&clock)),
            clock,
            wires,
            known: None,
            generation: 0,
            steps: Patience::new(STEP_BACKOFF),
            aside: Patience::new(ASIDE_BACKOFF),
            upkeep: Patience::new(ASIDE_BACKOFF),
            taken: Taken::new(),
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
                    self.steps.hurry();
                }
                changed = self.wires.etcd.changed() => if changed.is_err() { return },
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// One look, and all that follows from it. Returns when to look again if nothing happens.
    async fn pass(&mut self) -> Duration {
        let known = self.known().await;
        let desired = self.wires.desired.borrow_and_update().clone();
        let (observed, problems) = match desired {
            None => (self.look(&known).await, known.no_etcd.iter().cloned().collect()),
            Some(Err(told)) => (self.look(&known).await, vec![told]),
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
        if observed.seen.outputs_overgrown {
            self.keep_outputs_small().await;
        }
        if !problems.is_empty() {
            self.known = None; // a person may be about to mend it: look closer next time
        }
        let is_sought = observed.proofs.values().any(Proof::is_sought);
        self.publish(observed, problems);
        let pause = if is_sought { RESYNC_INTERVAL_EAGER } else { RESYNC_INTERVAL };
        let retry = self.steps.until().map(|until| until.since(self.clock.boot()));
        retry.filter(|retry| !retry.is_zero()).map_or(pause, |retry| pause.min(retry))
    }

    async fn known(&mut self) -> Known {
        if let Some((known, at)) = &self.known
            && self.clock.elapsed(*at) < KNOWN_AGE_MAX
        {
            return known.clone();
        }
        let known = self.host.facts().await;
        self.known = Some((known.clone(), self.clock.boot()));
        known
    }

    async fn look(&self, known: &Known) -> Result<Observed, MemoryError> {
        observe(known, self.host.look().await, &self.memory, self.clock.now())
    }

    /// Looks, decides and acts until nothing is left to do, or something stands in the way.
    async fn bring_to(
        &mut self,
        desired: &Desired,
        known: &Known,
    ) -> (Result<Observed, MemoryError>, Vec<Told>) {
        self.set_pace(desired.state.service);
        let number = Accepted::from(desired);
        for _ in 0..ROUNDS_MAX {
            let mut observed = match self.look(known).await {
                Ok(observed) => observed,
                Err(error) => return (Err(error), Vec::new()),
            };
            self.look_at_ports(desired, &mut observed).await;
            let decision = match accept(&self.own, desired, &observed) {
                Ok(acceptable) => decide(&acceptable, &observed),
                Err(refusal) => {
                    let what = format!("cannot take over generation {}", desired.generation);
                    let problems = vec![Told::new(what, &refusal)];
                    Decision { problems, ..Decision::default() }
                }
            };
            self.note_generation(desired, &decision);
            if decision.steps.is_empty() {
                self.steps.reset();
                let mut problems = decision.problems;
                problems.extend(self.act_aside(decision.aside.as_ref()).await);
                return (Ok(observed), problems);
            }
            if let Some(told) = self.steps.reason(self.clock.boot(), &number) {
                return (Ok(observed), vec![told]);
            }
            if let Err(told) = self.act(desired, &decision).await {
                self.steps.wait(self.clock.boot(), number, told.clone());
                return (self.look(known).await, vec![told]);
            }
        }
        let told = Told {
            code: code::STEP,
            what: format!("cannot bring the node to generation {}", desired.generation),
            cause: "something undoes what the agent does".into(),
            help: "what was replaced stands in /var/log/pilaster-agent.log".into(),
        };
        self.steps.wait(self.clock.boot(), number, told.clone());
        (self.look(known).await, vec![told])
    }

    /// Adds what etcd shows of each leaf, only while it is to run.
    async fn look_at_ports(&mut self, desired: &Desired, observed: &mut Observed) {
        let service = observed.seen.etcd.state;
        observed.etcd_answers = self.etcd_of(service).is_some();
        observed.taken_back = self.taken.waiting(self.clock.boot(), &desired.into());
        let runs = desired.state.service == WantedService::Run && service == ServiceState::Started;
        if !runs {
            self.looks.forget();
        }
        for profile in LEAVES {
            let Some(held) = observed.held.get(&profile) else { continue };
            let subject = Subject::Leaf(profile);
            let before = observed.before(subject);
            if runs {
                let how = (observed.etcd_answers, before.is_some());
                let address = desired.state.etcd.address;
                self.looks.look(profile, &held.leaf.serial, how, address).await;
            }
            let (sight, sought) = self.looks.sight(profile).unzip();
            let proof = Proof { before, sight, sought: sought.unwrap_or_default() };
            observed.proofs.insert(subject, proof);
        }
    }

    fn set_pace(&self, service: WantedService) {
        let wanted = match service {
            WantedService::Hold => Pace::Calm,
            WantedService::Run => Pace::Eager,
        };
        self.wires.pace.send_if_modified(|pace| std::mem::replace(pace, wanted) != wanted);
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
            act(&*self.host, &self.memory, coordinator, step, &*self.clock)
                .await
                .map_err(|error| Told::new(what, &error))?;
            match step {
                // so that one that does not work is not tried hot
                Step::PutBack { subject, why } => {
                    self.taken.back(self.clock.boot(), *subject, desired.into(), why);
                }
                Step::EraseBefore(subject) => self.taken.forget(*subject),
                _ => {}
            }
        }
        Ok(())
    }

    /// Does what keeps nothing waiting. Returns why it could not, which is tried again after a
    /// while.
    async fn act_aside(&mut self, deed: Option<&Deed>) -> Option<Told> {
        let Some(deed) = deed else {
            self.aside.reset();
            return None;
        };
        if let Some(told) = self.aside.reason(self.clock.boot(), &()) {
            return Some(told);
        }
        let error = self.host.perform(deed.clone()).await.err()?;
        let told = Told::new("cannot keep etcd at its minor version", &error);
        self.aside.wait(self.clock.boot(), (), told.clone());
        Some(told)
    }

    async fn keep_outputs_small(&mut self) {
        if self.upkeep.reason(self.clock.boot(), &()).is_some() {
            return;
        }
        match self.host.perform(Deed::TrimOutputs).await {
            Ok(_) => self.upkeep.reset(),
            Err(error) => {
                tracing::warn!("cannot keep the logs small: {}", causes(&error));
                self.upkeep.wait(self.clock.boot(), (), Told::default());
            }
        }
    }

    fn publish(&self, observed: Observed, problems: Vec<Told>) {
        let etcd = self.etcd_of(observed.seen.etcd.state);
        let report = report(observed, self.generation, etcd, &self.looks, problems);
        tell(&report, self.wires.report.borrow().as_ref(), &self.wires.status);
        self.wires.report.send_replace(Some(report));
    }

    /// What answers on etcd's ports while its service does not run is not this node's member.
    fn etcd_of(&self, service: ServiceState) -> Option<EtcdState> {
        match service {
            ServiceState::Started | ServiceState::Crashed => self.wires.etcd.borrow().clone(),
            ServiceState::Absent | ServiceState::Stopped => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::certificate::CertificateFacts;
    use pilaster_common::node_file::NodeFile;
    use pilaster_common::pem::Pair;
    use pilaster_common::profile::Profile;
    use pilaster_proto::report::{HeldCertificate, ServedCertificate};
    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::*;
    use crate::etcd::Served;
    use crate::host::File;
    use crate::run::spawn;
    use crate::testing::{FakeCoordinator, TestHost, TestNet, desired, joining, now, parts};

    const PATIENCE: Duration = Duration::from_secs(180);

    /// The whole agent on a host in memory, attached to a coordinator over real TLS.
    struct World {
        net: TestNet,
        host: TestHost,
        coordinator: FakeCoordinator,
        reports: mpsc::Receiver<Report>,
        _tasks: JoinSet<()>,
        _folder: tempfile::TempDir,
    }

    async fn world() -> World {
        let (net, host) = (TestNet::default(), TestHost::default());
        let (_, coordinator, reports) = joining(&net, |_| {});
        let folder = tempfile::tempdir().expect("folder");
        let parts = parts(&net, &host, folder.path());
        let tasks = spawn(parts, coordinator.identity(), &CancellationToken::new());
        World { net, host, coordinator, reports, _tasks: tasks, _folder: folder }
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
            self.net.clock.within(PATIENCE, found).await.expect("a report within 3 minutes")
        }
    }

    #[tokio::test(start_paused = true)]
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
            Pair::from_pem(&state.files[&File::Leaf(profile)]).expect("a whole pair");
        }

        world.want(2, WantedService::Run);
        world.report(|report| report.generation == 2).await;
        assert_eq!(world.host.take_done(), ["Start", "Enable"]);

        world.want(3, WantedService::Run);
        world.report(|report| report.generation == 3).await;
        assert_eq!(world.host.take_done(), [""; 0], "nothing is done twice");
    }

    #[tokio::test(start_paused = true)]
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
    }

    #[tokio::test(start_paused = true)]
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
    }

    #[tokio::test(start_paused = true)]
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

    #[tokio::test(start_paused = true)]
    async fn certificates_of_another_ca_are_refused_and_nothing_is_placed() {
        let mut world = world().await;
        let mut other = desired(&world.coordinator, WantedService::Hold);
        // what is issued is signed by the other one
        other.state.client_ca = other.state.peer_ca.clone();
        world.coordinator.desired.send_replace(Some(other));
        let report = world.report(|report| !report.problems.is_empty()).await;
        assert!(
            report.problems[0].cause.contains("server certificate that came is refused"),
            "{report:?}"
        );
        let state = world.host.state();
        assert!(!state.files.contains_key(&File::Leaf(Profile::Peer)), "all or none");
        assert!(!state.files.contains_key(&File::Text(NodeFile::EtcdConf)));
    }

    impl World {
        /// A node on which etcd runs, and generation 1 is in place.
        async fn running(&mut self) {
            self.want(1, WantedService::Run);
            self.host.state().etcd = Some(EtcdState::default());
            self.report(|r| r.generation == 1 && r.certificates.iter().all(is_served)).await;
            self.host.take_done();
        }

        fn leaf(&self, profile: Profile) -> Option<CertificateFacts> {
            self.host.leaf(profile)
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
            !self.host.state().before.contains_key(&File::Leaf(profile))
        }
    }

    fn is_served(held: &HeldCertificate) -> bool {
        held.is_served() && held.serves_until() == held.not_after
    }

    #[tokio::test(start_paused = true)]
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
            ["keep Leaf(Peer)", "Leaf(Peer)", "erase before Leaf(Peer)"],
            "kept, replaced, erased once the new one was seen; nothing else was touched"
        );
        assert!(world.erased(Profile::Peer));
    }

    #[tokio::test(start_paused = true)]
    async fn promise_08_a_leaf_that_etcd_does_not_take_is_put_back_and_not_tried_hot() {
        let mut world = world().await;
        world.running().await;
        let before = world.host.state().files[&File::Leaf(Profile::Client)].clone();
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
        assert_eq!(world.host.state().files[&File::Leaf(Profile::Client)], before);
        assert!(world.erased(Profile::Client));
        world.host.take_done();
        world.net.clock.sleep(Duration::from_secs(10)).await;
        assert_eq!(world.host.take_done(), [""; 0], "not tried again at once");

        world.host.state().served.clear();
        world.rotate(Profile::Client, 3); // something else is wanted: at once
        world.report(|r| r.generation == 3 && r.certificates.iter().all(is_served)).await;
        assert_ne!(world.host.state().files[&File::Leaf(Profile::Client)], before);
        assert!(world.erased(Profile::Client));
    }

    #[tokio::test(start_paused = true)]
    async fn promise_01_a_pair_that_a_crash_left_behind_is_erased_once_the_new_one_is_seen() {
        let mut world = world().await;
        world.running().await;
        let other = world.coordinator.client.leaf(Profile::Server, &Default::default());
        let file = File::Leaf(Profile::Server);
        world.host.state().before.insert(file, other.to_pem().as_bytes().to_vec());
        world.net.clock.sleep(2 * RESYNC_INTERVAL).await;
        assert!(world.erased(Profile::Server));
    }

    #[tokio::test(start_paused = true)]
    async fn no_port_is_asked_and_no_pair_kept_while_etcd_does_not_run() {
        let mut world = world().await;
        world.want(1, WantedService::Hold);
        world.report(|r| r.generation == 1).await;
        world.host.take_done();
        let shown = ServedCertificate { serial: vec![1], not_after: now() };
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

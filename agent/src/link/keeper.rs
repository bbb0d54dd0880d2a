//! Keeps one stream to the coordinator, and renews the identity that it stands on.
//!
//! One task for the daemon's life. When the stream ends, the endpoints are tried in turn, with
//! backoff and jitter after each round; the coordinator says where it is found, and moves so. A new
//! identity is attached with before the stream of the old one is dropped. Which identity counts is
//! never guessed: the one whose stream stands is kept, the other is erased.
//! Not here: what goes over a stream ([`super::stream`]), and how a new identity is got
//! (`identity::renew`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::certificate;
use pilaster_common::clock::{BootTime, Clock};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::{Told, causes};
use pilaster_common::failpoint;
use pilaster_proto::client::Coordinator;
use pilaster_proto::desired::{Desired, WantedIdentity};
use pilaster_proto::report::Report;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::dial::{Dial, Purpose, dial};
use super::error::LinkError;
use super::stream::{Latest, Stream};
use crate::identity::{Folder, Identity, is_due, known_good_first, listed, renew};
use crate::node::{Patience, Pins};

/// Pauses between streams.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));
/// Pauses while the coordinator refuses this node: only a person there can change that.
const REFUSED_BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// Pauses after a renewal that failed: there are weeks left, and a person who asked for it waits
/// two minutes.
const RENEW_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));
/// A cause that stays the same is logged again after this time.
const LOG_AGAIN: Duration = Duration::from_secs(3600);

/// The task.
pub(crate) struct Link {
    /// What the next stream is dialled with.
    identity: Identity,
    folder: Folder,
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    wires: LinkWires,
    /// How the identity should be; `None` before the first desired state.
    wanted: Option<WantedIdentity>,
    streams: Patience,
    refusals: Patience,
    renewal: Patience,
    log: Log,
}

/// What the link listens to, and what it keeps up to date.
pub(crate) struct LinkWires {
    /// Reports to send; `None` until the first look at the node.
    pub(crate) report: watch::Receiver<Option<Report>>,
    /// Desired states received.
    pub(crate) desired: watch::Sender<Latest>,
    /// The coordinator while it is reached, for other calls over the same connection.
    pub(crate) coordinator: watch::Sender<Option<Coordinator>>,
}

impl Link {
    /// For the node that has `identity`, which lies in `folder`.
    pub(crate) fn new(
        identity: Identity,
        folder: Folder,
        dial: Arc<dyn Dial>,
        clock: Arc<dyn Clock>,
        wires: LinkWires,
    ) -> Self {
        Self {
            identity,
            folder,
            dial,
            clock,
            wires,
            wanted: None,
            streams: Patience::new(BACKOFF),
            refusals: Patience::new(REFUSED_BACKOFF),
            renewal: Patience::new(RENEW_BACKOFF),
            log: Log::default(),
        }
    }

    /// Attaches again and again. Cancel safety: it may be dropped at any `.await`, as a power cut
    /// may come at any.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.keep_attached() => {}
        }
    }

    async fn keep_attached(&mut self) {
        let mut tried_other = false;
        loop {
            let error = match self.attach_anywhere().await {
                Ok(stream) => {
                    tried_other = false;
                    self.serve(stream).await
                }
                Err(error) => error,
            };
            self.wires.coordinator.send_replace(None);
            let in_vain = self.is_in_vain(&error);
            if let Some(other) = self.folder.other(self.identity.generation) {
                self.identity = other; // a renewal was cut off: one of the two is good
                if in_vain && !tried_other {
                    tried_other = true;
                    continue;
                }
            }
            tried_other = false;
            if in_vain {
                self.tell_refusal(&error);
            }
            let patience = if in_vain { &mut self.refusals } else { &mut self.streams };
            self.clock.sleep(patience.pause()).await;
        }
    }

    /// Whether trying again soon is in vain: it was refused, or the identity has ended by this
    /// clock.
    fn is_in_vain(&self, error: &LinkError) -> bool {
        let leaf = certificate::read(self.identity.pair.leaf());
        error.is_refusal() || leaf.is_ok_and(|leaf| leaf.not_after <= self.clock.now())
    }

    /// In the report and in `pilaster-agent status`; the reconciler logs it once.
    fn tell_refusal(&self, error: &LinkError) {
        let what = if error.is_refusal() {
            "the coordinator does not let this node in"
        } else {
            "the identity of this node has ended"
        };
        let told = Told::new(what, error);
        self.wires.desired.send_if_modified(|latest| {
            let known = matches!(latest, Some(Err(known)) if *known == told);
            *latest = Some(Err(told));
            !known
        });
    }

    /// Tries each endpoint once. A refusal counts for all.
    async fn attach_anywhere(&mut self) -> Result<Stream, LinkError> {
        let mut last = LinkError::Ended;
        for endpoint in self.identity.endpoints.clone() {
            match self.attach(&endpoint).await {
                Ok(stream) => return Ok(stream),
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => {
                    self.log.warn(&endpoint, &error, &*self.clock);
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// One stream with the identity that is to be used; every other identity is erased once it
    /// stands.
    async fn attach(&mut self, endpoint: &Endpoint) -> Result<Stream, LinkError> {
        let pins = Pins::of_roots(&self.identity.roots);
        let purpose = Purpose::Attach(&self.identity.pair);
        let connection = dial(&*self.dial, endpoint, pins, purpose, &self.clock).await?;
        let first = self.first_report().await?;
        let to = (connection.coordinator, endpoint.clone(), self.identity.generation);
        let stream = Stream::open(to, first, Arc::clone(&self.clock)).await?;
        tracing::info!("attached to the coordinator at {endpoint}");
        self.wires.coordinator.send_replace(Some(stream.coordinator.clone()));
        Ok(stream)
    }

    async fn first_report(&mut self) -> Result<Report, LinkError> {
        let report = self.wires.report.wait_for(Option::is_some).await;
        report.ok().and_then(|report| report.clone()).ok_or(LinkError::Stopping)
    }

    /// Serves a stream until it ends, moving over to a new one when the identity is renewed.
    /// Returns why it ended.
    async fn serve(&mut self, mut stream: Stream) -> LinkError {
        self.erase_all_but(stream.generation);
        loop {
            let renewal = self.is_due(&stream).then(|| self.renewal.until().unwrap_or_default());
            match stream.exchange(&mut self.wires.report, renewal).await {
                Ok(Some(desired)) => {
                    self.streams.reset();
                    self.refusals.reset();
                    self.take(desired, &stream.endpoint);
                }
                Ok(None) => {}
                Err(error) => {
                    // one that was moved away from ends by itself, and a refusal is told by the
                    // caller
                    let is_left = stream.generation != self.identity.generation;
                    if !is_left && !error.is_refusal() {
                        self.log.warn(&stream.endpoint, &error, &*self.clock);
                    }
                    return error;
                }
            }
            let waits = self.renewal.reason(self.clock.boot(), &()).is_some();
            if !self.is_due(&stream) || waits {
                continue;
            }
            match self.renew(&stream).await {
                Ok(next) => {
                    stream = next; // only now the one before is dropped
                    failpoint!("renew.stream-stands");
                    self.erase_all_but(stream.generation);
                    failpoint!("renew.before-erased");
                    self.renewal.reset();
                    tracing::info!("the identity was renewed");
                }
                Err(error) => {
                    self.renewal.wait(self.clock.boot(), (), Told::default());
                    tracing::warn!("the identity is not renewed yet: {}", causes(&error));
                }
            }
        }
    }

    fn take(&mut self, desired: Result<Desired, Told>, endpoint: &Endpoint) {
        if let Ok(Desired { state, .. }) = &desired {
            if self.wanted.as_ref() != Some(&state.identity) {
                self.wanted = Some(state.identity.clone());
                self.renewal.hurry(); // asked anew: what failed before does not count
            }
            self.follow(endpoint, state.endpoints.clone());
        }
        self.wires.desired.send_replace(Some(desired));
    }

    /// Keeps where the coordinator says it is found. The address that works stays the first as long
    /// as it does.
    fn follow(&mut self, works: &Endpoint, told: Vec<Endpoint>) {
        let endpoints = known_good_first(works, told);
        if endpoints == self.identity.endpoints {
            return;
        }
        tracing::info!("the coordinator is found at {}", listed(&endpoints));
        self.identity.endpoints = endpoints;
        if let Err(error) = self.folder.keep_endpoints(&self.identity) {
            tracing::warn!("cannot keep where the coordinator is: {}", causes(&error));
        }
    }

    /// Whether a new identity is wanted, or there and not yet in use.
    fn is_due(&self, stream: &Stream) -> bool {
        let due = |leaf| is_due(self.wanted.as_ref(), &leaf, self.clock.now());
        stream.generation != self.identity.generation
            || certificate::read(self.identity.pair.leaf()).is_ok_and(due)
    }

    /// A stream with a new identity, while `stream` still stands. Everything has a deadline:
    /// reports wait meanwhile.
    async fn renew(&mut self, stream: &Stream) -> Result<Stream, LinkError> {
        if stream.generation == self.identity.generation {
            let by = (&stream.coordinator, &stream.endpoint);
            self.identity = renew(&self.folder, &self.identity, by, &*self.clock).await?;
        }
        let next = self.attach(&stream.endpoint).await;
        if next.as_ref().is_err_and(LinkError::is_refusal) {
            self.identity = self.folder.read(stream.generation)?; // its stream stands
            self.erase_all_but(stream.generation);
        }
        next
    }

    fn erase_all_but(&self, generation: u64) {
        if let Err(error) = self.folder.keep_only(generation) {
            tracing::warn!("{}", causes(&error)); // tried again at the next stream
        }
    }
}

/// Logs a cause when it is new, and once an hour: a coordinator that is away for months fills no
/// card.
#[derive(Default)]
struct Log {
    last: BTreeMap<Endpoint, (String, BootTime)>,
}

impl Log {
    fn warn(&mut self, endpoint: &Endpoint, error: &LinkError, clock: &dyn Clock) {
        let line = causes(error);
        let last = self.last.get(endpoint);
        if last.is_some_and(|(said, at)| *said == line && clock.elapsed(*at) < LOG_AGAIN) {
            return;
        }
        tracing::warn!("no stream to the coordinator at {endpoint}: {line}; trying until it works");
        self.last.insert(endpoint.clone(), (line, clock.boot()));
    }
}

#[cfg(test)]
mod tests {
    use pilaster_proto::desired::{NodeState, WantedService};
    use tokio::sync::mpsc;

    use super::*;
    use crate::testing::{FakeCoordinator, TestNet, desired, joining};

    /// A link on a real folder to a coordinator over real TLS.
    struct World {
        net: TestNet,
        coordinator: FakeCoordinator,
        folder: Folder,
        desired: watch::Receiver<Latest>,
        reached: watch::Receiver<Option<Coordinator>>,
        _report: watch::Sender<Option<Report>>,
        _reports: mpsc::Receiver<Report>,
        place: tempfile::TempDir,
    }

    async fn world(change: impl FnOnce(&mut FakeCoordinator, &Folder)) -> World {
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::of(place.path());
        let net = TestNet::default();
        let (_, coordinator, reports) = joining(&net, |coordinator| {
            folder.pending_key().expect("makes the folder");
            folder.forget_pending_key().expect("removes");
            let identity = coordinator.identity();
            folder.write(&identity).expect("writes");
            folder.make_current(1).expect("swaps");
            change(coordinator, &folder);
        });
        let (desired_in, desired) = watch::channel(None);
        let (coordinator_in, reached) = watch::channel(None);
        let (report_in, report_out) = watch::channel(Some(Report::default()));
        let wires =
            LinkWires { report: report_out, desired: desired_in, coordinator: coordinator_in };
        let identity = folder.current().expect("reads").expect("is there");
        let (dial, clock) = (Arc::new(net.clone()), Arc::clone(&net.clock));
        let link = Link::new(identity, folder.clone(), dial, clock, wires);
        tokio::spawn(link.run(CancellationToken::new()));
        World {
            net,
            coordinator,
            folder,
            desired,
            reached,
            _report: report_in,
            _reports: reports,
            place,
        }
    }

    impl World {
        fn current(&self) -> (u64, Vec<u8>) {
            let identity = self.folder.current().expect("reads").expect("is there");
            let leaf = certificate::read(identity.pair.leaf()).expect("own");
            (identity.generation, leaf.serial)
        }

        fn want(&self, generation: u64, change: impl FnOnce(&mut NodeState)) {
            let mut wanted = desired(&self.coordinator, WantedService::Hold);
            wanted.generation = generation;
            change(&mut wanted.state);
            self.coordinator.desired.send_replace(Some(wanted));
        }

        /// Wants the identity replaced that is the current one.
        fn rotate(&self) {
            let replace_serial = Some(self.current().1);
            self.want(2, |wanted| wanted.identity.replace_serial = replace_serial);
        }

        fn agents(&self) -> std::sync::MutexGuard<'_, crate::testing::Agents> {
            self.coordinator.agents.lock().expect("no panic")
        }

        async fn is_told_and_quiet(&mut self) {
            let is_told = |latest: &Latest| matches!(latest, Some(Err(_)));
            let latest = self.desired.wait_for(is_told).await.expect("told").clone();
            let Some(Err(told)) = latest else { panic!("a refusal") };
            assert!(told.cause.contains("this node was denied"), "{told}");
            self.net.clock.sleep(Duration::from_secs(25)).await;
            assert_eq!(self.agents().attached.len(), 1);
            assert_eq!(self.current().0, 1, "the identity stays: a person may let it in again");
        }

        #[track_caller]
        fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> impl Future<Output = ()> {
            let what = what.to_owned();
            async move {
                for _ in 0..1000 {
                    if holds(self) {
                        return;
                    }
                    self.net.clock.sleep(Duration::from_millis(10)).await;
                }
                panic!("not within 10 s: {what}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn promise_06_the_new_stream_stands_before_the_old_one_closes() {
        let mut world = world(|_, _| {}).await;
        let (_, old) = world.current();
        world.reached.wait_for(Option::is_some).await.expect("attached");
        world.rotate();
        let mut channel = world.reached.clone();
        let without = tokio::spawn(async move { channel.wait_for(Option::is_none).await.is_ok() });
        world
            .until("the old one is erased", |w| w.folder.other(2).is_none() && w.current().0 == 2)
            .await;
        let (generation, new) = world.current();
        assert_eq!((generation, new != old), (2, true));
        world.until("the old stream has ended", |w| w.agents().open == 1).await;
        let agents = world.agents();
        assert_eq!(agents.attached, [old, new]);
        assert_eq!(agents.open_max, 2, "both stood at once");
        assert_eq!(agents.renewals.len(), 1);
        assert!(!without.is_finished(), "there was always a channel");
        assert!(!world.place.path().join("identity/gen-1").exists(), "no key stays behind");
        assert!(!world.place.path().join("identity/pending.pem").exists());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_renewal_is_asked_for_again_with_the_same_key() {
        let world = world(|coordinator, _| {
            coordinator.agents.lock().expect("no panic").renewals_lost = 1;
        })
        .await;
        world.rotate();
        world.until("renewed", |w| w.current().0 == 2 && w.folder.other(2).is_none()).await;
        let agents = world.agents();
        assert_eq!(agents.renewals.len(), 2);
        assert_eq!(agents.renewals[0], agents.renewals[1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_identity_that_is_refused_is_dropped_and_the_old_stream_goes_on() {
        let mut world = world(|coordinator, folder| {
            let identity = folder.current().expect("reads").expect("is there");
            let leaf = certificate::read(identity.pair.leaf()).expect("own");
            coordinator.agents.lock().expect("no panic").only = Some(leaf.serial);
        })
        .await;
        let (_, old) = world.current();
        world.rotate();
        world.until("refused", |w| w.agents().attached.len() == 2).await;
        world.until("back", |w| w.current().0 == 1 && w.folder.other(1).is_none()).await;
        assert_eq!(world.current().1, old);
        world.want(3, |_| {});
        let is_third =
            |latest: &Latest| matches!(latest, Some(Ok(desired)) if desired.generation == 3);
        world.desired.wait_for(is_third).await.expect("over the old stream");
        assert_eq!(world.agents().open, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_crash_the_identity_that_is_let_in_is_kept_and_the_other_erased() {
        for (on_disk, good) in [(2, 1), (2, 2), (1, 2)] {
            let world = world(|coordinator, folder| {
                folder
                    .write(&Identity { generation: 2, ..coordinator.identity() })
                    .expect("writes");
                folder.make_current(on_disk).expect("swaps");
                let leaf = certificate::read(folder.read(good).expect("there").pair.leaf());
                coordinator.agents.lock().expect("no panic").only = Some(leaf.expect("own").serial);
            })
            .await;
            world
                .until("one is left", |w| w.folder.other(good).is_none() && w.current().0 == good)
                .await;
            world.until("attached", |w| w.agents().open == 1).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_node_says_so_once_and_does_not_knock_hot() {
        let mut world =
            world(|coordinator, _| coordinator.agents.lock().expect("no panic").denied = true)
                .await;
        world.is_told_and_quiet().await;

        let mut world = self::world(|_, _| {}).await;
        world.reached.wait_for(Option::is_some).await.expect("attached");
        world.coordinator.expel.cancel();
        world.is_told_and_quiet().await;
        assert!(world.reached.borrow().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_that_moves_is_followed() {
        let world = world(|_, _| {}).await;
        let old = world.coordinator.address.clone();
        let new: Endpoint = "192.168.7.3:7443".parse().expect("good");
        let endpoints = |w: &World| w.folder.current().expect("reads").expect("is there").endpoints;

        world.want(2, |wanted| wanted.endpoints = vec![new.clone()]);
        world.until("kept", |w| endpoints(w) == [old.clone(), new.clone()]).await;
        let link_file = world.place.path().join("identity/gen-1/link.json");
        let written = std::fs::metadata(&link_file).expect("there").modified().expect("a time");
        world.want(3, |wanted| wanted.endpoints = vec![new.clone()]);
        world.net.clock.sleep(Duration::from_secs(30)).await;
        let again = std::fs::metadata(&link_file).expect("there").modified().expect("a time");
        assert_eq!(written, again, "written only when it changes");

        world.coordinator.moved_to(&new).serve(&world.net);
        world.coordinator.stop.cancel();
        world.until("the old address goes", |w| endpoints(w) == [new.clone()]).await;
        assert_eq!(world.agents().attached.len(), 2);
    }
}

//! Keeps one stream to the coordinator: reports go up, desired states come down; renews the identity that it stands on.
//!
//! One task for the daemon's life. A report goes out at once when something in it is news, otherwise once a minute (promise 12). When
//! the stream ends, the endpoints are tried in turn, with backoff and jitter after each round; the coordinator says where it is found,
//! and moves so. A new identity is attached with before the stream of the old one is dropped. Which identity counts is never guessed:
//! the one whose stream stands is kept, the other is erased.
//! Not here: what is done with a desired state (`reconcile`), how a new identity is got (`identity::renew`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::certificate;
use pilaster_common::clock::Clock;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::{Code as ErrorCode, Help, Told, causes, code};
use pilaster_common::failpoint;
use pilaster_proto::client::{Coordinator, DesiredStates};
use pilaster_proto::desired::{Desired, WantedIdentity};
use pilaster_proto::report::Report;
use pilaster_proto::status::reason;
use tokio::sync::{mpsc, watch};
use tokio::time::{
    Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until, timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{Backoff, DialError, Pins, Purpose, dial};
use crate::certificates::identity_is_due;
use crate::config::{
    ATTACH_DEADLINE, LINK_BACKOFF, LOG_AGAIN, REFUSED_BACKOFF, RENEW_BACKOFF, REPORT_INTERVAL,
};
use crate::identity::{
    Folder, Identity, IdentityError, RenewError, known_good_first, listed, renew,
};

/// The latest word of the coordinator; a message that cannot be used, or a refusal, is told as the problem it is.
pub(crate) type Latest = Option<Result<Desired, Told>>;

/// What the link needs, and what it keeps up to date.
pub(crate) struct Link {
    /// What the next stream is dialled with.
    identity: Identity,
    folder: Folder,
    clock: Arc<dyn Clock>,
    wires: LinkWires,
    /// How the identity should be; `None` until the coordinator says so: then two thirds of its life count.
    wanted: Option<WantedIdentity>,
    renewal: Retry,
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

/// Why a stream ended or did not begin.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the coordinator says: {}", reason(.0))]
    Refused(Box<Status>),
    #[error("the coordinator did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the stream ended")]
    Ended,
    #[error("the daemon is ending")]
    Stopping,
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Renew(#[from] RenewError),
}

impl LinkError {
    /// Whether the coordinator wants nothing to do with this identity, now and the next time.
    fn is_refusal(&self) -> bool {
        let code = if let Self::Refused(status) = self { status.code() } else { Code::Ok };
        matches!(code, Code::PermissionDenied | Code::Unauthenticated)
    }
}

impl Help for LinkError {
    fn help(&self) -> Option<String> {
        Some("ask there how this node stands: coordctl node list; a new token lets it in again: coordctl enroll NODE".into())
    }

    fn code(&self) -> ErrorCode {
        if self.is_refusal() { code::REFUSED } else { code::IDENTITY_ENDED }
    }
}

/// One stream that stands.
struct Stream {
    /// Of the identity that it was dialled with.
    generation: u64,
    endpoint: Endpoint,
    coordinator: Coordinator,
    down: DesiredStates,
    up: mpsc::Sender<Report>,
    outbox: Outbox,
    minute: Interval,
}

/// When something that failed may be tried again.
struct Retry {
    backoff: Backoff,
    at: Instant,
}

impl Link {
    /// For the node that has `identity`, which lies in `folder`.
    pub(crate) fn new(
        identity: Identity,
        folder: Folder,
        clock: Arc<dyn Clock>,
        wires: LinkWires,
    ) -> Self {
        let renewal = Retry { backoff: Backoff::new(RENEW_BACKOFF), at: Instant::now() };
        Self { identity, folder, clock, wires, wanted: None, renewal, log: Log::default() }
    }

    /// Attaches again and again. Cancel safety: it may be dropped at any `.await`, as a power cut may come at any.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.keep_attached() => {}
        }
    }

    async fn keep_attached(&mut self) {
        let (mut backoff, mut refusals) =
            (Backoff::new(LINK_BACKOFF), Backoff::new(REFUSED_BACKOFF));
        let mut tried_other = false;
        loop {
            let error = match self.attach_anywhere().await {
                Ok(stream) => {
                    tried_other = false;
                    self.serve(stream, &mut backoff, &mut refusals).await
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
            sleep(if in_vain { refusals.pause() } else { backoff.pause() }).await;
        }
    }

    /// Whether trying again soon is in vain: it was refused, or the identity has ended by this clock.
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
                    self.log.warn(&endpoint, &error);
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// One stream with the identity that is to be used; every other identity is erased once it stands.
    async fn attach(&mut self, endpoint: &Endpoint) -> Result<Stream, LinkError> {
        let pins = Pins::of_roots(&self.identity.roots);
        let connection =
            dial(endpoint.as_ref(), pins, Purpose::Attach(&self.identity.pair)).await?;
        let coordinator = connection.coordinator;
        let (up, reports) = mpsc::channel(1); // one on its way; what is newer replaces what waits behind it
        let mut outbox = Outbox::default();
        outbox.put(self.first_report().await?);
        outbox.send_if_free(&up);
        let attached = coordinator.attach(ReceiverStream::new(reports));
        let down = timeout(ATTACH_DEADLINE, attached)
            .await
            .map_err(|_| LinkError::Deadline(ATTACH_DEADLINE))?
            .map_err(LinkError::Refused)?;
        tracing::info!("attached to the coordinator at {endpoint}");
        self.wires.coordinator.send_replace(Some(coordinator.clone()));
        let mut minute = interval_at(Instant::now() + REPORT_INTERVAL, REPORT_INTERVAL);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Stream {
            generation: self.identity.generation,
            endpoint: endpoint.clone(),
            coordinator,
            down,
            up,
            outbox,
            minute,
        })
    }

    async fn first_report(&mut self) -> Result<Report, LinkError> {
        let report = self.wires.report.wait_for(Option::is_some).await;
        report.ok().and_then(|report| report.clone()).ok_or(LinkError::Stopping)
    }

    /// Serves a stream until it ends, moving over to a new one when the identity is renewed; answers why it ended.
    async fn serve(
        &mut self,
        mut stream: Stream,
        backoff: &mut Backoff,
        refusals: &mut Backoff,
    ) -> LinkError {
        self.erase_all_but(stream.generation);
        loop {
            match self.exchange(&mut stream).await {
                Ok(Some(desired)) => {
                    backoff.reset();
                    refusals.reset();
                    self.take(desired, &stream.endpoint);
                }
                Ok(None) => {}
                Err(error) => {
                    // one that was moved away from ends by itself, and a refusal is told by the caller
                    let is_left = stream.generation != self.identity.generation;
                    if !is_left && !error.is_refusal() {
                        self.log.warn(&stream.endpoint, &error);
                    }
                    return error;
                }
            }
            if !self.is_due(&stream) || Instant::now() < self.renewal.at {
                continue;
            }
            match self.renew(&stream).await {
                Ok(next) => {
                    stream = next; // only now the one before is dropped
                    failpoint!("renew.stream-stands");
                    self.erase_all_but(stream.generation);
                    failpoint!("renew.before-erased");
                    self.renewal.backoff.reset();
                    tracing::info!("the identity was renewed");
                }
                Err(error) => {
                    self.renewal.at = Instant::now() + self.renewal.backoff.pause();
                    tracing::warn!("the identity is not renewed yet: {}", causes(&error));
                }
            }
        }
    }

    /// Waits for one thing to do, and does it; answers a word of the coordinator.
    async fn exchange(&mut self, stream: &mut Stream) -> Result<Latest, LinkError> {
        let renewal = self.is_due(stream).then_some(self.renewal.at);
        let Stream { down, up, outbox, minute, .. } = stream;
        tokio::select! {
            // cancel-safe: each polls and keeps what it has not yet given (tonic, tokio docs)
            desired = down.next() => {
                let desired = desired.map_err(LinkError::Refused)?.ok_or(LinkError::Ended)?;
                return Ok(Some(desired.map_err(|(generation, error)| {
                    Told::new(format!("cannot take over generation {generation}"), &error)
                })));
            }
            changed = self.wires.report.changed() => {
                changed.map_err(|_| LinkError::Stopping)?;
                let report = self.wires.report.borrow_and_update().clone();
                report.into_iter().for_each(|report| outbox.put_news(report));
            }
            _ = minute.tick() => {
                let report = self.wires.report.borrow().clone();
                report.into_iter().for_each(|report| outbox.put(report));
            }
            free = up.reserve(), if outbox.waits() => {
                outbox.send(free.map_err(|_| LinkError::Ended)?);
            }
            () = sleep_until(renewal.unwrap_or_else(Instant::now)), if renewal.is_some() => {}
        }
        Ok(None)
    }

    fn take(&mut self, desired: Result<Desired, Told>, endpoint: &Endpoint) {
        if let Ok(Desired { state, .. }) = &desired {
            if self.wanted.as_ref() != Some(&state.identity) {
                self.wanted = Some(state.identity.clone());
                self.renewal.at = Instant::now(); // asked anew: what failed before does not count
            }
            self.follow(endpoint, state.endpoints.clone());
        }
        self.wires.desired.send_replace(Some(desired));
    }

    /// Keeps where the coordinator says it is found. The address that works stays the first as long as it does.
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
        let due = |leaf| identity_is_due(self.wanted.as_ref(), &leaf, self.clock.now());
        stream.generation != self.identity.generation
            || certificate::read(self.identity.pair.leaf()).is_ok_and(due)
    }

    /// A stream with a new identity, while `stream` still stands. Everything has a deadline: reports wait meanwhile.
    async fn renew(&mut self, stream: &Stream) -> Result<Stream, LinkError> {
        if stream.generation == self.identity.generation {
            let by = (&stream.coordinator, &stream.endpoint);
            self.identity = renew(&self.folder, &self.identity, by, self.clock.now()).await?;
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

/// The report that waits to be sent, and the one that was sent last.
#[derive(Default)]
struct Outbox {
    waiting: Option<Report>,
    sent: Option<Report>,
}

impl Outbox {
    fn put(&mut self, report: Report) {
        self.waiting = Some(report);
    }

    fn put_news(&mut self, report: Report) {
        if self.waits() || self.sent.as_ref().is_none_or(|sent| report.is_news_after(sent)) {
            self.put(report);
        }
    }

    fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    fn send(&mut self, free: mpsc::Permit<'_, Report>) {
        if let Some(report) = self.waiting.take() {
            free.send(report.clone());
            self.sent = Some(report);
        }
    }

    fn send_if_free(&mut self, up: &mpsc::Sender<Report>) {
        if let Ok(free) = up.try_reserve() {
            self.send(free);
        }
    }
}

/// Logs a cause when it is new, and once an hour: a coordinator that is away for months fills no card.
#[derive(Default)]
struct Log {
    last: BTreeMap<Endpoint, (String, Instant)>,
}

impl Log {
    fn warn(&mut self, endpoint: &Endpoint, error: &LinkError) {
        let line = causes(error);
        let last = self.last.get(endpoint);
        if last.is_some_and(|(said, at)| *said == line && at.elapsed() < LOG_AGAIN) {
            return;
        }
        tracing::warn!("no stream to the coordinator at {endpoint}: {line}; trying until it works");
        self.last.insert(endpoint.clone(), (line, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::clock::SystemClock;
    use pilaster_proto::desired::{NodeState, WantedService};
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::{FakeCoordinator, desired, joining};

    /// A link on a real folder to a coordinator over real TLS.
    struct World {
        coordinator: FakeCoordinator,
        folder: Folder,
        desired: watch::Receiver<Latest>,
        reached: watch::Receiver<Option<Coordinator>>,
        _report: watch::Sender<Option<Report>>,
        _reports: mpsc::Receiver<Report>,
        _place: tempfile::TempDir,
    }

    async fn world(change: impl FnOnce(&mut FakeCoordinator, &Folder)) -> World {
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::at(place.path().join("identity"));
        let (_, coordinator, reports, listener) = joining(|coordinator| {
            folder.pending_key().expect("makes the folder");
            folder.forget_pending_key().expect("removes");
            let identity = coordinator.identity();
            folder.write(&identity).expect("writes");
            folder.make_current(1).expect("swaps");
            change(coordinator, &folder);
        });
        tokio::spawn(coordinator.clone().serve(listener));
        let (desired_in, desired) = watch::channel(None);
        let (coordinator_in, reached) = watch::channel(None);
        let (report_in, report_out) = watch::channel(Some(Report::default()));
        let wires =
            LinkWires { report: report_out, desired: desired_in, coordinator: coordinator_in };
        let identity = folder.current().expect("reads").expect("is there");
        let link = Link::new(identity, folder.clone(), Arc::new(SystemClock), wires);
        tokio::spawn(link.run(CancellationToken::new()));
        World {
            coordinator,
            folder,
            desired,
            reached,
            _report: report_in,
            _reports: reports,
            _place: place,
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
            sleep(Duration::from_millis(1500)).await;
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
                    sleep(Duration::from_millis(10)).await;
                }
                panic!("not within 10 s: {what}");
            }
        }
    }

    #[tokio::test]
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
        assert!(!world._place.path().join("identity/gen-1").exists(), "no key stays behind");
        assert!(!world._place.path().join("identity/pending.pem").exists());
    }

    #[tokio::test]
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

    #[tokio::test]
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

    #[tokio::test]
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

    #[tokio::test]
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

    #[tokio::test]
    async fn a_coordinator_that_moves_is_followed() {
        let world = world(|_, _| {}).await;
        let moved = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let old = world.coordinator.address.clone();
        let new: Endpoint = moved.local_addr().expect("bound").to_string().parse().expect("good");
        let endpoints = |w: &World| w.folder.current().expect("reads").expect("is there").endpoints;

        world.want(2, |wanted| wanted.endpoints = vec![new.clone()]);
        world.until("kept", |w| endpoints(w) == [old.clone(), new.clone()]).await;
        let link_file = world._place.path().join("identity/gen-1/link.json");
        let written = std::fs::metadata(&link_file).expect("there").modified().expect("a time");
        world.want(3, |wanted| wanted.endpoints = vec![new.clone()]);
        sleep(Duration::from_millis(200)).await;
        let again = std::fs::metadata(&link_file).expect("there").modified().expect("a time");
        assert_eq!(written, again, "written only when it changes");

        tokio::spawn(world.coordinator.moved_to(&new).serve(moved));
        world.coordinator.stop.cancel();
        world.until("the old address goes", |w| endpoints(w) == [new.clone()]).await;
        assert_eq!(world.agents().attached.len(), 2);
    }
}

//! The promises (`PROMISES.md`) that real hosts can show: one file a promise, headed by its goal
//! and its method.
//!
//! Promises 1 (keys stay) and 4 (clients are not peers) are guarded where a whole cluster stands,
//! by the checks of `lab::journey` in
//! `journeys::formation::three_bare_hosts_become_a_healthy_cluster`; 2 (the coordinator decides
//! names) by `journeys::bad_input::host`, and 5 (one at a time) for the first formation by
//! `journeys::formation::promise_05_with_one_member_missing_nothing_is_started_and_the_one_is_named`.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod p03_nobody_unknown_gets_in;
mod p07_whole_files_only;
mod p09_alone_is_fine;
mod p12_cost_follows_work;

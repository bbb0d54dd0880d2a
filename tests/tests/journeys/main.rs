//! The ways of a person, from bare hosts on: the main job, and every input that is wrong.
//!
//! Method: each test has a lab of its own with real hosts, and types what a person types.
//! [`formation`] is the main job, [`planning`] a changed spec, [`bad_input`] what a person is told
//! when something is wrong, and that nothing is left half done. [`bench`] is what these tests
//! share.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![expect(clippy::zombie_processes, reason = "a test may end early: then its process ends too")]

mod bad_input;
mod bench;
mod formation;
mod planning;

//! How a program of ours speaks to the person at the terminal: what it prints, as what, and how it
//! ends.
//!
//! Data goes to stdout; progress, notes and errors to stderr.

pub mod exit;
pub mod output;
pub mod table;

pub use exit::Exit;

//! How a program of ours speaks to the person at the terminal: what it prints, as what, and how it
//! ends.
//!
//! Data goes to stdout; progress, notes and errors to stderr.

pub(crate) mod exit;
pub(crate) mod output;
pub(crate) mod table;

pub(crate) use exit::Exit;

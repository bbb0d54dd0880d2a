//! Input that is wrong. Each is told in three lines with the exit code that `--help` documents, and
//! nothing is left half done: not a file on the host, no service, nothing at the coordinator. Where
//! a person can mend the cause, the same host then joins.

mod coordinator;
mod host;
mod spec;
mod token;
mod usage;

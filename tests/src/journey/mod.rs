//! The way of a person from bare hosts to a healthy cluster, with the programs and the lines that the person uses.
//!
//! [`Journey`] installs, starts the coordinator and enrolls; [`checks`] is what must come out right at the end; [`keys`] looks for private
//! keys where none may be; [`bare`] times etcd alone from the same files. Used by `lab demo` and by the tests.

pub mod bare;
pub mod checks;
pub mod keys;
mod setup;

pub use setup::{CLUSTER, DOMAIN, Journey, SERVICE};

//! The way of a person from bare hosts to a healthy cluster, with the programs and the lines that
//! the person uses.
//!
//! [`Stage`](crate::stage::Stage) installs, starts the coordinator and enrolls; [`checks`] is what
//! must come out right at the end; [`keys`] looks for private keys where none may be; [`bare`]
//! times etcd alone from the same files; [`ThreeLines`] is how a program says that it did not do
//! what it was asked. Used by `lab demo` and by the tests.

pub mod bare;
pub mod checks;
pub mod keys;
mod told;

pub use told::ThreeLines;

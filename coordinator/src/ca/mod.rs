//! The certificate authorities (docs/PROTOCOL.md, Certificates).
//!
//! [`issue`] decides what a certificate says (pure), [`sign`] makes it, [`vault`] keeps the keys
//! and [`Authorities`] those that were read. Their keys never leave the coordinator; a CSR gives a
//! public key and nothing else (promise 2).

mod authorities;
pub mod issue;
mod pinned;
pub mod sign;
pub mod vault;

pub use authorities::Authorities;

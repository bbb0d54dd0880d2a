//! How a node gets in and stays in: a token is minted ([`invite`]) and traded for an identity
//! ([`join`]), which is renewed by two slots ([`renew`]) and ended by a person ([`deny`]); wrong
//! proofs are bounded ([`attempts`]). By which address a node is known is decided in
//! `plan::addresses`.

pub(crate) mod attempts;
pub(crate) mod deny;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod renew;

//! How a node gets in: a token is minted ([`invite`]), and traded for an identity ([`join`]); by which address a node is known is
//! decided in [`address`] (pure).

pub mod address;
pub mod invite;
pub mod join;

//! `lab prove NAME`: what takes too long for every test run; a short form runs there.

pub mod packages;
pub mod renewals;

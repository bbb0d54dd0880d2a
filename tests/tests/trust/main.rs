//! Trust, shown on hosts: rotating under load, denying, and what is left when a program is killed
//! at any durable boundary.

mod bench;
mod denying;
mod failpoints;
mod matrix;
mod moving;
mod power;
mod proof;
mod rotation;
mod silence;
mod taken_back;
mod traffic;

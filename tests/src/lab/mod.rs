//! Hosts, their network and the person's workstation; see the crate for a tour.

mod alpine;
mod architecture;
mod card;
mod cgroup;
mod debian;
pub(crate) mod emulator;
pub mod etcd;
mod fault;
mod host;
mod id;
mod image;
pub(crate) mod journal;
pub mod machine;
mod net;
mod process;
pub mod root;
mod sweep;
mod up_down;
mod workstation;

pub use architecture::Architecture;
pub use card::Written;
pub use fault::LinkState;
pub use host::{Host, HostSpec};
pub use id::LabId;
pub use image::Cards;
pub(crate) use journal::all_ids;
pub use journal::{Journal, all_labs};
pub use process::ProcessId;
pub use root::Root;
pub use sweep::{sweep, take_down};
pub use up_down::{Lab, LabOptions};
pub use workstation::Workstation;

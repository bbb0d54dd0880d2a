//! The machine: architecture, memory, free disk, kernel, uptime, and which boot this is.

use std::path::Path;

use nix::sys::{statvfs, utsname};
use pilaster_common::paths;
use pilaster_proto::facts::Facts;
use sysinfo::System;

/// Fills in what the machine is, and how it is doing.
pub(super) fn observe(facts: &mut Facts) {
    facts.memory_bytes = System::new().map_or(0, |mut system| {
        system.refresh_memory();
        system.total_memory()
    });
    let uname = utsname::uname();
    facts.architecture =
        uname.map(|uname| uname.machine().to_string_lossy().into_owned()).unwrap_or_default();
    facts.kernel = System::kernel_version().unwrap_or_default();
    facts.disk_free_bytes = disk_free_bytes(Path::new(paths::ETCD_DATA));
    facts.uptime_seconds = System::uptime().unwrap_or(0);
}

/// Differs after each boot; empty where the kernel does not say.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().into())
        .unwrap_or_default()
}

/// Of the file system on which `path` is, or will be.
fn disk_free_bytes(path: &Path) -> u64 {
    path.ancestors().find_map(|folder| statvfs::statvfs(folder).ok()).map_or(0, |file_system| {
        wide(file_system.blocks_available()) * wide(file_system.fragment_size())
    })
}

/// These numbers have another width on 32-bit machines.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let mut machine = Facts::default();
        observe(&mut machine);
        assert!(!machine.architecture.is_empty() && !machine.kernel.is_empty());
        assert!(machine.memory_bytes > 0 && machine.disk_free_bytes > 0);
        assert_eq!(boot_id().len(), 36);
    }
}

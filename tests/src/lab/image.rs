//! SD cards that are file systems of their own, ext4 in a file, so that the power of a host can be
//! cut as it is cut for a disk.
//!
//! A crash ([`Host::kill`]) loses nothing that was written: the machine's kernel still holds it.
//! Here the file system is told to stop where it is (`EXT4_IOC_SHUTDOWN`, Linux: fs/ext4/ext4.h),
//! without writing out its log: what nobody had synced is gone at the next boot.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::host::Host;
use crate::command::run;
use crate::error::{LabError, at};
use crate::wait::wait_until;

/// What the hosts of a lab write on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cards {
    /// A folder of this machine each: quick, and its contents can be read while the host is off.
    #[default]
    Folders,
    /// A file system each, whose power can be cut ([`Host::cut_power`]). While the host is off,
    /// nothing of it can be read.
    Images,
}

/// Room for two of etcd's log segments of 64 MB, and more; the file has holes.
const IMAGE_BYTES: u64 = 1 << 30;
/// The kernel lets go of a dead host's mounts at once, or when it has time.
const RELEASE_LIMIT: Duration = Duration::from_secs(20);

mod shutdown {
    //! The one call that no crate has.
    #![allow(missing_docs, reason = "the macro takes no comment for the error that it answers")]

    nix::ioctl_write_ptr_bad!(
        /// `EXT4_IOC_SHUTDOWN`: the header says `_IOR`, and the kernel reads the value.
        ext4_shutdown,
        nix::request_code_read!(b'X', 125, std::mem::size_of::<u32>()),
        u32
    );
}

impl Host {
    /// Whether its card is a file system of its own.
    pub(crate) fn has_image(&self) -> bool {
        self.image().exists()
    }

    /// A new, empty card. The host is off.
    pub(crate) fn make_image(&self) -> Result<(), LabError> {
        let image = self.image();
        let folder = self.id.host_dir(self.name());
        std::fs::create_dir_all(&folder).map_err(at("make", &folder))?;
        let temporary = image.with_extension("new"); // another file: the kernel may still be letting go of the one before
        let file = File::create(&temporary).map_err(at("make", &temporary))?;
        file.set_len(IMAGE_BYTES).map_err(at("make", &temporary))?;
        run("mkfs.ext4", ["-q".as_ref(), "-F".as_ref(), temporary.as_os_str()])?;
        std::fs::rename(&temporary, &image).map_err(at("make", image))
    }

    /// Cuts the power: the card takes no further write, what was not synced is lost, and all
    /// processes die.
    ///
    /// # Errors
    /// The host is off, or its card is a folder.
    pub fn cut_power(&self) -> Result<(), LabError> {
        if self.pid1().is_none() {
            return Err(LabError::Off { host: self.name().to_owned() });
        }
        let devices = self.loop_devices()?;
        let Some(device) = devices.first() else {
            return Err(LabError::NotYet(format!("{} has no card of its own", self.name())));
        };
        let folder = self.id.host_dir(self.name()).join("card");
        std::thread::scope(|scope| {
            let stop = scope.spawn(|| stop_file_system(device, &folder));
            stop.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        self.kill()?;
        wait_until("the card is let go", RELEASE_LIMIT, || Ok(self.loop_devices()?.is_empty()))
    }

    /// How many sectors of 512 bytes were written to its card since it booted (Linux:
    /// Documentation/block/stat.rst).
    pub(crate) fn sectors_written(&self) -> Result<u64, LabError> {
        let devices = self.loop_devices()?;
        let name = devices.first().and_then(|device| device.file_name());
        let Some(name) = name else {
            return Err(LabError::NotYet(format!("{} has no card of its own", self.name())));
        };
        let path = Path::new("/sys/block").join(name).join("stat");
        let stat = std::fs::read_to_string(&path).map_err(at("read", &path))?;
        let written = stat.split_whitespace().nth(6).and_then(|sectors| sectors.parse().ok());
        written.ok_or_else(|| LabError::NotYet(format!("no seventh number in: {stat}")))
    }

    /// The loop devices that hold its card: one while it is up.
    fn loop_devices(&self) -> Result<Vec<PathBuf>, LabError> {
        let said = run(
            "losetup",
            [
                "--noheadings".as_ref(),
                "--output=NAME".as_ref(),
                "--associated".as_ref(),
                self.image().as_os_str(),
            ],
        )?;
        Ok(said.lines().map(|line| PathBuf::from(line.trim())).collect())
    }

    fn image(&self) -> PathBuf {
        self.id.host_dir(self.name()).join("card.img")
    }
}

/// Mounts `device` once more, in a mount namespace of this thread alone: the kernel gives the same
/// file system. Then stops it.
fn stop_file_system(device: &Path, folder: &Path) -> Result<(), LabError> {
    /// `EXT4_GOING_FLAGS_NOLOGFLUSH`.
    const WITHOUT_LOG_FLUSH: u32 = 2;
    let failed = |action| move |error: nix::errno::Errno| at(action, folder)(error.into());
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS)
        .map_err(failed("leave the mounts of"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(failed("keep private"))?;
    mount(Some(device), folder, Some("ext4"), MsFlags::empty(), None::<&str>)
        .map_err(failed("mount"))?;
    let root = File::open(folder).map_err(at("open", folder))?;
    #[expect(
        unsafe_code,
        reason = "no crate has this call; the descriptor is open and the value lives"
    )]
    // SAFETY: `root` is an open descriptor of the file system, and the kernel reads four bytes of a
    // constant.
    let stopped = unsafe { shutdown::ext4_shutdown(root.as_raw_fd(), &WITHOUT_LOG_FLUSH) };
    stopped.map(drop).map_err(failed("stop"))
}

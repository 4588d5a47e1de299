//! Version: the generation that a file system keeps of an inode, where it tells.
//!
//! `unsafe`, as `rustix` has no wrapper for this request.

use std::ffi::c_long;
use std::fs::File;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `FS_IOC_GETVERSION` of `linux/fs.h`: `_IOR('v', 1, long)`.
const GET_VERSION: Opcode = opcode::read::<c_long>(b'v', 1);

/// Returns the generation of a file's inode; it differs between two files that had the same inode one
/// after the other. `None` where the file system keeps none.
pub(crate) fn version(file: &File) -> Option<u32> {
    // The kernel writes an `int` (fs/ext4/ioctl.c, fs/xfs/xfs_ioctl.c), the number says `long`: there is
    // room for either, and it is set before, so that nothing is read that was not written.
    let mut value = [0_u32; 2];
    #[expect(unsafe_code, reason = "rustix leaves requests it does not know to its callers")]
    // SAFETY: the request writes at most a `long` (8 bytes) to the address, which is that of 8 bytes
    // that live through the call, and reads nothing.
    let done = unsafe { ioctl(file, Updater::<GET_VERSION, [u32; 2]>::new(&mut value)) };
    // Zero is what file systems answer that have the request, but no generations.
    done.ok().map(|()| value[0]).filter(|version| *version != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn an_inode_used_again_has_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut before: Option<(u64, u32)> = None;
        for _ in 0..50 {
            fs::write(&path, "x").unwrap();
            let file = File::open(&path).unwrap();
            let Some(version_now) = version(&file) else {
                eprintln!("skipped: this file system keeps no generations of inodes");
                return;
            };
            assert_eq!(version(&File::open(&path).unwrap()), Some(version_now));
            let ino = file.metadata().unwrap().ino();
            if let Some((ino_before, version_before)) = before
                && ino_before == ino
            {
                assert_ne!(version_before, version_now);
                return;
            }
            before = Some((ino, version_now));
            drop(file);
            fs::remove_file(&path).unwrap();
        }
        eprintln!("skipped in part: this file system does not use inodes again");
    }
}

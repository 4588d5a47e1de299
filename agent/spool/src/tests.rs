//! The spool against a model queue, and the faults of disks one by one.

mod changes;
mod faults;
mod model;
mod pieces;
mod power;

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::disk::Disk;
use crate::{Entry, Options, Reader, Recovery, Saved, Spool};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// What the fake disk does to the next write.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// Only so many bytes are written, then ENOSPC.
    room: Option<u64>,
    /// Cutting back fails too, as when the process dies before it can.
    no_cut: bool,
    /// Syncing fails.
    no_sync: bool,
    /// What statvfs says.
    free_bytes: Option<u64>,
    /// The disk holds so many bytes in all, and nothing but the spool.
    capacity: Option<u64>,
}

/// A disk over real files that fails as told.
#[derive(Debug, Clone, Default)]
struct FakeDisk(Arc<Mutex<Faults>>);

impl FakeDisk {
    fn set(&self, faults: Faults) {
        *self.0.lock().unwrap() = faults;
    }

    fn get(&self) -> Faults {
        *self.0.lock().unwrap()
    }
}

impl Disk for FakeDisk {
    fn write(&mut self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut faults = self.0.lock().unwrap();
        let room = faults.room.unwrap_or(u64::MAX).min(bytes.len() as u64) as usize;
        file.write_all_at(&bytes[..room], offset)?;
        if let Some(left) = &mut faults.room {
            *left -= room as u64;
        }
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        if self.get().no_sync { Err(io::Error::other("platter")) } else { file.sync_data() }
    }

    fn cut(&mut self, file: &File, length: u64) -> io::Result<()> {
        if self.get().no_cut { Err(io::Error::other("died")) } else { file.set_len(length) }
    }

    fn free_bytes(&mut self, dir: &Path) -> io::Result<u64> {
        if let Some(capacity) = self.get().capacity {
            let files = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.metadata()?.len()));
            return Ok(capacity.saturating_sub(files.sum::<io::Result<u64>>()?));
        }
        Ok(self.get().free_bytes.unwrap_or(u64::MAX))
    }
}

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        segment_bytes_max: 4096,
        bytes_max: Options::BYTES_MAX_MIN,
        free_bytes_min: 1000,
    }
}

fn open(dir: &Path) -> (Spool, Recovery, FakeDisk) {
    let disk = FakeDisk::default();
    let (spool, recovery) = Spool::open_on(options(dir), Box::new(disk.clone())).unwrap();
    (spool, recovery, disk)
}

/// The content of an entry says who it is, and differs at every byte's place.
fn content(lane: u8, seq: u64, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index as u64 * 7 + seq * 31 + u64::from(lane)) as u8).collect()
}

fn append(spool: &mut Spool, lane: u8, seq: u64, length: usize) -> crate::Result<()> {
    let bytes = content(lane, seq, length);
    spool.append(&[Entry { lane, seq, bytes: &bytes }], format!("at {lane}/{seq}").as_bytes())
}

/// A checkpoint as read: the whole one, the changes.
type Parts = (Option<Vec<u8>>, Vec<Vec<u8>>);

fn parts(saved: &Saved) -> Parts {
    let mut all = Parts::default();
    for (index, part) in saved.parts().iter().enumerate() {
        let mut bytes = Vec::new();
        part.reader().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, part.bytes());
        if part.is_whole() {
            assert_eq!(index, 0);
            all.0 = Some(bytes);
        } else {
            all.1.push(bytes);
        }
    }
    all
}

/// The checkpoint found, where only whole ones were written.
fn checkpoint_of(recovery: Recovery) -> Vec<u8> {
    let (whole, changes) = parts(&recovery.checkpoint.unwrap());
    assert!(changes.is_empty(), "{changes:?}");
    whole.unwrap()
}

fn drain(reader: &mut Reader) -> Vec<u64> {
    std::iter::from_fn(|| reader.next().unwrap()).map(|entry| entry.seq).collect()
}

//! Writer: appends numbered lines to a log and rotates it, as a server's program and logrotate do.
//!
//! It remembers what it made unreadable: a line that is on no disk any more is nobody's fault, and a
//! count that hid it would be none.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::tally::{DIGITS, MARK};

/// One line in so many is one that a rule hits, so that the lane of alerts has something to carry.
const ALERT_EVERY: u64 = 97;
/// A copy goes by pieces of this size, as `cp` reads (GNU coreutils: 128 KiB, older ones 64 KiB).
const COPY_BYTES: usize = 64 * 1024;
/// Pieces a second in which a steady writer writes.
const PIECES_PER_SECOND: u64 = 50;
/// Lines that a program still writes into the renamed file before it opens the new one.
pub const LATE_LINES: u64 = 20;

/// Appends line `number` to `text`.
pub fn line(text: &mut String, number: u64) {
    let (minute, second) = (number / 60 % 60, number % 60);
    let host = number % 250 + 1;
    // Something that does not compress, as every real log has: session keys, addresses, sizes.
    let key = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    // Writing into a String cannot fail.
    let _ = match number % ALERT_EVERY {
        0 => writeln!(
            text,
            "203.0.113.{host} - - [20/Nov/2026:08:{minute:02}:{second:02} +0700] \"GET /ho-so?id=1%27%20UNION%20SELECT%20user,pass%20FROM%20users--&seq={number:09} HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\""
        ),
        n if n % 3 == 1 => writeln!(
            text,
            "Nov 20 08:{minute:02}:{second:02} portal01 systemd[1]: Started Session {number} of user www-data; unit session-{key:016x}.scope finished setting up its limits, seq={number:09}"
        ),
        n if n % 3 == 2 => writeln!(
            text,
            "203.0.113.{host} - - [20/Nov/2026:08:{minute:02}:{second:02} +0700] \"GET /thu-tuc/danh-sach?trang={number}&phien={key:016x}&seq={number:09} HTTP/1.1\" 200 {number} \"https://dichvucong.example.gov.vn/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:130.0)\""
        ),
        _ => writeln!(
            text,
            "Nov 20 08:{minute:02}:{second:02} portal01 app[{number}]: request of 203.0.113.{host} answered after {} ms by worker {}, key {key:016x}, seq={number:09}",
            number % 900,
            number % 16
        ),
    };
}

/// A program's log.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    next: u64,
    /// Lines of which some byte was on disk nowhere, from some moment on.
    pub destroyed: BTreeSet<u64>,
}

impl Writer {
    /// Opens a log for appending; the first line is number `next`.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path, next: u64) -> Result<Self> {
        Ok(Self { path: path.to_owned(), file: append(path)?, next, destroyed: BTreeSet::new() })
    }

    /// Returns the number of the next line: so many were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.next
    }

    /// Appends lines, in one write.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&mut self, count: u64) -> Result<()> {
        let mut text = String::with_capacity(count as usize * 200);
        for number in self.next..self.next + count {
            line(&mut text, number);
        }
        self.file.write_all(text.as_bytes())?;
        self.next += count;
        Ok(())
    }

    /// Returns the path of generation `number`; 0 is the log itself.
    #[must_use]
    pub fn generation(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    /// Moves the older generations up, the oldest over the edge.
    fn shift(&self, keep: u32) -> Result<()> {
        for number in (1..keep).rev() {
            let from = self.generation(number);
            if from.exists() {
                std::fs::rename(from, self.generation(number + 1))?;
            }
        }
        Ok(())
    }

    /// Rotates by rename and create; `late` lines go into the renamed file, as a program writes that
    /// has not heard of it yet.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn rotate(&mut self, keep: u32, late: u64) -> Result<()> {
        self.shift(keep)?;
        std::fs::rename(&self.path, self.generation(1))?;
        let fresh = append(&self.path)?;
        self.write(late)?;
        self.file = fresh;
        Ok(())
    }

    /// Rotates by copy and truncate. `during` runs between the two: nothing for a program that holds
    /// still, or writing.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn copy_truncate(
        &mut self,
        keep: u32,
        mut during: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.shift(keep)?;
        let mut from = File::open(&self.path)?;
        let mut to = File::create(self.generation(1))?;
        let mut piece = vec![0; COPY_BYTES];
        let mut copied = 0;
        loop {
            let count = from.read(&mut piece)?;
            if count == 0 {
                break;
            }
            to.write_all(&piece[..count])?;
            copied += count as u64;
        }
        during(self)?;
        let size = from.metadata()?.len();
        let mut tail = vec![0; usize::try_from(size - copied)?];
        from.read_exact_at(&mut tail, copied)?;
        self.destroyed.extend(numbers(&tail));
        self.file.set_len(0)?;
        Ok(())
    }

    /// Deletes the log; what is written after that is written into the deleted file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn delete(&mut self) -> Result<()> {
        Ok(std::fs::remove_file(&self.path)?)
    }

    /// Empties the log in place.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn truncate(&mut self) -> Result<()> {
        Ok(self.file.set_len(0)?)
    }

    /// Returns the inode of the file that is written to.
    ///
    /// # Errors
    /// If it cannot be examined.
    pub fn inode(&self) -> Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(self.file.metadata()?.ino())
    }
}

fn append(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

/// Returns the numbers of the lines that end in these bytes.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    memchr::memmem::find_iter(bytes, MARK)
        .filter_map(|at| {
            let digits = bytes.get(at + MARK.len()..at + MARK.len() + DIGITS)?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        })
        .collect()
}

/// Keeps a loop to a number of lines a second.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    first: u64,
    rate: u64,
}

impl Pace {
    /// Begins at line `first`.
    #[must_use]
    pub fn new(first: u64, rate: u64) -> Self {
        Self { start: Instant::now(), first, rate }
    }

    /// Returns how many lines make a piece.
    #[must_use]
    pub fn piece(&self) -> u64 {
        (self.rate / PIECES_PER_SECOND).max(1)
    }

    /// Waits until line `next` is due.
    pub fn wait(&self, next: u64) {
        let due = Duration::from_secs_f64((next - self.first) as f64 / self.rate as f64);
        while let Some(rest) = due.checked_sub(self.start.elapsed()).filter(|rest| !rest.is_zero())
        {
            std::thread::park_timeout(rest);
        }
    }
}

/// A writer on a thread of its own.
#[derive(Debug)]
pub struct Steady {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<Result<Writer>>,
}

impl Steady {
    /// Writes `rate` lines a second until stopped.
    #[must_use]
    pub fn start(writer: Writer, rate: u64) -> Self {
        Self::rotating(writer, rate, |_| Ok(()))
    }

    /// Writes `rate` lines a second until stopped; after each piece, `then` may rotate.
    #[must_use]
    pub fn rotating(
        mut writer: Writer,
        rate: u64,
        mut then: impl FnMut(&mut Writer) -> Result<()> + Send + 'static,
    ) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&written));
        count.store(writer.written(), Ordering::Release);
        let thread = std::thread::spawn(move || {
            let pace = Pace::new(writer.written(), rate);
            while !ended.load(Ordering::Acquire) {
                writer.write(pace.piece())?;
                then(&mut writer)?;
                count.store(writer.written(), Ordering::Release);
                pace.wait(writer.written());
            }
            Ok(writer)
        });
        Self { stop, written, thread }
    }

    /// Returns how many lines were written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Stops and returns the writer.
    ///
    /// # Errors
    /// If it had failed.
    pub fn stop(self) -> Result<Writer> {
        self.stop.store(true, Ordering::Release);
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the writer's thread has ended in a panic"))?
    }
}

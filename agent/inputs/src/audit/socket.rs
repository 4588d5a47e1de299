//! Socket: auditd's plugin `af_unix`, which hands every record to who connects.
//!
//! Spec: audit-userspace, "auditd-plugins(5)", plugin `af_unix`: with `format = string` each record is
//! a line as in the file.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::stream::{Feed, Got};
use crate::LINE_BYTES_MAX;

/// Bytes read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// See the head of the file.
pub(super) struct Socket {
    path: PathBuf,
    buffer: Vec<u8>,
    /// The beginning of a record whose end is not there yet.
    rest: Vec<u8>,
    /// Within a record that was too long.
    skipping: bool,
}

impl Socket {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            buffer: vec![0; BUFFER_BYTES],
            rest: Vec::new(),
            skipping: false,
        }
    }
}

impl Feed for Socket {
    fn key(&self) -> &'static str {
        "audit:socket"
    }

    fn open(&mut self) -> io::Result<OwnedFd> {
        let about = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        };
        let stream = UnixStream::connect(&self.path).map_err(about)?;
        stream.set_nonblocking(true)?;
        self.rest.clear();
        self.skipping = false;
        Ok(stream.into())
    }

    fn read(&mut self, from: &OwnedFd, take: &mut dyn FnMut(&[u8], bool)) -> io::Result<Got> {
        let count = match rustix::io::read(from, self.buffer.as_mut_slice()) {
            Ok(0) => {
                let text = format!("{}: auditd closed the connection", self.path.display());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            Ok(count) => count,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Got::Nothing),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = self.buffer.get(..count).unwrap_or_default();
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            if !self.skipping {
                let room = LINE_BYTES_MAX - self.rest.len();
                self.rest.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
                if part.len() > room {
                    take(&self.rest, true);
                    self.rest.clear();
                    self.skipping = true;
                }
            }
            let Some(end) = end else { break };
            // A binary header in front of every record: the plugin's other format.
            if self.rest.starts_with(&[0]) || self.rest.get(1..4) == Some(&[0, 0, 0]) {
                let text = format!("{} speaks the binary format", self.path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            if !self.rest.is_empty() {
                take(&self.rest, false);
            }
            self.rest.clear();
            self.skipping = false;
            bytes = bytes.get(end + 1..).unwrap_or_default();
        }
        Ok(Got::Records)
    }

    fn remedy(&self) -> &'static str {
        "In /etc/audit/plugins.d/af_unix.conf: active = yes, format = string, and a mode and path that \
         the agent's user may open; then restart auditd"
    }
}

//! Pipe: one output of a command, of which a bounded part is kept.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at once: what a pipe of the kernel often holds.
const READ_BYTES: usize = 16 * 1024;

/// Which part of too much output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Start,
    End,
}

/// One end of the command's output.
pub(super) struct Pipe<R> {
    from: Option<R>,
    bytes: Vec<u8>,
    piece: Box<[u8; READ_BYTES]>,
    max: usize,
    keep: Keep,
    seen: u64,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    pub(super) fn new(from: R, max: usize, keep: Keep) -> Self {
        let piece = Box::new([0; READ_BYTES]);
        Self { from: Some(from), bytes: Vec::new(), piece, max, keep, seen: 0 }
    }

    /// Whether somebody may still write to it.
    pub(super) fn is_open(&self) -> bool {
        self.from.is_some()
    }

    /// Whether there was more than is kept.
    pub(super) fn is_over(&self) -> bool {
        self.seen > self.max as u64
    }

    /// Reads once. May be cancelled: nothing is lost by that.
    pub(super) async fn read(&mut self) {
        let Some(from) = &mut self.from else { return };
        let count = match from.read(&mut self.piece[..]).await {
            Ok(0) | Err(_) => {
                self.from = None;
                return;
            }
            Ok(count) => count,
        };
        self.seen += count as u64;
        let piece = &self.piece[..count];
        match self.keep {
            Keep::Start => {
                let room = self.max - self.bytes.len();
                self.bytes.extend_from_slice(&piece[..count.min(room)]);
            }
            Keep::End => {
                self.bytes.extend_from_slice(piece);
                let excess = self.bytes.len().saturating_sub(self.max);
                self.bytes.drain(..excess);
            }
        }
    }

    /// Bytes read, kept or not.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// What was kept.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

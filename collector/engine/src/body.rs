//! Request bodies: gathered whole before anything runs, within one bound for all of them together.
//!
//! A body that breaks off never reaches the engine, so a dying client leaves no half insert.

use std::sync::Arc;

use axum::body::Body;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::encoding::{self, ContentEncoding};
use crate::exception::{Exception, code};
use crate::frame;
use crate::limits::{
    BODIES_BYTES_MAX, BODY_PAUSE_MAX, INSERT_BYTES_MAX, UPLOADS_MAX, WAIT_TIME_MAX,
};

/// The memory for bodies is handed out in units of this many bytes.
const UNIT: usize = 1024;
/// A body of unknown length takes memory in steps of this many units.
const STEP_UNITS: u32 = 1024;

/// The memory for all bodies.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    units: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
}

/// A body and its share of the memory.
#[derive(Debug)]
pub(crate) struct Held {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    share: OwnedSemaphorePermit,
}

impl Bodies {
    /// Returns the whole memory, free.
    pub(crate) fn new() -> Self {
        Self {
            units: Arc::new(Semaphore::new(BODIES_BYTES_MAX / UNIT)),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
        }
    }

    /// Receives a body. Never waits for memory (bodies that wait for each other would never end):
    /// without it the request is refused, and may be tried again.
    pub(crate) async fn receive(&self, body: Body) -> Result<Held, Exception> {
        let _upload =
            self.uploads.clone().try_acquire_owned().map_err(|_| {
                busy(format!("More than {UPLOADS_MAX} requests are being received"))
            })?;
        let no_memory = || busy("The memory for request bodies is used up");
        let mut share = self.units.clone().try_acquire_many_owned(1).map_err(|_| no_memory())?;
        let mut bytes = Vec::new();
        let mut stream = body.into_data_stream();
        loop {
            let chunk = timeout(BODY_PAUSE_MAX, stream.next()).await.map_err(|_| {
                let seconds = BODY_PAUSE_MAX.as_secs();
                network(format!("The request body paused for more than {seconds} s"))
            })?;
            let Some(chunk) = chunk else { break };
            let chunk =
                chunk.map_err(|error| network(format!("The request body broke off: {error}")))?;
            if bytes.len() + chunk.len() > INSERT_BYTES_MAX {
                refuse(stream).await;
                return Err(frame::too_large(INSERT_BYTES_MAX));
            }
            while share.num_permits() * UNIT < bytes.len() + chunk.len() {
                let more = self.units.clone().try_acquire_many_owned(STEP_UNITS);
                share.merge(more.map_err(|_| no_memory())?);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Held { bytes, share })
    }

    /// Decompresses a body; waits for the memory that needs, for a bounded time.
    pub(crate) async fn decode(
        &self,
        held: Held,
        encoding: Option<ContentEncoding>,
        framed: bool,
    ) -> Result<Held, Exception> {
        if encoding.is_none() && !framed {
            return Ok(held);
        }
        let size = match encoding {
            // Its size is known only afterwards.
            Some(_) => INSERT_BYTES_MAX,
            None => frame::plain_size(&held.bytes),
        };
        if size > INSERT_BYTES_MAX {
            return Err(frame::too_large(INSERT_BYTES_MAX));
        }
        let units = u32::try_from(size.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let share = timeout(WAIT_TIME_MAX, self.units.clone().acquire_many_owned(units))
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| busy("The memory for request bodies is used up"))?;
        let work = move || encoding::decode(held.bytes, encoding, framed, INSERT_BYTES_MAX);
        let bytes = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Exception::new(code::STD_EXCEPTION, "STD_EXCEPTION", error))??;
        Ok(Held { bytes, share })
    }
}

impl Held {
    /// Returns an empty body.
    pub(crate) fn replace(self, bytes: Vec<u8>) -> Self {
        Self { bytes, share: self.share }
    }
}

/// Reads on for a moment, so that a client that is still sending gets to see the refusal instead of a
/// broken connection.
pub(crate) async fn refuse(mut stream: axum::body::BodyDataStream) {
    const REFUSED_BYTES_MAX: usize = 64 * 1024 * 1024;
    const REFUSED_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(5);
    let drain = async {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            bytes += chunk.len();
            if bytes > REFUSED_BYTES_MAX {
                break;
            }
        }
    };
    drop(timeout(REFUSED_TIME_MAX, drain).await);
}

fn busy(what: impl std::fmt::Display) -> Exception {
    Exception::new(
        code::TOO_MANY_SIMULTANEOUS_QUERIES,
        "TOO_MANY_SIMULTANEOUS_QUERIES",
        format!("{what}; try again later"),
    )
}

fn network(what: impl std::fmt::Display) -> Exception {
    Exception::new(code::NETWORK_ERROR, "NETWORK_ERROR", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_given_back() {
        let bodies = Bodies::new();
        let free = bodies.units.available_permits();
        let mut frames = Vec::new();
        frame::encode(&vec![7; 3_000_000], &mut frames);
        let held = bodies.receive(Body::from(frames)).await.unwrap();
        let held = bodies.decode(held, None, true).await.unwrap();
        assert_eq!(held.bytes.len(), 3_000_000);
        assert!(bodies.units.available_permits() < free - 2000);
        drop(held);
        assert_eq!(bodies.units.available_permits(), free);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        let chunks = [Ok("INSERT"), Err(std::io::Error::other("gone"))];
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        let error = Bodies::new().receive(body).await.unwrap_err();
        assert_eq!(error.code, code::NETWORK_ERROR);
    }

    #[tokio::test]
    async fn too_much_is_refused_whether_plain_or_compressed() {
        let bodies = Bodies::new();
        let chunk = vec![0; 1024 * 1024];
        let chunks = (0..=256).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        assert_eq!(bodies.receive(body).await.unwrap_err().code, code::TOO_MANY_BYTES);
        let mut frame = vec![0_u8; 25];
        frame[17] = 9;
        frame[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
        let held = bodies.receive(Body::from(frame)).await.unwrap();
        assert_eq!(bodies.decode(held, None, true).await.unwrap_err().code, code::TOO_MANY_BYTES);
    }
}

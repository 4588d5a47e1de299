//! Runs one statement on a blocking thread and hands its answer over in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Bytes;
use rand::Rng as _;
use rand::distributions::Alphanumeric;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::body::Held;
use crate::encoding::Encoder;
use crate::engine::Engine;
use crate::exception::{Exception, code};
use crate::ffi::{Connection, Stream};
use crate::format::{self, Joining};
use crate::limits::{
    APPEND_BYTES, FIRST_BYTES, LATE_ERROR_BYTES_MAX, READER_PAUSE_MAX, RESULT_BYTES_MAX,
};
use crate::metrics::Metrics;
use crate::request::Request;
use crate::statement::Statement;

/// A statement with all it needs.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) statement: Statement,
    /// The statement, and for an INSERT perhaps the beginning of its data.
    pub(crate) sql: Vec<u8>,
    /// The (rest of the) data of an INSERT.
    pub(crate) body: Held,
    /// Marks the statement in the engine, so that it can be stopped.
    pub(crate) tag: String,
    /// Set when nobody waits for the answer any more.
    pub(crate) abandoned: Arc<AtomicBool>,
}

/// The beginning of an answer.
pub(crate) struct Head {
    /// The format of the data.
    pub(crate) format: String,
    /// All of a small answer, or the first part of a large one.
    pub(crate) bytes: Bytes,
    /// Whether the bytes are compressed as the request asked; an empty answer is not.
    pub(crate) encoded: bool,
    /// Rows and bytes read, rows and bytes written, nanoseconds; so far, when more follows.
    pub(crate) summary: [u64; 5],
    /// The rest, when there is one.
    pub(crate) rest: Option<Rest>,
}

/// The rest of a large answer.
pub(crate) struct Rest {
    /// The pieces, in order.
    pub(crate) pieces: mpsc::Receiver<Vec<u8>>,
    /// Set before the channel closes when the answer is complete; else it was cut.
    pub(crate) complete: Arc<AtomicBool>,
    /// The tag that marks an error behind the first byte.
    pub(crate) exception_tag: String,
}

/// Runs the job to its end. `head` gets the answer's beginning or the error.
pub(crate) fn run(
    job: &Job,
    engine: &Engine,
    metrics: &Metrics,
    pieces_max: usize,
    head: oneshot::Sender<Result<Head, Exception>>,
) {
    let started = Instant::now();
    metrics.running.inc();
    let _ended = Ended { metrics, started };
    let outcome = match &job.statement {
        // The engine's own read-only mode guards what a reading statement does; it lets some
        // others through (KILL).
        Statement::Insert { .. } | Statement::Write { .. } if job.request.readonly => {
            let message = "Cannot execute query in readonly mode; send it with POST";
            Err(Exception::new(code::READONLY, "READONLY", message))
        }
        Statement::Insert { head, format, data } => {
            insert(job, engine, metrics, *head, format, *data)
        }
        Statement::Read { format, streamable } => {
            let format = format.as_deref().unwrap_or(&job.request.default_format);
            let joining = format::joining(format).filter(|_| *streamable && !job.request.wait_end);
            match joining {
                Some(joining) => {
                    let reader = Reader { job, engine, metrics, joining, format, started };
                    return reader.stream(pieces_max, head);
                }
                None => whole(job, engine, metrics, format),
            }
        }
        Statement::Write { format } => {
            whole(job, engine, metrics, format.as_deref().unwrap_or(&job.request.default_format))
        }
    };
    // The receiver is gone when the client is; what was done is done.
    drop(head.send(outcome.map(|mut head| {
        head.summary[4] = nanoseconds(started);
        head
    })));
}

/// Counts the end of a statement, however it ends.
struct Ended<'a> {
    metrics: &'a Metrics,
    started: Instant,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.metrics.running.dec();
        self.metrics.seconds.observe(self.started.elapsed().as_secs_f64());
    }
}

fn nanoseconds(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn session(job: &Job, engine: &Engine, whole: bool) -> Result<Connection, Exception> {
    let connection = engine.session(&job.request, &job.tag, whole)?;
    if job.abandoned.load(Ordering::Relaxed) {
        return Err(Exception::new(
            code::QUERY_WAS_CANCELLED,
            "QUERY_WAS_CANCELLED",
            "Query was cancelled: the client is gone",
        ));
    }
    Ok(connection)
}

fn insert(
    job: &Job,
    engine: &Engine,
    metrics: &Metrics,
    head: usize,
    format: &str,
    data: usize,
) -> Result<Head, Exception> {
    let mut connection = session(job, engine, false)?;
    let sql = job.sql.get(..head).unwrap_or_default();
    let mut insert =
        connection.insert(sql, format, &job.request.parameters).map_err(Exception::from_engine)?;
    let parts = [job.sql.get(data..).unwrap_or_default(), &job.body.bytes];
    for piece in parts.into_iter().flat_map(|part| part.chunks(APPEND_BYTES)) {
        insert.append(piece).map_err(Exception::from_engine)?;
    }
    let counts = insert.finish().map_err(Exception::from_engine)?.counts();
    metrics.insert_bytes.inc_by(parts.iter().map(|part| part.len() as u64).sum());
    metrics.rows_written.inc_by(counts[2]);
    let [rows_read, bytes_read, rows, bytes] = counts;
    Ok(Head {
        format: format.to_owned(),
        bytes: Bytes::new(),
        encoded: false,
        summary: [rows_read, bytes_read, rows, bytes, 0],
        rest: None,
    })
}

fn whole(job: &Job, engine: &Engine, metrics: &Metrics, format: &str) -> Result<Head, Exception> {
    let mut connection = session(job, engine, true)?;
    let answer = connection
        .query(&job.sql, format, &job.request.parameters)
        .map_err(Exception::from_engine)?;
    let [rows_read, bytes_read, rows, bytes] = answer.counts();
    metrics.rows_written.inc_by(rows);
    // `max_result_bytes` counts a constant column as one value, so it can let more through.
    if answer.bytes().len() as u64 > RESULT_BYTES_MAX {
        let message = format!(
            "Limit for result exceeded, max bytes: {RESULT_BYTES_MAX}; ask for fewer rows, or for a \
             format that is streamed, such as JSONEachRow"
        );
        return Err(Exception::new(
            code::TOO_MANY_ROWS_OR_BYTES,
            "TOO_MANY_ROWS_OR_BYTES",
            message,
        ));
    }
    let mut head = whole_head(job, metrics, format, Bytes::from_owner(answer))?;
    head.summary = [rows_read, bytes_read, rows, bytes, 0];
    Ok(head)
}

/// An answer that is complete, compressed as asked.
fn whole_head(job: &Job, metrics: &Metrics, format: &str, data: Bytes) -> Result<Head, Exception> {
    metrics.answer_bytes.inc_by(data.len() as u64);
    let encoded = !data.is_empty();
    let bytes = match encoder(job).map_err(|error| compression(&error))? {
        Encoder::Plain => data,
        _ if data.is_empty() => data,
        mut encoder => {
            let mut bytes = encoder.encode(&data).map_err(|error| compression(&error))?;
            bytes.extend(encoder.finish().map_err(|error| compression(&error))?);
            Bytes::from(bytes)
        }
    };
    Ok(Head { format: format.to_owned(), bytes, encoded, summary: [0; 5], rest: None })
}

fn encoder(job: &Job) -> std::io::Result<Encoder> {
    Encoder::new(job.request.answer_encoding, job.request.compress)
}

fn compression(error: &std::io::Error) -> Exception {
    let message = format!("Cannot compress the answer: {error}");
    Exception::new(code::STD_EXCEPTION, "STD_EXCEPTION", message)
}

/// Reads a streamed answer.
struct Reader<'a> {
    job: &'a Job,
    engine: &'a Engine,
    metrics: &'a Metrics,
    joining: Joining,
    format: &'a str,
    started: Instant,
}

/// Why the pieces of an answer end early.
enum Cut {
    /// The query failed.
    Failed(Exception),
    /// Nobody reads, or the pieces cannot be compressed.
    Unread,
}

impl Reader<'_> {
    fn stream(&self, pieces_max: usize, head: oneshot::Sender<Result<Head, Exception>>) {
        let mut connection = match session(self.job, self.engine, false) {
            Ok(connection) => connection,
            Err(error) => return drop(head.send(Err(error))),
        };
        let parameters = &self.job.request.parameters;
        let mut stream = match connection.stream(&self.job.sql, self.format, parameters) {
            Ok(stream) => stream,
            Err(error) => return drop(head.send(Err(Exception::from_engine(error)))),
        };
        let mut summary = [0; 5];
        let mut first = Vec::new();
        let mut begun = false;
        let mut ended = false;
        while first.len() < FIRST_BYTES {
            match self.next(&mut stream, &mut summary, &mut begun) {
                Ok(Some(data)) => first.extend_from_slice(&data),
                Ok(None) => {
                    ended = true;
                    break;
                }
                Err(error) => return drop(head.send(Err(error))),
            }
        }
        summary[4] = nanoseconds(self.started);
        if ended {
            let whole = whole_head(self.job, self.metrics, self.format, first.into());
            return drop(head.send(whole.map(|whole| Head { summary, ..whole })));
        }
        let (sender, pieces) = mpsc::channel(pieces_max);
        let complete = Arc::new(AtomicBool::new(false));
        let exception_tag: String =
            rand::thread_rng().sample_iter(&Alphanumeric).take(16).map(char::from).collect();
        let (mut encoder, bytes) = match encoder(self.job)
            .and_then(|mut encoder| encoder.encode(&first).map(|bytes| (encoder, bytes)))
        {
            Ok(pair) => pair,
            Err(error) => return drop(head.send(Err(compression(&error)))),
        };
        self.metrics.answer_bytes.inc_by(first.len() as u64);
        drop(first);
        let rest =
            Rest { pieces, complete: complete.clone(), exception_tag: exception_tag.clone() };
        let (format, bytes) = (self.format.to_owned(), Bytes::from(bytes));
        if head.send(Ok(Head { format, bytes, encoded: true, summary, rest: Some(rest) })).is_err()
        {
            return;
        }
        let mut late = Ok(());
        match self.rest(&mut stream, &mut encoder, &sender, &mut begun) {
            Ok(()) => {}
            Err(Cut::Unread) => return,
            Err(Cut::Failed(error)) => {
                self.metrics.requests.with_label_values(&["read", "late_error"]).inc();
                tracing::info!(
                    query_id = self.job.request.query_id,
                    error = error.text,
                    "query failed after its first byte"
                );
                let text = late_error(&error.body(&self.engine.version), &exception_tag);
                late = encoder.encode(text.as_bytes()).map(|bytes| drop(self.send(&sender, bytes)));
            }
        }
        let end = late.and_then(|()| encoder.finish());
        if end.is_ok_and(|bytes| bytes.is_empty() || self.send(&sender, bytes).is_ok()) {
            complete.store(true, Ordering::Release);
        }
    }

    /// Sends everything behind the first piece.
    fn rest(
        &self,
        stream: &mut Stream<'_>,
        encoder: &mut Encoder,
        sender: &mpsc::Sender<Vec<u8>>,
        begun: &mut bool,
    ) -> Result<(), Cut> {
        loop {
            let Some(data) = self.next(stream, &mut [0; 5], begun).map_err(Cut::Failed)? else {
                return Ok(());
            };
            if data.is_empty() {
                continue;
            }
            self.metrics.answer_bytes.inc_by(data.len() as u64);
            let bytes = encoder.encode(&data).map_err(|error| {
                tracing::error!(%error, "cannot compress an answer");
                Cut::Unread
            })?;
            self.send(sender, bytes)?;
        }
    }

    /// Returns the next data without a repeated head; `None` at the end.
    fn next(
        &self,
        stream: &mut Stream<'_>,
        summary: &mut [u64; 5],
        begun: &mut bool,
    ) -> Result<Option<Vec<u8>>, Exception> {
        let Some(chunk) = stream.next().map_err(Exception::from_engine)? else { return Ok(None) };
        for (sum, count) in summary.iter_mut().zip(chunk.counts()) {
            *sum = sum.saturating_add(count);
        }
        let skipped = if *begun { self.joining.head(chunk.bytes()) } else { Some(0) };
        *begun = true;
        let data = skipped.and_then(|length| chunk.bytes().get(length..)).ok_or_else(|| {
            let message = "the engine's chunk has no readable head";
            Exception::new(code::STD_EXCEPTION, "STD_EXCEPTION", message)
        })?;
        Ok(Some(data.to_vec()))
    }

    /// Hands a piece to the socket; waits for a slow reader, for a bounded time.
    fn send(&self, sender: &mpsc::Sender<Vec<u8>>, bytes: Vec<u8>) -> Result<(), Cut> {
        let sent = Handle::current()
            .block_on(async { tokio::time::timeout(READER_PAUSE_MAX, sender.send(bytes)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Cut::Unread),
            Err(_) => {
                tracing::warn!(
                    query_id = self.job.request.query_id,
                    "the reader of an answer paused for too long; its query is cancelled"
                );
                Err(Cut::Unread)
            }
        }
    }
}

/// Writes an error behind data that was already sent. Source: ClickHouse,
/// `src/Server/HTTP/WriteBufferFromHTTPServerResponse.cpp`, the exception block.
fn late_error(text: &str, tag: &str) -> String {
    let mut end = text.len().min(LATE_ERROR_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let message = text.get(..end).unwrap_or_default().trim_end();
    let length = message.len() + 1;
    format!("\r\n__exception__\r\n{tag}\r\n{message}\n{length} {tag}\r\n__exception__\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_error_is_framed_by_its_tag_and_bounded() {
        assert_eq!(
            late_error("Code: 1. x\n", "TAG"),
            "\r\n__exception__\r\nTAG\r\nCode: 1. x\n11 TAG\r\n__exception__\r\n"
        );
        assert!(late_error(&"ộ".repeat(20_000), "TAG").len() < LATE_ERROR_BYTES_MAX + 100);
    }
}

//! The bounds of the engine, in one place, each with its reason.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The largest insert, counted after decompression: 256 MiB, half a million rows of 500 bytes, five
/// times the largest batch the collector sends. Larger ones are refused with 413.
pub(crate) const INSERT_BYTES_MAX: usize = 256 * MIB;
/// All request bodies in memory together, as received and as decompressed: two of the largest.
pub(crate) const BODIES_BYTES_MAX: usize = 2 * INSERT_BYTES_MAX + 64 * MIB;
/// The longest statement without data. Long IN lists fit; the parser's own bound is the setting
/// `max_query_size`, 256 KiB unless the request raises it.
pub(crate) const QUERY_BYTES_MAX: usize = 16 * MIB;
/// The longest multipart body: a statement and its parameters.
pub(crate) const MULTIPART_BYTES_MAX: usize = 2 * QUERY_BYTES_MAX;
/// Fields of a multipart body or parameters of a URL.
pub(crate) const FIELDS_MAX: usize = 1000;
/// Data is handed to the engine in pieces of this size.
pub(crate) const APPEND_BYTES: usize = MIB;

/// Statements that run at one time. Each has a connection and one blocking thread.
pub(crate) const RUNNING_MAX: usize = 16;
/// Statements that wait for a place; more are refused with code 202.
pub(crate) const WAITING_MAX: usize = 64;
/// How long a statement waits for a place.
pub(crate) const WAIT_TIME_MAX: Duration = Duration::from_secs(30);
/// Requests whose bodies are being received. The inserter of the official client keeps one open for
/// as long as it gathers rows.
pub(crate) const UPLOADS_MAX: usize = 64;
/// How long a body may pause before the request is dropped.
pub(crate) const BODY_PAUSE_MAX: Duration = Duration::from_secs(120);
/// How long a reader of a streamed result may pause before the query is cancelled.
pub(crate) const READER_PAUSE_MAX: Duration = Duration::from_secs(60);

/// `max_execution_time` of a request that sets none, in seconds.
pub(crate) const EXECUTION_SECONDS_DEFAULT: u64 = 300;
/// The longest `max_execution_time` that a request may set.
pub(crate) const EXECUTION_SECONDS_MAX: u64 = 3600;
/// The largest result that is held in memory as a whole (formats that cannot be streamed).
pub(crate) const RESULT_BYTES_MAX: u64 = 256 * MIB as u64;
/// This much of a streamed result is gathered before the first byte is sent, so that the errors of
/// small queries still get their own status. As ClickHouse's `http_response_buffer_size`.
pub(crate) const FIRST_BYTES: usize = MIB;
/// Chunks of a streamed result between the engine's thread and the socket.
pub(crate) const CHUNKS_MAX: usize = 4;
/// One insert makes one block up to this many rows, so that it is stored whole or not at all and has
/// one deduplication token.
pub(crate) const INSERT_BLOCK_ROWS: u64 = 100_000_000;
/// The longest error text that is sent after the first byte. As ClickHouse's `MAX_EXCEPTION_SIZE`.
pub(crate) const LATE_ERROR_BYTES_MAX: usize = 16 * 1024;

/// How long to wait for the data directory's lock: a predecessor that was killed in the middle of a
/// large merge needs seconds to be gone.
pub(crate) const LOCK_TIME_MAX: Duration = Duration::from_secs(30);
/// How often the lock is tried.
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How long a graceful stop waits for running statements.
pub(crate) const DRAIN_TIME_MAX: Duration = Duration::from_secs(15);

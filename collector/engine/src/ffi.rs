//! The C interface of libchdb: the only unsafe code of the house, behind types that cannot be misused.
//!
//! Signatures after `chdb.h` 26.7.3. Pointer and length everywhere; nothing is NUL-terminated but
//! error texts and the arguments of `chdb_connect`. The library is never unloaded: its threads live
//! until the process ends.
#![expect(unsafe_code, reason = "libchdb is a C library; every call of it is in this file")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::NonNull;

/// A `chdb_connection`, a `chdb_result*` and a `chdb_insert_stream` are all opaque.
type Opaque = *mut c_void;
type Texts = *const *const c_char;
type Lengths = *const usize;

/// The functions used, resolved once.
struct Functions {
    version: unsafe extern "C" fn() -> *const c_char,
    signal_handlers: unsafe extern "C" fn(c_int),
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Opaque,
    close: unsafe extern "C" fn(*mut Opaque),
    query: Statement,
    stream: Statement,
    fetch: unsafe extern "C" fn(Opaque, Opaque) -> Opaque,
    cancel: unsafe extern "C" fn(Opaque, Opaque),
    insert: Statement,
    append: unsafe extern "C" fn(Opaque, *const c_void, usize) -> c_int,
    done: unsafe extern "C" fn(Opaque) -> Opaque,
    insert_error: unsafe extern "C" fn(Opaque) -> *const c_char,
    destroy_insert: unsafe extern "C" fn(Opaque),
    destroy_result: unsafe extern "C" fn(Opaque),
    buffer: unsafe extern "C" fn(Opaque) -> *const u8,
    length: unsafe extern "C" fn(Opaque) -> usize,
    error: unsafe extern "C" fn(Opaque) -> *const c_char,
    rows_read: unsafe extern "C" fn(Opaque) -> u64,
    bytes_read: unsafe extern "C" fn(Opaque) -> u64,
    rows_written: unsafe extern "C" fn(Opaque) -> u64,
    bytes_written: unsafe extern "C" fn(Opaque) -> u64,
}

/// `chdb_{query,stream_query,stream_insert}_with_params_n`: connection, SQL, format, then parallel
/// arrays of parameter names and values, and their count.
type Statement = unsafe extern "C" fn(
    Opaque,
    *const c_char,
    usize,
    *const c_char,
    usize,
    Texts,
    Lengths,
    Texts,
    Lengths,
    usize,
) -> Opaque;

/// The loaded library. One a process; never unloaded.
pub(crate) struct Library(Functions);

impl Library {
    /// Loads the library and resolves every function used.
    pub(crate) fn open(path: &Path) -> Result<&'static Self, libloading::Error> {
        // SAFETY: loading runs the library's initialisers. The file is the one that the operator
        // names with --lib, trusted as much as this program; its version is checked next.
        let library = Box::leak(Box::new(unsafe { libloading::Library::new(path)? }));
        // SAFETY: every symbol has the type that chdb.h 26.7.3 gives it. The library is leaked, so
        // the plain function pointers stay valid for the life of the process.
        let functions = unsafe {
            Functions {
                version: *library.get(b"chdb_version\0")?,
                signal_handlers: *library.get(b"chdb_set_signal_handlers_enabled\0")?,
                connect: *library.get(b"chdb_connect\0")?,
                close: *library.get(b"chdb_close_conn\0")?,
                query: *library.get(b"chdb_query_with_params_n\0")?,
                stream: *library.get(b"chdb_stream_query_with_params_n\0")?,
                fetch: *library.get(b"chdb_stream_fetch_result\0")?,
                cancel: *library.get(b"chdb_stream_cancel_query\0")?,
                insert: *library.get(b"chdb_stream_insert_with_params_n\0")?,
                append: *library.get(b"chdb_stream_append\0")?,
                done: *library.get(b"chdb_stream_done\0")?,
                insert_error: *library.get(b"chdb_stream_insert_error\0")?,
                destroy_insert: *library.get(b"chdb_destroy_insert_stream\0")?,
                destroy_result: *library.get(b"chdb_destroy_query_result\0")?,
                buffer: *library.get(b"chdb_result_buffer\0")?,
                length: *library.get(b"chdb_result_length\0")?,
                error: *library.get(b"chdb_result_error\0")?,
                rows_read: *library.get(b"chdb_result_storage_rows_read\0")?,
                bytes_read: *library.get(b"chdb_result_storage_bytes_read\0")?,
                rows_written: *library.get(b"chdb_result_rows_written\0")?,
                bytes_written: *library.get(b"chdb_result_bytes_written\0")?,
            }
        };
        // SAFETY: takes a flag, may be called at any time. A crash must end the process at once: the
        // library's own handlers would hold it for minutes first.
        unsafe { (functions.signal_handlers)(0) };
        Ok(Box::leak(Box::new(Self(functions))))
    }

    /// Returns the library's version, such as `26.7.3`.
    pub(crate) fn version(&self) -> String {
        // SAFETY: returns a static NUL-terminated text, or null.
        unsafe { text((self.0.version)()) }.unwrap_or_default()
    }

    /// Opens a connection; `None` when the library refuses (it says why on standard error only).
    /// The first one starts the engine.
    pub(crate) fn connect(&'static self, arguments: &[CString]) -> Option<Connection> {
        let mut pointers: Vec<*mut c_char> =
            arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        // SAFETY: argv holds `count` NUL-terminated texts that outlive the call; the library copies
        // them and, as an argument parser does, only reads.
        let handle = unsafe { (self.0.connect)(count, pointers.as_mut_ptr()) };
        Some(Connection { library: self, handle: NonNull::new(handle)? })
    }
}

/// One connection: runs one statement at a time, which `&mut` enforces.
pub(crate) struct Connection {
    library: &'static Library,
    handle: NonNull<Opaque>,
}

// SAFETY: the library ties no connection to a thread ("thread-safe … one statement at a time");
// moving it between threads is allowed, sharing is not, so there is no `Sync`.
unsafe impl Send for Connection {}

impl Connection {
    /// Runs a statement and holds its whole result in memory.
    pub(crate) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<Answer, String> {
        let result = self.call(self.library.0.query, sql, format, parameters);
        Answer::new(self.library, result)
    }

    /// Starts a SELECT whose result comes in chunks.
    pub(crate) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<Stream<'_>, String> {
        let result = self.call(self.library.0.stream, sql, format, parameters);
        let start = Answer::new(self.library, result)?;
        Ok(Stream { connection: self, start, ended: false })
    }

    /// Starts an INSERT; the statement has no FORMAT clause and no data.
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<Insert<'_>, String> {
        let handle = self.call(self.library.0.insert, sql, format, parameters);
        let handle = NonNull::new(handle).ok_or_else(|| NOTHING_RETURNED.to_owned())?;
        let insert = Insert { connection: self, handle };
        match insert.error() {
            Some(error) => Err(error),
            None => Ok(insert),
        }
    }

    fn call(
        &mut self,
        function: Statement,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Opaque {
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect();
        let name_lengths: Vec<_> = parameters.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<_> = parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect();
        let value_lengths: Vec<_> = parameters.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: the connection is open (closed only by Drop) and used by nobody else (`&mut`). All
        // texts come with their lengths and outlive the call; the four arrays have equal length.
        unsafe {
            function(
                *self.handle.as_ptr(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the handle came from chdb_connect and is closed once; no stream or insert is open,
        // for they borrow the connection.
        unsafe { (self.library.0.close)(self.handle.as_ptr()) };
    }
}

/// Said when the library returns null where its header promises it never does.
const NOTHING_RETURNED: &str =
    "Code: 1001. DB::Exception: the embedded engine returned nothing. (STD_EXCEPTION)";

/// A result, or one chunk of one, in the library's memory.
pub(crate) struct Answer {
    library: &'static Library,
    handle: NonNull<c_void>,
}

// SAFETY: a materialised result is plain memory that no other handle refers to.
unsafe impl Send for Answer {}

impl Answer {
    fn new(library: &'static Library, handle: Opaque) -> Result<Self, String> {
        let handle = NonNull::new(handle).ok_or_else(|| NOTHING_RETURNED.to_owned())?;
        let answer = Self { library, handle };
        // SAFETY: the handle is live; the text is NUL-terminated or null and copied at once.
        match unsafe { text((library.0.error)(handle.as_ptr())) } {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    /// Returns the bytes in the asked format.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the handle is live; both calls only read.
        let (buffer, length) = unsafe {
            (
                (self.library.0.buffer)(self.handle.as_ptr()),
                (self.library.0.length)(self.handle.as_ptr()),
            )
        };
        if buffer.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: the library says `length` bytes are there; they live and stay unchanged until the
        // result is destroyed, which the borrow of self prevents.
        unsafe { std::slice::from_raw_parts(buffer, length) }
    }

    /// Returns rows and bytes read from storage, and rows and bytes written.
    pub(crate) fn counts(&self) -> [u64; 4] {
        let functions = &self.library.0;
        let handle = self.handle.as_ptr();
        // SAFETY: the handle is live; the calls only read numbers.
        unsafe {
            [
                (functions.rows_read)(handle),
                (functions.bytes_read)(handle),
                (functions.rows_written)(handle),
                (functions.bytes_written)(handle),
            ]
        }
    }
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: destroyed once, here; no slice into it outlives self.
        unsafe { (self.library.0.destroy_result)(self.handle.as_ptr()) };
    }
}

/// A running SELECT. Dropping it early cancels the query.
pub(crate) struct Stream<'a> {
    connection: &'a mut Connection,
    start: Answer,
    ended: bool,
}

impl Stream<'_> {
    /// Waits for the next chunk, a whole document of its format; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, String> {
        if self.ended {
            return Ok(None);
        }
        // SAFETY: connection and stream are live, and `&mut` keeps others off.
        let chunk = unsafe {
            (self.connection.library.0.fetch)(
                *self.connection.handle.as_ptr(),
                self.start.handle.as_ptr(),
            )
        };
        match Answer::new(self.connection.library, chunk) {
            Ok(chunk) if chunk.bytes().is_empty() => self.ended = true,
            Ok(chunk) => return Ok(Some(chunk)),
            Err(error) => {
                self.ended = true;
                return Err(error);
            }
        }
        Ok(None)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: connection and stream are live; `start` is destroyed after this.
            unsafe {
                (self.connection.library.0.cancel)(
                    *self.connection.handle.as_ptr(),
                    self.start.handle.as_ptr(),
                );
            }
        }
    }
}

/// A running INSERT. Dropping it before [`Insert::finish`] cancels it.
pub(crate) struct Insert<'a> {
    connection: &'a mut Connection,
    handle: NonNull<c_void>,
}

impl Insert<'_> {
    /// Hands over a piece of the data, cut anywhere; blocks while the engine is behind.
    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), String> {
        // SAFETY: the stream is live and ours alone; the library copies the bytes before it returns.
        let state = unsafe {
            (self.connection.library.0.append)(
                self.handle.as_ptr(),
                data.as_ptr().cast(),
                data.len(),
            )
        };
        if state == 0 {
            Ok(())
        } else {
            Err(self.error().unwrap_or_else(|| NOTHING_RETURNED.into()))
        }
    }

    /// Ends the data and waits until it is stored.
    pub(crate) fn finish(self) -> Result<Answer, String> {
        // SAFETY: the stream is live; it is finished once (self is consumed) and then destroyed.
        let result = unsafe { (self.connection.library.0.done)(self.handle.as_ptr()) };
        Answer::new(self.connection.library, result)
    }

    fn error(&self) -> Option<String> {
        // SAFETY: the stream is live; the text is NUL-terminated or null and copied at once.
        unsafe { text((self.connection.library.0.insert_error)(self.handle.as_ptr())) }
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: destroyed once, here; the library cancels first what was not finished.
        unsafe { (self.connection.library.0.destroy_insert)(self.handle.as_ptr()) };
    }
}

/// Copies a C text; `None` for null. Invalid UTF-8 is replaced: it is only ever an error message.
///
/// # Safety
/// The pointer is null or points to a NUL-terminated text that lives during the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: by this function's own contract.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

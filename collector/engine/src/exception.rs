//! Exceptions: ClickHouse's error codes, the HTTP status of each, and how they are written.

use axum::http::StatusCode;

/// Codes of our own refusals. Source: ClickHouse, `src/Common/ErrorCodes.cpp`.
pub(crate) mod code {
    pub(crate) const BAD_ARGUMENTS: u32 = 36;
    pub(crate) const NOT_IMPLEMENTED: u32 = 48;
    pub(crate) const SYNTAX_ERROR: u32 = 62;
    pub(crate) const UNKNOWN_SETTING: u32 = 115;
    pub(crate) const TIMEOUT_EXCEEDED: u32 = 159;
    pub(crate) const READONLY: u32 = 164;
    pub(crate) const REQUIRED_PASSWORD: u32 = 194;
    pub(crate) const TOO_MANY_SIMULTANEOUS_QUERIES: u32 = 202;
    pub(crate) const NETWORK_ERROR: u32 = 210;
    pub(crate) const ABORTED: u32 = 236;
    pub(crate) const CANNOT_DECOMPRESS: u32 = 271;
    pub(crate) const TOO_MANY_BYTES: u32 = 307;
    pub(crate) const QUERY_WAS_CANCELLED: u32 = 394;
    pub(crate) const TOO_MANY_ROWS_OR_BYTES: u32 = 396;
    pub(crate) const ACCESS_DENIED: u32 = 497;
    pub(crate) const AUTHENTICATION_FAILED: u32 = 516;
    pub(crate) const STD_EXCEPTION: u32 = 1001;
}

/// An error as ClickHouse tells it: a number and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    /// The number clients decide by.
    pub(crate) code: u32,
    /// The whole text, `Code: N. DB::Exception: … (NAME)`.
    pub(crate) text: String,
}

impl Exception {
    /// Returns an exception of our own; `name` is the code's name in ClickHouse.
    pub(crate) fn new(code: u32, name: &str, message: impl std::fmt::Display) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    /// Reads what the engine says. A text without a number gets the code of unknown errors.
    pub(crate) fn from_engine(text: String) -> Self {
        let code = text
            .split_once("Code: ")
            .and_then(|(_, rest)| {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest.get(..digits)?.parse().ok()
            })
            .unwrap_or(code::STD_EXCEPTION);
        Self { code, text }
    }

    /// Returns the text with the server's version and a line end, as a ClickHouse server ends it.
    pub(crate) fn body(&self, version: &str) -> String {
        let text = self.text.trim_end();
        if text.contains("(version ") {
            return format!("{text}\n");
        }
        format!("{text} (version {version} (embedded build))\n")
    }

    /// Returns the HTTP status of the code. Source: ClickHouse,
    /// `src/Server/HTTP/exceptionCodeToHTTPStatus.cpp`; 202 and 236 (busy,
    /// stopping) are 503 here, because a later try may succeed.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            code::REQUIRED_PASSWORD => StatusCode::UNAUTHORIZED,
            192 | 193 | code::AUTHENTICATION_FAILED | 512 | code::ACCESS_DENIED => {
                StatusCode::FORBIDDEN
            }
            code::TIMEOUT_EXCEEDED => StatusCode::REQUEST_TIMEOUT,
            6
            | 25
            | 26
            | 27
            | 32
            | 33
            | 34
            | 38
            | 41
            | 53
            | 62
            | 69
            | 70
            | 72
            | 117
            | 130
            | 131
            | 158
            | 162
            | 163
            | 167
            | 168
            | 223
            | 320
            | 321
            | 376
            | 386
            | 427
            | 441
            | 456
            | 457
            | 467
            | 675
            | 676
            | code::BAD_ARGUMENTS
            | code::TOO_MANY_ROWS_OR_BYTES
            | code::CANNOT_DECOMPRESS => StatusCode::BAD_REQUEST,
            46
            | 47
            | 50
            | 52
            | 56
            | 60
            | 63
            | 73
            | 78
            | 79
            | 81
            | 111
            | 149
            | 150
            | 174
            | 187
            | 511
            | code::UNKNOWN_SETTING => StatusCode::NOT_FOUND,
            code::TOO_MANY_BYTES => StatusCode::PAYLOAD_TOO_LARGE,
            code::NOT_IMPLEMENTED => StatusCode::NOT_IMPLEMENTED,
            209 | 439 | code::TOO_MANY_SIMULTANEOUS_QUERIES | code::ABORTED => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_text_gives_code_and_status() {
        let gone = Exception::from_engine("Code: 60. DB::Exception: no t. (UNKNOWN_TABLE)".into());
        assert_eq!((gone.code, gone.status()), (60, StatusCode::NOT_FOUND));
        assert_eq!(
            gone.body("26.7.2.1"),
            "Code: 60. DB::Exception: no t. (UNKNOWN_TABLE) (version 26.7.2.1 (embedded build))\n"
        );
        let nested = Exception::from_engine("Code: 241. DB::Exception: Code: 1. x".into());
        assert_eq!(nested.code, 241);
        for odd in ["", "Code: ", "Code: x", "Code: 99999999999999", "std::bad_alloc"] {
            assert_eq!(Exception::from_engine(odd.into()).code, code::STD_EXCEPTION, "{odd}");
        }
    }

    #[test]
    fn a_version_is_said_once() {
        let said = Exception::from_engine("Code: 33. DB::Exception: x (version 26.7.2.1)".into());
        assert_eq!(said.body("26.7.2.1"), "Code: 33. DB::Exception: x (version 26.7.2.1)\n");
    }
}

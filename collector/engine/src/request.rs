//! Requests: what the URL parameters and headers of ClickHouse's HTTP interface ask for.
//!
//! Source: ClickHouse docs, "HTTP interface"; `src/Server/HTTPHandler.cpp`.

use axum::http::{HeaderMap, header};

use crate::encoding::ContentEncoding;
use crate::exception::{Exception, code};
use crate::limits::FIELDS_MAX;
use crate::settings::Settings;

/// What a request asks for, besides its body.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// The statement in the URL; empty when it is in the body.
    pub(crate) query: String,
    /// The current database.
    pub(crate) database: Option<String>,
    /// The format of an answer whose statement names none.
    pub(crate) default_format: String,
    /// The id the client wants to see again, or a new one.
    pub(crate) query_id: String,
    /// Values of `{name:Type}` in the statement, escaped as ClickHouse wants them.
    pub(crate) parameters: Vec<(String, String)>,
    /// Settings, checked.
    pub(crate) settings: Settings,
    /// The body comes in native frames.
    pub(crate) decompress: bool,
    /// The answer goes in native frames.
    pub(crate) compress: bool,
    /// The answer waits for the end of the query, so that an error gets its own status.
    pub(crate) wait_end: bool,
    /// Only reading is allowed.
    pub(crate) readonly: bool,
    /// How the body is compressed.
    pub(crate) body_encoding: Option<ContentEncoding>,
    /// How the answer shall be compressed.
    pub(crate) answer_encoding: Option<ContentEncoding>,
    /// The `Content-Type` of the body.
    pub(crate) content_type: String,
}

/// What `query_id` may hold: it goes into a header and the log.
const QUERY_ID_BYTES_MAX: usize = 256;

impl Request {
    /// Reads URL parameters and headers. A GET only reads.
    pub(crate) fn parse(
        url: Vec<(String, String)>,
        headers: &HeaderMap,
        get: bool,
    ) -> Result<Self, Exception> {
        if url.len() > FIELDS_MAX {
            return Err(bad(format!("more than {FIELDS_MAX} URL parameters")));
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut request = Self {
            database: text("x-clickhouse-database").map(str::to_owned),
            default_format: text("x-clickhouse-format").unwrap_or_default().to_owned(),
            readonly: get,
            body_encoding: ContentEncoding::of_body(text(header::CONTENT_ENCODING.as_str()))?,
            content_type: text(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned(),
            ..Self::default()
        };
        let mut encode = true;
        for (name, value) in url {
            match name.as_str() {
                "query" => request.query = value,
                "database" => request.database = Some(value),
                "default_format" => request.default_format = value,
                "query_id" => request.query_id = value,
                "user" | "password" => {}
                "decompress" => request.decompress = flag(&name, &value)?,
                "compress" => request.compress = flag(&name, &value)?,
                "wait_end_of_query" => request.wait_end = flag(&name, &value)?,
                "enable_http_compression" => encode = flag(&name, &value)?,
                "readonly" if value != "0" => request.readonly = true,
                "readonly" => {}
                "client_protocol_version" if value == "0" => {}
                "session_id"
                | "session_timeout"
                | "session_check"
                | "role"
                | "client_protocol_version" => {
                    return Err(Exception::new(
                        code::NOT_IMPLEMENTED,
                        "NOT_IMPLEMENTED",
                        format!(
                            "The embedded engine has no {name}; use a ClickHouse server for it"
                        ),
                    ));
                }
                _ => request.other(&name, value)?,
            }
        }
        request.database = request.database.filter(|name| !name.is_empty());
        if request.default_format.is_empty() {
            request.default_format = "TabSeparated".into();
        }
        if request.query_id.is_empty() {
            request.query_id = uuid::Uuid::new_v4().to_string();
        }
        let plain = request.query_id.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || request.query_id.len() > QUERY_ID_BYTES_MAX {
            return Err(bad(format!(
                "query_id has more than {QUERY_ID_BYTES_MAX} characters, or odd ones"
            )));
        }
        request.answer_encoding =
            ContentEncoding::of_answer(text(header::ACCEPT_ENCODING.as_str())).filter(|_| encode);
        Ok(request)
    }

    /// Takes a field of a multipart body.
    pub(crate) fn field(&mut self, name: &str, value: &[u8]) -> Result<(), Exception> {
        let value = String::from_utf8(value.to_vec())
            .map_err(|_| bad(format!("the form field {name} is not UTF-8")))?;
        match name {
            "query" => self.query.push_str(&value),
            _ if name.starts_with("param_") => self.other(name, value)?,
            _ => {
                return Err(Exception::new(
                    code::NOT_IMPLEMENTED,
                    "NOT_IMPLEMENTED",
                    format!("The form field {name} is an external table, which is not supported"),
                ));
            }
        }
        Ok(())
    }

    fn other(&mut self, name: &str, value: String) -> Result<(), Exception> {
        match name.strip_prefix("param_") {
            Some(name) => {
                self.parameters.retain(|(known, _)| known != name);
                self.parameters.push((name.to_owned(), value));
                Ok(())
            }
            None => self.settings.set(name, &value),
        }
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Exception> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" | "" => Ok(false),
        _ => Err(bad(format!("{name} is {value:?}; it takes 0 or 1"))),
    }
}

fn bad(what: impl std::fmt::Display) -> Exception {
    Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", format!("Cannot take the request: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &[(&str, &str)]) -> Result<Request, Exception> {
        let url = url.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Request::parse(url, &HeaderMap::new(), false)
    }

    #[test]
    fn parameters_of_the_official_client() {
        let request = parse(&[
            ("database", "vl"),
            ("query", "INSERT INTO t(a) FORMAT RowBinary"),
            ("decompress", "1"),
            ("insert_deduplication_token", "t/0/1-5"),
            ("param_x", "a\\tb"),
        ])
        .unwrap();
        assert_eq!(request.database.as_deref(), Some("vl"));
        assert!(request.decompress && !request.compress && !request.readonly);
        assert_eq!(request.parameters, [("x".to_owned(), "a\\tb".to_owned())]);
        assert_eq!(request.settings.get("insert_deduplication_token"), Some("t/0/1-5"));
        assert_eq!(request.default_format, "TabSeparated");
        assert_eq!(request.query_id.len(), 36);
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert_eq!(parse(&[("session_id", "x")]).unwrap_err().code, code::NOT_IMPLEMENTED);
        assert_eq!(parse(&[("role", "x")]).unwrap_err().code, code::NOT_IMPLEMENTED);
        assert_eq!(parse(&[("nonsense", "x")]).unwrap_err().code, code::UNKNOWN_SETTING);
        assert_eq!(parse(&[("decompress", "yes")]).unwrap_err().code, code::BAD_ARGUMENTS);
        assert_eq!(parse(&[("query_id", "a\r\nb")]).unwrap_err().code, code::BAD_ARGUMENTS);
        let mut request = parse(&[]).unwrap();
        assert_eq!(request.field("table", b"x").unwrap_err().code, code::NOT_IMPLEMENTED);
        assert_eq!(request.field("query", b"\xff").unwrap_err().code, code::BAD_ARGUMENTS);
    }

    #[test]
    fn answers_are_compressed_as_asked() {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, "lz4".parse().unwrap())]);
        let request = Request::parse(Vec::new(), &headers, true).unwrap();
        assert_eq!(request.answer_encoding, Some(ContentEncoding::Lz4));
        assert!(request.readonly);
        let off = vec![("enable_http_compression".to_owned(), "0".to_owned())];
        assert_eq!(Request::parse(off, &headers, true).unwrap().answer_encoding, None);
    }
}

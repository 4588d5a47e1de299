//! Answers: what a server says, as what to do next.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use rules_event::Timestamp;
use rules_service::logs::chain;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The longest answer read: 8 MiB, many times a status resource of 2000 objects.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest `Retry-After` that is obeyed; a longer one would outsit a legal deadline.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) server_date: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.body))
    }

    /// The server's explanation. Spec: TAXII 2.1, 3.6 "Error Message".
    fn explanation(&self) -> String {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Message {
            title: String,
            description: String,
        }
        let message: Message = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = match (message.title.as_str(), message.description.as_str()) {
            ("", "") => String::from_utf8_lossy(&self.body).into_owned(),
            (title, "") => title.to_owned(),
            (title, description) => format!("{title}: {description}"),
        };
        text.chars().filter(|it| !it.is_control()).take(500).collect()
    }
}

/// Why a request did not succeed, as what to do about it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Try again later, for ever. `remedy` is set when a person has to do something first.
    Wait { code: String, problem: String, after: Option<Duration>, remedy: bool },
    /// The request is too large: send less at a time.
    TooLarge(Answer),
    /// The content is refused: a person has to look.
    Refused { answer: Answer, problem: String },
    /// There is no such thing.
    Absent(Answer),
}

impl Trouble {
    pub(super) fn network(error: &reqwest::Error) -> Self {
        let problem = format!("cannot reach the centre: {}", chain(error));
        Self::Wait { code: "network".into(), problem, after: None, remedy: false }
    }

    pub(crate) fn setup(problem: impl Into<String>) -> Self {
        let code = "setup".to_owned();
        Self::Wait { code, problem: problem.into(), after: None, remedy: true }
    }

    /// Returns what the metrics count it as.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Wait { code, .. } => code.clone(),
            Self::TooLarge(answer) | Self::Refused { answer, .. } | Self::Absent(answer) => {
                answer.http.to_string()
            }
        }
    }
}

/// The centre's word on a push. Spec: TAXII 2.1, 4.3 "Status Resource".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct StatusResource {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) total_count: u64,
    pub(crate) success_count: u64,
    pub(crate) successes: Vec<StatusDetail>,
    pub(crate) failure_count: u64,
    pub(crate) failures: Vec<StatusDetail>,
    pub(crate) pending_count: u64,
}

/// The centre's word on one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct StatusDetail {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) message: String,
}

/// Reads an answer to its end and says what it means.
pub(super) async fn judge(mut response: Response) -> Result<Answer, Trouble> {
    let status = response.status();
    let header = |name: &str| {
        response.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned)
    };
    let (server_date, retry_after) = (header("date"), header("retry-after"));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::network(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let problem = format!("the centre's answer is longer than {ANSWER_BYTES_MAX} bytes");
            return Err(Trouble::setup(problem));
        }
        body.extend_from_slice(&chunk);
    }
    let answer = Answer { http: status.as_u16(), server_date, body };
    if status.is_success() {
        return Ok(answer);
    }
    let said = answer.explanation();
    let wait = |problem: String, after, remedy| {
        Err(Trouble::Wait { code: status.as_u16().to_string(), problem, after, remedy })
    };
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Err(Trouble::TooLarge(answer)),
        StatusCode::NOT_FOUND => Err(Trouble::Absent(answer)),
        StatusCode::UNAUTHORIZED => wait(
            format!("the centre refuses our account (401): correct user or password file; {said}"),
            None,
            true,
        ),
        StatusCode::FORBIDDEN => wait(
            format!("the centre denies us this collection (403): ask it for write access; {said}"),
            None,
            true,
        ),
        StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            wait(format!("the server does not speak TAXII 2.1 ({status}); {said}"), None, true)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            wait(format!("{status}; {said}"), retry_after.and_then(|it| delay(&it)), false)
        }
        _ if status.is_server_error() => {
            wait(format!("{status}; {said}"), retry_after.and_then(|it| delay(&it)), false)
        }
        _ if status.is_redirection() => {
            wait(format!("the server redirects ({status}): correct taxii.url"), None, true)
        }
        _ => {
            let problem = format!("the centre refused the content ({status}): {said}");
            Err(Trouble::Refused { answer, problem })
        }
    }
}

pub(super) fn parse_status(answer: Answer) -> Result<(StatusResource, Answer), Trouble> {
    match serde_json::from_slice::<StatusResource>(&answer.body) {
        Ok(status) if matches!(status.status.as_str(), "complete" | "pending") => {
            Ok((status, answer))
        }
        // Something between us and the centre answered; the push will be repeated.
        _ => Err(Trouble::Wait {
            code: answer.http.to_string(),
            problem: "the answer is no TAXII status: is there a proxy in between?".into(),
            after: None,
            remedy: true,
        }),
    }
}

/// Whether a list of versions holds this one. Spec: TAXII 2.1, 3.8 "Versions Resource".
pub(super) fn has_version(body: &[u8], version: &str) -> bool {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Versions {
        versions: Vec<String>,
    }
    let list: Versions = serde_json::from_slice(body).unwrap_or_default();
    list.versions.iter().any(|theirs| version.is_empty() || same_moment(theirs, version))
}

/// Whether an envelope holds this version of an object.
pub(super) fn has_object(body: &[u8], id: &str, version: &str) -> bool {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Envelope {
        objects: Vec<Object>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Object {
        id: String,
        modified: String,
    }
    let envelope: Envelope = serde_json::from_slice(body).unwrap_or_default();
    let fits = |it: &Object| version.is_empty() || same_moment(&it.modified, version);
    envelope.objects.iter().any(|it| it.id == id && fits(it))
}

/// Servers may write a moment with more or fewer digits than we did.
fn same_moment(theirs: &str, ours: &str) -> bool {
    match (theirs.parse::<Timestamp>(), ours.parse::<Timestamp>()) {
        (Ok(theirs), Ok(ours)) => theirs == ours,
        _ => theirs == ours,
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date. RFC 9110, 10.2.3.
fn delay(text: &str) -> Option<Duration> {
    let delay = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
            until.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default()
        }
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        assert_eq!(delay("7"), Some(Duration::from_secs(7)));
        assert_eq!(delay("9999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(delay("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(delay("Sun, 21 Oct 2255 07:28:00 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(delay("soon"), None);
    }

    #[test]
    fn versions_are_compared_as_moments() {
        let body = br#"{"objects":[{"id":"a--1","modified":"2026-01-01T00:00:00Z"}]}"#;
        assert!(has_object(body, "a--1", "2026-01-01T00:00:00.000Z"));
        assert!(has_object(body, "a--1", ""));
        assert!(!has_object(body, "a--1", "2026-01-01T00:00:00.001Z"));
        assert!(!has_object(body, "a--2", ""));
        assert!(!has_object(b"<html>", "a--1", ""));
        let body = br#"{"versions":["2026-01-01T00:00:00.000000Z"]}"#;
        assert!(has_version(body, "2026-01-01T00:00:00.000Z") && has_version(body, ""));
        assert!(!has_version(body, "2026-01-01T00:00:01.000Z") && !has_version(b"[]", ""));
    }
}

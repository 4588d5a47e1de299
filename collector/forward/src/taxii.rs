//! TAXII 2.1 client: one request at a time, every answer turned into what to do next.
//!
//! Spec: TAXII 2.1 (OASIS, 10 June 2021), 4.1 discovery, 4.2 API root, 5.1 collections, 5.5 add
//! objects, 4.3 status, 5.6 get an object.

mod answer;
mod session;

use std::time::Duration;

use reqwest::{Method, Url};

use crate::{Error, Result, TaxiiConfig};

use answer::{has_object, has_version, judge, parse_status};

pub(crate) use answer::{Answer, StatusResource, Trouble};
pub(crate) use session::Session;

/// The media type of every request and answer. Spec: TAXII 2.1, 1.6.8.
const MEDIA_TYPE: &str = "application/taxii+json;version=2.1";
/// A request takes at most this long; slow lines of communes are slow.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// A connection is made within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Speaks to one server.
#[derive(Debug)]
pub(crate) struct Taxii {
    config: TaxiiConfig,
    url: Url,
    http: reqwest::Client,
}

impl Taxii {
    /// Checks the configuration and builds the client. Nothing is sent.
    pub(crate) fn new(config: &TaxiiConfig) -> Result<Self> {
        let url = address("taxii.url", &config.url)?;
        if !config.api_root.is_empty() {
            address("taxii.api_root", &config.api_root)?;
        }
        let mut http = reqwest::Client::builder()
            // A redirect would carry the password and the report to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("vonglau/", env!("CARGO_PKG_VERSION")));
        let read = |key: &'static str, path: &std::path::Path| {
            std::fs::read(path).map_err(|source| Error::ConfigFile {
                key,
                path: path.display().to_string(),
                source,
            })
        };
        if let Some(path) = &config.ca_file {
            let pem = read("taxii.ca_file", path)?;
            let authority = reqwest::Certificate::from_pem(&pem).map_err(Error::Client)?;
            // Only this authority: whoever names one means it (pinning).
            http = http.tls_built_in_root_certs(false).add_root_certificate(authority);
        }
        if let Some(path) = &config.identity_file {
            let pem = read("taxii.identity_file", path)?;
            http = http.identity(reqwest::Identity::from_pem(&pem).map_err(Error::Client)?);
        }
        let http = http.build().map_err(Error::Client)?;
        Ok(Self { config: config.clone(), url, http })
    }

    /// Pushes an envelope. Spec: TAXII 2.1, 5.5 "Add Objects".
    pub(crate) async fn push(
        &self,
        session: &Session,
        body: Vec<u8>,
    ) -> Result<(StatusResource, Answer), Trouble> {
        let url = join(&session.collection, "objects/")?;
        let answer = self.send(session, Method::POST, url, Some(body)).await?;
        parse_status(answer)
    }

    /// Asks how a push went. Spec: TAXII 2.1, 4.3 "Get Status".
    pub(crate) async fn poll(
        &self,
        session: &Session,
        status_id: &str,
    ) -> Result<(StatusResource, Answer), Trouble> {
        let url = join(&session.root, &format!("status/{}/", segment(status_id)))?;
        let answer = self.send(session, Method::GET, url, None).await?;
        parse_status(answer)
    }

    /// Looks whether the collection holds this version of an object; an empty version stands for any.
    ///
    /// The list of versions is asked first: it is small, and medallion 3.0 answers 500 to a question
    /// for an extension definition itself, whose `version` it takes for a time. A server that does not
    /// know that list is asked for the object. Spec: TAXII 2.1, 5.8 "Get Object Versions" and 5.6.
    pub(crate) async fn holds(
        &self,
        session: &Session,
        id: &str,
        version: &str,
    ) -> Result<(bool, Answer), Trouble> {
        if !session.can_read {
            return Err(Trouble::setup(
                "the centre refused objects that may be there already, and our account may not \
                 read the collection to make sure; ask the centre for read access",
            ));
        }
        let object = join(&session.collection, &format!("objects/{}/", segment(id)))?;
        match self.send(session, Method::GET, join(&object, "versions/")?, None).await {
            Ok(answer) if has_version(&answer.body, version) => return Ok((true, answer)),
            Ok(_) | Err(Trouble::Absent(_)) => {}
            Err(other) => return Err(other),
        }
        let mut url = object;
        url.query_pairs_mut().append_pair("match[version]", "all");
        match self.send(session, Method::GET, url, None).await {
            Ok(answer) => Ok((has_object(&answer.body, id, version), answer)),
            Err(Trouble::Absent(answer)) => Ok((false, answer)),
            Err(other) => Err(other),
        }
    }

    async fn send(
        &self,
        session: &Session,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Trouble> {
        let mut request = self.http.request(method, url).header("accept", MEDIA_TYPE);
        if let Some(password) = &session.password {
            request = request.basic_auth(&self.config.user, Some(password));
        }
        if let Some(body) = body {
            request = request.header("content-type", MEDIA_TYPE).body(body);
        }
        let response = request.send().await.map_err(|error| Trouble::network(&error))?;
        judge(response).await
    }
}

/// Reads an address; without TLS only loopback is spoken to.
fn address(key: &'static str, text: &str) -> Result<Url> {
    let bad = |problem: &str| Err(Error::Config { key, problem: format!("'{text}' {problem}") });
    let Ok(mut url) = Url::parse(text) else {
        return bad("is not an address such as https://taxii.example/taxii2/");
    };
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return bad("is not https; passwords and reports are sent over TLS only");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return bad("holds a password; use taxii.user and taxii.password_file");
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn join(base: &Url, path: &str) -> Result<Url, Trouble> {
    base.join(path).map_err(|error| Trouble::setup(format!("cannot build an address: {error}")))
}

/// One path segment: what a server chose as an id must not become a path of its own.
fn segment(text: &str) -> String {
    text.chars().filter(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_tls_are_for_loopback() {
        assert!(address("k", "http://127.0.0.1:80/taxii2").unwrap().path().ends_with("taxii2/"));
        for bad in ["http://taxii.example/", "ftp://x/", "nothing", "https://u:p@x.example/"] {
            assert!(address("k", bad).is_err(), "{bad}");
        }
    }
}

//! Session: discovery, API root and collection, asked once and kept until something goes wrong.

use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Taxii, Trouble, join, segment};

/// Content a server takes when it does not say: 10 MB.
const CONTENT_BYTES_DEFAULT: usize = 10_000_000;

/// Where to push.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) root: Url,
    pub(super) collection: Url,
    pub(super) password: Option<String>,
    pub(super) can_read: bool,
    /// The longest body the server takes.
    pub(crate) content_bytes_max: usize,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Discovery {
    default: Option<String>,
    api_roots: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Root {
    versions: Vec<String>,
    max_content_length: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Collections {
    collections: Vec<Collection>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct Collection {
    id: String,
    can_read: bool,
    can_write: bool,
}

impl Taxii {
    /// Finds the collection to push to. Spec: TAXII 2.1, 4.1, 4.2, 5.1 and 5.2.
    pub(crate) async fn open(&self) -> Result<Session, Trouble> {
        let mut session = Session {
            root: self.url.clone(),
            collection: self.url.clone(),
            password: self.password().await?,
            can_read: false,
            content_bytes_max: CONTENT_BYTES_DEFAULT,
        };
        session.root = self.root(&session).await?;
        let root: Root = self.get(&session, session.root.clone(), "API root").await?;
        // Spec: "application/taxii+json;version=2.1"; older drafts wrote "taxii-2.1".
        if !root.versions.iter().any(|it| it.ends_with("2.1")) {
            return Err(Trouble::setup("the API root does not offer TAXII 2.1"));
        }
        if let Some(bytes) = root.max_content_length {
            session.content_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
        }
        let found = self.collection(&session).await?;
        session.can_read = found.can_read;
        session.collection = join(&session.root, &format!("collections/{}/", segment(&found.id)))?;
        Ok(session)
    }

    async fn root(&self, session: &Session) -> Result<Url, Trouble> {
        if !self.config.api_root.is_empty() {
            return super::address("taxii.api_root", &self.config.api_root)
                .map_err(|error| Trouble::setup(error.to_string()));
        }
        let discovery: Discovery = self.get(session, self.url.clone(), "discovery page").await?;
        let Some(root) = discovery.default.or_else(|| discovery.api_roots.first().cloned()) else {
            return Err(Trouble::setup("the server names no API root: set taxii.api_root"));
        };
        // A relative reference is allowed (TAXII 2.1, 4.1.1).
        let mut root = join(&self.url, &root)?;
        if !root.path().ends_with('/') {
            let path = format!("{}/", root.path());
            root.set_path(&path);
        }
        if root.origin() != self.url.origin() {
            return Err(Trouble::setup(format!(
                "the server sends us to another host ({root}): set taxii.api_root if that is right"
            )));
        }
        Ok(root)
    }

    async fn collection(&self, session: &Session) -> Result<Collection, Trouble> {
        let wanted = &self.config.collection;
        let list = join(&session.root, "collections/")?;
        let found = if wanted.is_empty() {
            let all: Collections = self.get(session, list, "list of collections").await?;
            let mut open = all.collections.into_iter().filter(|it| it.can_write);
            match (open.next(), open.next()) {
                (Some(only), None) => only,
                (None, _) => {
                    return Err(Trouble::setup(
                        "there is no collection we may write to: ask the centre for write access",
                    ));
                }
                _ => {
                    return Err(Trouble::setup(
                        "there are several collections we may write to: set taxii.collection",
                    ));
                }
            }
        } else {
            let url = join(&list, &format!("{}/", segment(wanted)))?;
            let mut found: Collection = self.get(session, url, "collection").await?;
            if found.id.is_empty() {
                found.id.clone_from(wanted);
            }
            found
        };
        if !found.can_write {
            return Err(Trouble::setup(format!(
                "collection {} is read-only for us: ask the centre for write access",
                found.id
            )));
        }
        Ok(found)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        session: &Session,
        url: Url,
        what: &str,
    ) -> Result<T, Trouble> {
        let answer = match self.send(session, Method::GET, url, None).await {
            Err(Trouble::Absent(_)) => {
                return Err(Trouble::setup(format!(
                    "the server has no such {what}: correct taxii.url, api_root or collection"
                )));
            }
            Err(Trouble::Refused { problem, .. }) => return Err(Trouble::setup(problem)),
            other => other?,
        };
        serde_json::from_slice(&answer.body).map_err(|_| {
            Trouble::setup(format!("the {what} is not TAXII: is taxii.url the discovery page?"))
        })
    }

    async fn password(&self) -> Result<Option<String>, Trouble> {
        if self.config.user.is_empty() {
            return Ok(None);
        }
        let Some(path) = &self.config.password_file else { return Ok(Some(String::new())) };
        match tokio::fs::read_to_string(path).await {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => Err(Trouble::setup(format!(
                "cannot read taxii.password_file {}: {error}",
                path.display()
            ))),
        }
    }
}

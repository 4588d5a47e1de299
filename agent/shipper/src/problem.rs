//! Failure: what Kafka refused, in words that name the remedy.

/// The kinds of trouble an operator acts on differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No broker answers.
    Unreachable,
    /// TLS does not come about.
    Tls,
    /// Wrong user or password, or a wrong mechanism.
    Credentials,
    /// Known, but not allowed.
    Permission,
    /// The topic does not exist.
    NoTopic,
    /// The broker takes no message of this size.
    TooLarge,
    /// The properties make no client: a missing file, a misspelt value.
    Properties,
    /// Any other.
    Other,
}

/// Something Kafka or its client refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) trouble: Trouble,
    /// The topic, where it concerns one.
    pub(crate) topic: Option<&'static str>,
    /// The client's own words.
    pub(crate) reason: String,
}

impl Failure {
    /// Returns the text for the operator: what, where, why, and what to do.
    pub(crate) fn text(&self, bootstrap: &str) -> String {
        let topic = self.topic.unwrap_or("our topics");
        let (what, remedy) = match self.trouble {
            Trouble::Unreachable => (
                format!("no broker of {bootstrap} answers"),
                "check the network, the firewall and kafka.bootstrap".to_owned(),
            ),
            Trouble::Tls => (
                format!("TLS with {bootstrap} fails"),
                "check that no certificate has expired, ssl.ca.location, and that the broker's port \
                 speaks TLS"
                    .to_owned(),
            ),
            Trouble::Credentials => (
                format!("{bootstrap} does not accept our credentials"),
                "check sasl.mechanism, sasl.username and the password, or the client certificate"
                    .to_owned(),
            ),
            Trouble::Permission => (
                format!("we may not write to {topic} on {bootstrap}"),
                "grant this agent WRITE and DESCRIBE on the topic, and IDEMPOTENT_WRITE".to_owned(),
            ),
            Trouble::NoTopic => (
                format!("{topic} does not exist on {bootstrap}"),
                "start the collector, which creates it, or create it with \
                 max.message.bytes=2097152"
                    .to_owned(),
            ),
            Trouble::TooLarge => (
                format!("{bootstrap} refuses a batch of {topic} for its size"),
                "set max.message.bytes=2097152 on the topic".to_owned(),
            ),
            Trouble::Properties => {
                ("no kafka client can be made".to_owned(), "check kafka.properties".to_owned())
            }
            Trouble::Other => (
                format!("{bootstrap} refuses a batch of {topic}"),
                "see the broker's log".to_owned(),
            ),
        };
        let reason = &self.reason;
        format!("{what} ({reason}); {remedy}. Nothing is lost: batches wait in the spool")
    }
}

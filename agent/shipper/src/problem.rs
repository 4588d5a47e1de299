//! Failure: what Kafka refused, in words that name the remedy.

/// The kinds of trouble an operator acts on differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No broker answers.
    Unreachable,
    /// Nothing is acknowledged, and nothing said of why.
    Stalled,
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
    /// Fewer copies than the topic asks for.
    Replicas,
    /// The time of a message is not believed.
    Clock,
    /// The broker cannot write.
    BrokerDisk,
    /// The properties make no client: a missing file, a misspelt value.
    Properties,
    /// Any other.
    Other,
}

/// Names of the kinds of failures, as [`crate::Progress::failed`] gets them.
pub const FAILURE_KINDS: [&str; 12] = [
    "unreachable",
    "stalled",
    "tls",
    "credentials",
    "permission",
    "no_topic",
    "too_large",
    "replicas",
    "clock",
    "broker_disk",
    "properties",
    "other",
];

impl Trouble {
    /// Returns its name in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        FAILURE_KINDS[self as usize]
    }
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
        let (what, remedy) = self.what_and_remedy(bootstrap);
        let reason = &self.reason;
        format!("{what} ({reason}); {remedy}. Nothing is lost: batches wait in the spool")
    }

    fn what_and_remedy(&self, bootstrap: &str) -> (String, String) {
        let topic = self.topic.unwrap_or("our topics");
        match self.trouble {
            // What a broker says whose port wants TLS or SASL, and what the library makes of it.
            Trouble::Unreachable if self.reason.contains("security.protocol") => (
                format!("{bootstrap} closes the connection"),
                "check security.protocol in kafka.properties: the port may want TLS (ssl) or a \
                 login (sasl_ssl)"
                    .to_owned(),
            ),
            Trouble::Unreachable => (
                format!("no broker of {bootstrap} answers"),
                "check the network, the firewall and kafka.bootstrap".to_owned(),
            ),
            Trouble::Stalled => (
                format!("{bootstrap} acknowledges nothing of {topic}"),
                "check security.protocol (a port that wants TLS keeps silent to others), and the \
                 load and the disks of the brokers"
                    .to_owned(),
            ),
            Trouble::Tls => (format!("TLS with {bootstrap} fails"), self.tls_remedy(bootstrap)),
            Trouble::Credentials => (
                format!("{bootstrap} does not accept our credentials"),
                "check sasl.mechanism, sasl.username and the password in kafka.properties (with \
                 sasl.password.file a corrected password needs no restart), or the client certificate"
                    .to_owned(),
            ),
            Trouble::Permission => (
                format!("we may not write to {topic} on {bootstrap}"),
                "grant this agent WRITE and DESCRIBE on the topic, and IDEMPOTENT_WRITE on the \
                 cluster (kafka-acls.sh --add)"
                    .to_owned(),
            ),
            Trouble::NoTopic => (
                format!("{topic} does not exist on {bootstrap}, or we may not see it"),
                "start the collector, which creates it, or create it with \
                 max.message.bytes=2097152; if it is there, grant this agent DESCRIBE"
                    .to_owned(),
            ),
            Trouble::TooLarge => (
                format!("{bootstrap} refuses a batch of {topic} for its size"),
                format!(
                    "set max.message.bytes=2097152 on the topic (kafka-configs.sh --alter \
                     --entity-type topics --entity-name {topic} --add-config \
                     max.message.bytes=2097152); the batch is kept and this lane waits for it, the \
                     other lane goes on"
                ),
            ),
            Trouble::Replicas => (
                format!("{bootstrap} has fewer replicas of {topic} in sync than it asks for"),
                format!(
                    "start the brokers that are down (kafka-topics.sh --describe --topic {topic} \
                     shows Isr), or lower min.insync.replicas of the topic"
                ),
            ),
            Trouble::Clock => (
                format!("{bootstrap} does not believe the time of a batch of {topic}"),
                format!(
                    "this host's clock says {}: set it right (chronyc tracking), or use \
                     message.timestamp.type=LogAppendTime on the topic",
                    now()
                ),
            ),
            Trouble::BrokerDisk => (
                format!("a broker of {bootstrap} cannot write {topic}"),
                "check the disks of the broker (full, failed) and its server.log".to_owned(),
            ),
            Trouble::Properties => {
                (format!("no client for {bootstrap} can be made"), "check kafka.properties".to_owned())
            }
            Trouble::Other => (
                format!("{bootstrap} refuses a batch of {topic}"),
                "see the broker's log".to_owned(),
            ),
        }
    }

    /// OpenSSL tells whose certificate is not taken by what it did not like, or by the alert that the
    /// other side sent (RFC 8446, section 6).
    fn tls_remedy(&self, bootstrap: &str) -> String {
        let has = |text: &str| self.reason.to_ascii_lowercase().contains(text);
        let first = bootstrap.split(',').next().unwrap_or(bootstrap).trim();
        if has("alert") && has("expired") {
            "our certificate (ssl.certificate.location) has expired: renew it".to_owned()
        } else if has("alert") && (has("unknown ca") || has("bad certificate") || has("required")) {
            "the broker does not accept our certificate: check ssl.certificate.location and \
             ssl.key.location, and that its authority is in the broker's truststore"
                .to_owned()
        } else if has("verify") || has("verified") {
            format!(
                "the broker's certificate has expired or is not valid yet (this host's clock says \
                 {}), is for another host name, or is not signed by the authority in \
                 ssl.ca.location; openssl s_client -connect {first} -CAfile FILE says which",
                now()
            )
        } else if has("plaintext") || has("wrong version") || has("packet length") {
            "the port does not speak TLS: check the port in kafka.bootstrap and security.protocol"
                .to_owned()
        } else {
            "check that no certificate has expired, ssl.ca.location, and that the broker's port \
             speaks TLS"
                .to_owned()
        }
    }
}

/// The host's clock, to the second, for comparing.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_says_what_where_why_and_what_to_do() {
        let kinds = [
            (Trouble::Unreachable, "refused", "firewall"),
            (Trouble::Unreachable, "verify that security.protocol is correct", "sasl_ssl"),
            (Trouble::Stalled, "no answer for 30 s", "security.protocol"),
            (Trouble::Tls, "certificate verify failed", "openssl s_client -connect k1:9093"),
            (Trouble::Tls, "sslv3 alert certificate expired", "renew it"),
            (Trouble::Tls, "tlsv1 alert unknown ca", "truststore"),
            (Trouble::Tls, "wrong version number", "does not speak TLS"),
            (Trouble::Tls, "connecting to a PLAINTEXT broker listener?", "does not speak TLS"),
            (Trouble::Tls, "something else", "ssl.ca.location"),
            (Trouble::Credentials, "Authentication failed", "sasl.password.file"),
            (Trouble::Permission, "denied", "IDEMPOTENT_WRITE"),
            (Trouble::NoTopic, "unknown", "DESCRIBE"),
            (Trouble::TooLarge, "too large", "max.message.bytes=2097152"),
            (Trouble::Replicas, "not enough", "min.insync.replicas"),
            (Trouble::Clock, "timestamp", "chronyc"),
            (Trouble::BrokerDisk, "storage", "server.log"),
            (Trouble::Properties, "no such file", "kafka.properties"),
            (Trouble::Other, "whatever", "broker's log"),
        ];
        for (trouble, reason, remedy) in kinds {
            let topic = Some("vonglau.events.v1");
            let failure = Failure { trouble, topic, reason: reason.to_owned() };
            let text = failure.text("k1:9093,k2:9093");
            assert!(text.contains(reason) && text.contains(remedy), "{text}");
            assert!(text.contains("Nothing is lost"), "{text}");
            assert!(text.contains("k1:9093"), "{text}");
        }
        assert_eq!(Trouble::Other.as_str(), "other");
        assert_eq!(Trouble::Tls.as_str(), "tls");
        assert_eq!(Trouble::BrokerDisk.as_str(), "broker_disk");
    }
}

//! The shipper against a real Apache Kafka broker with TLS, logins and an authorizer: each refusal is
//! told with its remedy, nothing is lost, and it goes on by itself once the cause is gone. (Too few
//! replicas cannot be had from one broker: since Kafka 4.0 it lowers min.insync.replicas to their number;
//! the mock cluster says it.)
//!
//! Needs `VONGLAU_TEST_KAFKA`, a folder with the broker's jars (`tests/lib/kafka.sh fetch`), and
//! `openssl`.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent_shipper::{ShipperConfig, Wait};
use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use agent_wire::Lane;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;

use crate::site::{Site, assert_chained, until};

/// A Java machine takes its time to start on a busy host.
const START_WAIT_MAX: Duration = Duration::from_secs(120);

/// A broker of our own with three doors: plain for the test itself, TLS with a login, and TLS with a
/// certificate that has expired.
struct Broker {
    libs: PathBuf,
    dir: PathBuf,
    plain: u16,
    secure: u16,
    expired: u16,
    process: Option<Child>,
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/lib/kafka.sh"))
}

fn free_port() -> u16 {
    run(script().arg("free-port")).trim().parse().unwrap()
}

impl Broker {
    fn new(libs: PathBuf, dir: &Path) -> Self {
        let [plain, secure, expired] = [free_port(), free_port(), free_port()];
        let broker = Self { libs, dir: dir.to_owned(), plain, secure, expired, process: None };
        broker.make_certificates();
        let listeners = format!(
            "PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},EXPIRED://127.0.0.1:{expired}"
        );
        let login = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                     user_agent=\"right\" user_stranger=\"right\";";
        let properties = format!(
            "listeners={listeners},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners={listeners}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,EXPIRED:SSL\n\
             listener.name.secure.sasl.enabled.mechanisms=PLAIN\n\
             listener.name.secure.plain.sasl.jaas.config={login}\n\
             listener.name.secure.ssl.keystore.type=PEM\n\
             listener.name.secure.ssl.keystore.location={dir}/broker.pem\n\
             listener.name.expired.ssl.keystore.type=PEM\n\
             listener.name.expired.ssl.keystore.location={dir}/expired.pem\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS;User:agent\n",
            controller = plain + 1,
            dir = dir.display(),
        );
        std::fs::write(dir.join("extra.properties"), properties).unwrap();
        broker
    }

    /// Two authorities that know nothing of each other, and two certificates of the first: one good,
    /// one that ended yesterday.
    fn make_certificates(&self) {
        let openssl = |words: &str| {
            run(Command::new("openssl").args(words.split(' ')).current_dir(&self.dir));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for authority in ["ca", "other"] {
            openssl(&format!(
                "req -x509 {key} -keyout {authority}.key -out {authority}.pem -subj /CN={authority} -days 2"
            ));
        }
        std::fs::write(self.dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        for (name, days) in [("broker", "2"), ("expired", "-1")] {
            openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN=127.0.0.1"));
            openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} \
                 -extfile names -out {name}.crt"
            ));
            let part =
                |end| std::fs::read_to_string(self.dir.join(format!("{name}.{end}"))).unwrap();
            std::fs::write(self.dir.join(format!("{name}.pem")), part("key") + &part("crt"))
                .unwrap();
        }
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.dir.join("broker.log")).unwrap();
        let child = script()
            .args([Path::new("run"), &self.libs, &self.dir.join("data")])
            .arg(self.plain.to_string())
            .env("KAFKA_EXTRA", self.dir.join("extra.properties"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(child);
        let deadline = Instant::now() + START_WAIT_MAX;
        while TcpStream::connect(("127.0.0.1", self.secure)).is_err() {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the broker does not start: {}",
                std::fs::read_to_string(self.dir.join("broker.log")).unwrap()
            );
            std::thread::yield_now();
        }
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn plain(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.plain()).create().unwrap()
    }

    async fn create_topics(&self) {
        let topics = [Lane::Alerts, Lane::Events, Lane::Heartbeats]
            .map(|lane| NewTopic::new(lane.topic(), 1, TopicReplication::Fixed(1)));
        let made = self.admin().create_topics(&topics, &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Sets these and no other properties of the topic of events.
    async fn configure_events(&self, pairs: &[(&str, &str)]) {
        let resource = ResourceSpecifier::Topic(Lane::Events.topic());
        let config = pairs
            .iter()
            .fold(AlterConfig::new(resource), |config, (name, value)| config.set(name, value));
        let done = self.admin().alter_configs([&config], &AdminOptions::new()).await.unwrap();
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// What an agent is told of the door with a login.
    fn as_user(&self, user: &str, password: &str, authority: &str) -> ShipperConfig {
        let authority = self.dir.join(authority).display().to_string();
        config(
            self.secure,
            &[
                ("security.protocol", "sasl_ssl"),
                ("ssl.ca.location", &authority),
                ("sasl.mechanism", "PLAIN"),
                ("sasl.username", user),
                ("sasl.password", password),
            ],
        )
    }

    fn agent(&self) -> ShipperConfig {
        self.as_user("agent", "right", "ca.pem")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn config(port: u16, properties: &[(&str, &str)]) -> ShipperConfig {
    let pairs = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let properties: BTreeMap<String, String> = pairs.collect();
    ShipperConfig { bootstrap: format!("127.0.0.1:{port}"), properties }
}

/// Starts with a configuration that cannot work and waits until the problem names its remedy; then
/// nothing was acknowledged.
async fn is_told(site: &mut Site, kafka: ShipperConfig, what: &str, remedy: &str) {
    site.append(Lane::Events, 1);
    let before = site.cursor(LANE_EVENTS);
    let bootstrap = kafka.bootstrap.clone();
    site.start(kafka);
    let told = || site.health.problems().join("\n");
    let deadline = Instant::now() + Duration::from_secs(40);
    while !(told().contains(what) && told().contains(remedy)) {
        assert!(
            Instant::now() < deadline,
            "'{what}' and '{remedy}' were not told, but: {}",
            told()
        );
        tokio::task::yield_now().await;
    }
    let text = told();
    eprintln!("measured: {text}");
    assert!(text.contains(&bootstrap) && text.contains("Nothing is lost"), "{text}");
    assert_eq!(site.cursor(LANE_EVENTS), before);
    site.end().await;
    site.health.resolved("kafka");
    site.health.resolved("kafka: events");
    site.health.resolved("kafka: alerts");
}

#[tokio::test]
async fn a_real_broker_refuses_for_every_reason_and_nothing_is_lost() {
    let Some(libs) = std::env::var_os("VONGLAU_TEST_KAFKA").map(PathBuf::from) else {
        eprintln!("skipped: VONGLAU_TEST_KAFKA names no folder with the jars of Apache Kafka");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Broker::new(libs, dir.path());
    broker.start();
    let mut site = Site::new();

    // Who is there, and who we are.
    let wrong_authority = broker.as_user("agent", "right", "other.pem");
    is_told(&mut site, wrong_authority, "TLS with", "ssl.ca.location").await;
    let authority = dir.path().join("ca.pem").display().to_string();
    let tls = [("security.protocol", "ssl"), ("ssl.ca.location", authority.as_str())];
    is_told(&mut site, config(broker.expired, &tls), "has expired", "this host's clock says").await;
    let wrong_password = broker.as_user("agent", "wrong", "ca.pem");
    is_told(&mut site, wrong_password, "credentials", "sasl.password.file").await;
    is_told(&mut site, config(broker.secure, &[]), "acknowledges nothing", "security.protocol")
        .await;
    is_told(&mut site, config(broker.plain, &tls), "TLS with", "security.protocol").await;
    let missing = broker.as_user("agent", "right", "nowhere.pem");
    is_told(&mut site, missing, "can be made", "kafka.properties").await;

    // What is there, and what we may.
    is_told(&mut site, broker.agent(), "vonglau.events.v1 does not exist", "start the collector")
        .await;
    broker.create_topics().await;
    let stranger = broker.as_user("stranger", "right", "ca.pem");
    is_told(&mut site, stranger, "we may not write", "IDEMPOTENT_WRITE").await;

    // Everything that waited goes through, in order and unaltered, over TLS and a login.
    let mut count = 8;
    site.start(broker.agent());
    until("delivery", || site.cursor(LANE_EVENTS) == count).await;
    until("health", || site.health.problems().is_empty()).await;

    // A batch too large is kept, its lane waits, alerts go on.
    broker.configure_events(&[("max.message.bytes", "4000")]).await;
    let mut state = 88_172_645_463_325_252u64;
    let noise: String = std::iter::repeat_with(|| {
        // Marsaglia's xorshift: text that does not compress much.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(33 + (state >> 32) as u8 % 90)
    })
    .take(30_000)
    .collect();
    site.append_of(Lane::Events, 1, &noise);
    site.append(Lane::Events, 1);
    let health = site.health.clone();
    let told = || health.problems().join("\n");
    until("size", || told().contains("max.message.bytes=2097152")).await;
    eprintln!("measured: {}", told());
    site.append(Lane::Alerts, 3);
    until("alerts", || site.cursor(LANE_ALERTS) == 3).await;
    assert_eq!(site.delivered.wait(Lane::Events), Some(Wait::Refused));
    assert_eq!(site.cursor(LANE_EVENTS), count);
    broker.configure_events(&[("max.message.bytes", "2097152")]).await;
    count += 2;
    until("delivery", || site.cursor(LANE_EVENTS) == count).await;

    until("health", || site.health.problems().is_empty()).await;

    // The broker goes away in the midst of it and comes back.
    broker.kill();
    site.append(Lane::Events, 200);
    site.append(Lane::Alerts, 5);
    until("outage", || told().contains("firewall")).await;
    assert_eq!(site.cursor(LANE_EVENTS), count);
    broker.start();
    let back = Instant::now();
    count += 200;
    until("delivery", || site.cursor(LANE_EVENTS) == count && site.cursor(LANE_ALERTS) == 8).await;
    eprintln!("measured: caught up {} ms after the broker listened", back.elapsed().as_millis());
    site.end().await;

    let mut seen = site.consume(&broker.plain(), Lane::Events, count as usize);
    let on_the_wire = seen.len();
    seen.sort_by_key(|record| record.header.seq);
    seen.dedup_by_key(|record| record.header.seq);
    assert_chained(&seen, count);
    eprintln!("measured: {} of {count} batches came twice", on_the_wire - count as usize);
}

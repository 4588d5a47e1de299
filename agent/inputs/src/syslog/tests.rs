//! Listeners on loopback, with real sockets.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Report;

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Report for Told {
    fn problem(&self, _subject: &str, text: String) {
        self.0.lock().unwrap().push(text);
    }
    fn resolved(&self, _subject: &str) {}
    fn count(&self, what: Count, amount: u64) {
        if amount > 0 {
            self.0.lock().unwrap().push(format!("{}={amount}", what.as_str()));
        }
    }
}

struct Running {
    address: SocketAddr,
    chunks: mpsc::Receiver<Chunk>,
    told: Arc<Told>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Starts a listener on a port that was free a moment ago.
    async fn start(transport: Transport, change: impl FnOnce(&mut SyslogConfig)) -> Self {
        let address = match transport {
            Transport::Udp => UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(),
            _ => std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(),
        };
        let allow = vec!["127.0.0.1".to_owned()];
        let listen = address.to_string();
        let mut config = SyslogConfig { listen, transport, allow, ..SyslogConfig::default() };
        change(&mut config);
        let (out, chunks) = mpsc::channel(4);
        let (told, stop) = (Arc::new(Told::default()), CancellationToken::new());
        let wiring = Wiring { out, stop: stop.clone(), report: Arc::clone(&told) as _ };
        let task = tokio::spawn(run(Plan::new(&config).unwrap(), wiring));
        Self { address, chunks, told, stop, task }
    }

    /// Connects; the listener may not be there yet.
    async fn connect(&self) -> TcpStream {
        loop {
            match TcpStream::connect(self.address).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// Returns the next messages: text, number, sender.
    async fn take(&mut self, count: usize) -> Vec<(String, u64, String)> {
        let mut found = Vec::new();
        while found.len() < count {
            let chunk = self.chunks.recv().await.expect("the listener runs");
            assert!(chunk.positions.is_empty());
            for item in chunk.items {
                let Item::Lines(lines) = item else { panic!("not lines") };
                let from = lines.source.address.clone().unwrap();
                found.extend(lines.iter().map(|line| {
                    (String::from_utf8_lossy(line.bytes).into_owned(), line.offset, from.clone())
                }));
            }
        }
        found
    }

    async fn end(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap();
        let told = self.told.0.lock().unwrap();
        told.clone()
    }
}

#[tokio::test]
async fn datagrams_are_messages_with_numbers_of_their_own() {
    let mut running = Running::start(Transport::Udp, |_| {}).await;
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // Until the first arrives the socket may not be there.
    let first = loop {
        let _ = sender.send_to(b"<34>hello", running.address).await;
        let wait = std::time::Duration::from_millis(50);
        if let Ok(found) = tokio::time::timeout(wait, running.take(1)).await {
            break found;
        }
    };
    assert_eq!((first[0].0.as_str(), first[0].2.as_str()), ("<34>hello", "127.0.0.1"));
    for number in 0..300 {
        sender.send_to(format!("<34>line {number}\n").as_bytes(), running.address).await.unwrap();
    }
    let mut found = running.take(300).await;
    found.retain(|(text, ..)| text != "<34>hello");
    while found.len() < 300 {
        found.extend(running.take(1).await);
    }
    let texts: Vec<String> = found.iter().map(|(text, ..)| text.clone()).collect();
    assert_eq!(texts, (0..300).map(|number| format!("<34>line {number}")).collect::<Vec<_>>());
    assert!(found.array_windows::<2>().all(|[one, next]| one.1 < next.1));
    running.end().await;
}

#[tokio::test]
async fn connections_are_framed_and_end_with_what_they_have() {
    let mut running = Running::start(Transport::Tcp, |_| {}).await;
    let mut one = running.connect().await;
    one.write_all(b"<1>first\n11 <2>sec\nond.<3>no e").await.unwrap();
    one.write_all(b"nd").await.unwrap();
    drop(one);
    let texts: Vec<String> = running.take(3).await.into_iter().map(|(text, ..)| text).collect();
    assert_eq!(texts, ["<1>first", "<2>sec\nond.", "<3>no end"]);
    running.end().await;
}

#[tokio::test]
async fn strangers_are_refused_and_named() {
    let change = |config: &mut SyslogConfig| config.allow = vec!["192.0.2.1".to_owned()];
    let running = Running::start(Transport::Tcp, change).await;
    let mut stranger = running.connect().await;
    // Closed on the other side without an answer.
    let mut nothing = Vec::new();
    let _ = stranger.read_to_end(&mut nothing).await;
    let told = running.end().await.join("\n");
    assert!(told.contains("syslog_refused=1") && told.contains("127.0.0.1 was refused"), "{told}");
}

#[tokio::test]
async fn a_full_house_refuses_the_next() {
    let mut running = Running::start(Transport::Tcp, |config| config.connections_max = 1).await;
    let mut first = running.connect().await;
    first.write_all(b"<1>here\n").await.unwrap();
    running.take(1).await;
    let mut second = running.connect().await;
    let mut nothing = Vec::new();
    let _ = second.read_to_end(&mut nothing).await;
    let told = running.end().await.join("\n");
    assert!(told.contains("raise connections_max"), "{told}");
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cert.pem");
    std::fs::write(&path, "nothing of the kind").unwrap();
    let config = SyslogConfig {
        transport: Transport::Tls,
        certificate: path.clone(),
        key: path.clone(),
        ..SyslogConfig::default()
    };
    let error = tls::acceptor(&config).err().unwrap();
    assert!(error.contains("cert.pem") && error.contains("PEM"), "{error}");
}

/// Makes a certificate that vouches for itself; `None`, and says so, without the program.
fn certificate(dir: &std::path::Path, name: &str) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    let Ok(made) = made else {
        eprintln!("skipped: openssl is not there to make certificates");
        return None;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some((certificate, key))
}

/// Connects as a sender that trusts the listener's certificate and may have one of its own.
async fn connect_tls(
    running: &Running,
    trusted: &std::path::Path,
    own: Option<(&std::path::Path, &std::path::Path)>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let read = |path: &std::path::Path| CertificateDer::from_pem_file(path).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read(trusted)).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            builder.with_client_auth_cert(vec![read(certificate)], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let name = "127.0.0.1".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, running.connect().await).await
}

#[tokio::test]
async fn over_tls_only_who_has_a_certificate_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let Some(ours) = certificate(dir.path(), "ours") else { return };
    let Some(device) = certificate(dir.path(), "device") else { return };
    let mut running = Running::start(Transport::Tls, |config| {
        (config.certificate, config.key) = ours.clone();
        config.client_ca.clone_from(&device.0);
        config.allow = Vec::new();
    })
    .await;
    // The refusal may come with the handshake or, by TLS 1.3, behind it.
    if let Ok(mut stranger) = connect_tls(&running, &ours.0, None).await {
        let _ = stranger.write_all(b"<1>let me in\n").await;
        let mut nothing = Vec::new();
        assert!(stranger.read_to_end(&mut nothing).await.is_err());
    }
    let mut known = connect_tls(&running, &ours.0, Some((&device.0, &device.1))).await.unwrap();
    known.write_all(b"8 <2>known<3>by line\n").await.unwrap();
    known.shutdown().await.unwrap();
    let texts: Vec<String> = running.take(2).await.into_iter().map(|(text, ..)| text).collect();
    assert_eq!(texts, ["<2>known", "<3>by line"]);
    let told = running.end().await.join("\n");
    assert!(told.contains("syslog_refused=1") && told.contains("no TLS with 127.0.0.1"), "{told}");
}

#[tokio::test]
async fn a_scan_is_told_once_and_counted_in_full() {
    let change = |config: &mut SyslogConfig| config.allow = vec!["192.0.2.1".to_owned()];
    let running = Running::start(Transport::Tcp, change).await;
    for _ in 0..5 {
        let mut stranger = running.connect().await;
        let _ = stranger.read_to_end(&mut Vec::new()).await;
    }
    let told = running.end().await;
    let count = |what: &str| told.iter().filter(|it| it.contains(what)).count();
    assert_eq!((count("syslog_refused=1"), count("was refused")), (5, 1), "{told:?}");
}

//! Records without a file: a stand-in for auditd's socket, and the kernel where it lets us.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{HostConfig, Report, start};

#[derive(Default)]
struct Ear(Mutex<Vec<String>>);
impl Report for Ear {
    fn problem(&self, subject: &str, text: String) {
        self.0.lock().unwrap().push(format!("{subject}: {text}"));
    }
    fn resolved(&self, subject: &str) {
        self.0.lock().unwrap().push(format!("{subject}: resolved"));
    }
    fn count(&self, _: Count, _: u64) {}
}

fn config(audit: AuditConfig) -> InputsConfig {
    InputsConfig {
        audit,
        journal: crate::JournalConfig { enabled: Enabled::No, ..Default::default() },
        host: HostConfig { enabled: false, ..HostConfig::default() },
        ..InputsConfig::default()
    }
}

/// Runs the inputs until `count` events came that `wanted` wants; returns them and the last position.
async fn events(
    config: InputsConfig,
    known: HashMap<String, String>,
    ear: &Arc<Ear>,
    count: usize,
    wanted: impl Fn(&str) -> bool,
) -> (Vec<(u64, String)>, HashMap<String, String>) {
    let (out, mut chunks) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let mut positions = known.clone();
    let report: Arc<dyn Report> = Arc::<Ear>::clone(ear);
    let task = start(config, known, out, stop.clone(), report).unwrap();
    let mut events = Vec::new();
    let deadline = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(deadline);
    while events.len() < count {
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk.unwrap(),
            () = &mut deadline => panic!("only {events:?}; {:?}", ear.0.lock().unwrap()),
        };
        for item in chunk.items {
            let Item::Lines(lines) = item else { panic!("lines") };
            for line in lines.iter() {
                let text = String::from_utf8(line.bytes.to_vec()).unwrap();
                if wanted(&text) {
                    events.push((line.offset, text));
                }
            }
        }
        positions.extend(chunk.positions);
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), task).await.expect("stops").unwrap();
    while let Ok(chunk) = chunks.try_recv() {
        positions.extend(chunk.positions);
    }
    (events, positions)
}

fn record(serial: u32, kind: &str, rest: &str) -> String {
    format!("type={kind} msg=audit(1700000000.100:{serial}): {rest}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auditds_socket_is_read_through_its_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audispd_events");
    let listener = UnixListener::bind(&path).unwrap();
    let auditd = std::thread::spawn(move || {
        // Twice: auditd restarts within an event.
        let (mut first, _) = listener.accept().unwrap();
        let mut text = record(1, "SYSCALL", "items=1");
        text.push_str(&record(2, "SYSCALL", "items=1"));
        text.push_str(&record(1, "PATH", "item=0"));
        text.push_str(&record(1, "EOE", ""));
        first.write_all(text.as_bytes()).unwrap();
        drop(first);
        let (mut second, _) = listener.accept().unwrap();
        let text = format!("{}{}", record(2, "PATH", "item=0"), record(2, "EOE", ""));
        second.write_all(text.as_bytes()).unwrap();
        second
    });
    let audit = AuditConfig { socket: path.display().to_string(), ..AuditConfig::default() };
    let ear = Arc::new(Ear::default());
    let (got, positions) = events(config(audit), HashMap::new(), &ear, 2, |_| true).await;
    drop(auditd.join().unwrap());
    let counts: Vec<usize> = got.iter().map(|(_, text)| text.lines().count()).collect();
    assert_eq!(counts, [3, 3], "{got:?}");
    assert_eq!((got[0].0, got[1].0), (0, 1));
    let position = &positions["audit:socket"];
    assert!(position.starts_with("{\"next\":6"), "{position}");
    let told = ear.0.lock().unwrap().join("\n");
    assert!(told.contains("closed the connection") && told.contains("af_unix.conf"), "{told}");
    assert!(told.ends_with("audit:socket: resolved"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_events_go_on_from_the_position() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audispd_events");
    let state = json!({ "next": 7, "assembly": { "audit": [
        { "offset": 5, "text": record(9, "SYSCALL", "items=1").trim_end() } ] } });
    let known = HashMap::from([("audit:socket".to_owned(), state.to_string())]);
    let listener = UnixListener::bind(&path).unwrap();
    let auditd = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let text = format!("{}{}", record(9, "PATH", "item=0"), record(9, "EOE", ""));
        stream.write_all(text.as_bytes()).unwrap();
        stream
    });
    let audit = AuditConfig { socket: path.display().to_string(), ..AuditConfig::default() };
    let (got, _) = events(config(audit), known, &Arc::new(Ear::default()), 1, |_| true).await;
    drop(auditd.join().unwrap());
    assert_eq!((got[0].0, got[0].1.lines().count()), (5, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_format_is_told_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audispd_events");
    let listener = UnixListener::bind(&path).unwrap();
    let mut socket = Socket::new(&path);
    let descriptor = socket.open().unwrap();
    let (mut auditd, _) = listener.accept().unwrap();
    auditd.write_all(b"\0\0\0\0\x10\0\0\0\x14\x05\0\0audit(1.0:1): x\n").unwrap();
    let error = socket.read(&descriptor, &mut |_, _| panic!("no record")).err().unwrap();
    assert!(error.to_string().contains("binary"), "{error}");
    assert!(socket.remedy().contains("format = string"));
}

/// Sends a message of user space that the kernel takes also while auditing is off: `USER_AVC`.
fn say(text: &str) -> io::Result<()> {
    use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(AUDIT))?;
    let mut message = (16 + u32::try_from(text.len()).unwrap() + 1).to_ne_bytes().to_vec();
    message.extend(1107_u16.to_ne_bytes());
    message.extend(1_u16.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(text.as_bytes());
    message.push(0);
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_tells_its_readers() {
    if !super::super::kernel::is_allowed() {
        eprintln!("skipped: the kernel's audit multicast needs CAP_AUDIT_READ");
        return;
    }
    let mark = format!("vonglau test {}", std::process::id());
    let text = format!("avc: granted {{ read }} for {mark}");
    if let Err(error) = say(&text) {
        eprintln!("skipped: a message to the kernel needs CAP_AUDIT_WRITE: {error}");
        return;
    }
    let audit = AuditConfig { kernel: Enabled::Yes, ..AuditConfig::default() };
    // Said again and again, as nobody says when the reader began to listen.
    let stop = CancellationToken::new();
    let speaker = tokio::spawn({
        let (stop, text) = (stop.clone(), text.clone());
        async move {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            while !stop.is_cancelled() {
                every.tick().await;
                say(&text).unwrap();
            }
        }
    });
    let ear = Arc::new(Ear::default());
    let (got, _) =
        events(config(audit), HashMap::new(), &ear, 1, |text| text.contains(&mark)).await;
    stop.cancel();
    speaker.await.unwrap();
    assert!(got[0].1.starts_with("type=USER_AVC msg=audit("), "{got:?}");
}

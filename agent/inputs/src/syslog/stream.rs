//! Connections: TCP and TLS, each with a task of its own and held back when there is no room.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::frame::{Framer, Message};
use super::{CARE_INTERVAL, CHUNK_BYTES_MAX, Listener, MESSAGES_MAX, Transport, tls};
use crate::{Count, Lines, clock};

/// Bytes read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// A connection without a message is asked for after this time.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(120);
/// How long a handshake may take: nobody keeps a place without saying who they are.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Takes connections until it is time to end; an error says what broke and what to do.
pub(super) async fn run(listener: &Arc<Listener>) -> Result<(), String> {
    let config = &listener.plan.config;
    let acceptor = match config.transport {
        Transport::Tls => Some(tls::acceptor(config)?),
        Transport::Tcp | Transport::Udp => None,
    };
    let bind = |error| {
        format!(
            "cannot listen on {} {}: {error}; free the port, or give the agent CAP_NET_BIND_SERVICE",
            config.transport.as_str(),
            config.listen
        )
    };
    let socket = TcpListener::bind(listener.plan.address).await.map_err(bind)?;
    listener.opened(socket.local_addr().map_err(bind)?);
    let places = Arc::new(Semaphore::new(config.connections_max));
    let crowded = format!("{} connections", listener.plan.subject());
    let mut is_crowded = false;
    let mut connections = JoinSet::new();
    let mut care = tokio::time::interval(CARE_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = listener.wiring.stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            _ = care.tick() => listener.care(),
            accepted = socket.accept() => {
                // Out of descriptors, or gone before it was taken: the next one may do better.
                let Ok((stream, from)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                if !listener.plan.admits(from.ip()) {
                    listener.refuse_stranger(from.ip());
                    continue;
                }
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    listener.wiring.report.count(Count::SyslogRefused, 1);
                    let text = format!(
                        "{} connections are open, {} was refused; raise connections_max",
                        config.connections_max,
                        from.ip()
                    );
                    if !std::mem::replace(&mut is_crowded, true) {
                        listener.wiring.report.problem(&crowded, text);
                    }
                    continue;
                };
                if std::mem::take(&mut is_crowded) {
                    listener.wiring.report.resolved(&crowded);
                }
                keep_alive(&stream);
                let (listener, acceptor) = (Arc::clone(listener), acceptor.clone());
                connections.spawn(async move {
                    serve(&listener, acceptor, stream, from.ip()).await;
                    drop(place);
                });
            }
        }
    }
    // Each sees the same token.
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Has the kernel find out that a sender is gone: else one that lost its power keeps its place for ever.
fn keep_alive(stream: &TcpStream) {
    // A kernel that refuses leaves the connection as good as it was.
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, KEEP_ALIVE_AFTER);
}

async fn serve(
    listener: &Listener,
    acceptor: Option<TlsAcceptor>,
    stream: TcpStream,
    from: IpAddr,
) {
    let Some(acceptor) = acceptor else { return follow(listener, stream, from).await };
    let shaken = tokio::time::timeout(HANDSHAKE_WAIT_MAX, acceptor.accept(stream)).await;
    match shaken {
        Ok(Ok(stream)) => follow(listener, stream, from).await,
        Ok(Err(error)) => listener.refuse(|| {
            format!("no TLS with {from}: {error}; check the certificates of both sides")
        }),
        Err(_) => listener.refuse(|| {
            format!("{from} connected and did not speak TLS within 10 s; set it to TLS")
        }),
    }
}

/// Takes messages of one connection until it ends.
async fn follow(listener: &Listener, mut stream: impl AsyncRead + Unpin, from: IpAddr) {
    let meta = listener.meta(from);
    let mut framer = Framer::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = tokio::select! {
            biased;
            () = listener.wiring.stop.cancelled() => return,
            read = stream.read(&mut buffer) => read,
        };
        let count = read.unwrap_or(0);
        let mut full = Vec::new();
        let mut lines = Lines::new(Arc::clone(&meta), clock::now());
        let mut take = |message: Message<'_>| {
            if lines.lines.len() == MESSAGES_MAX || lines.buffer.len() >= CHUNK_BYTES_MAX {
                let next = Lines::new(Arc::clone(&meta), lines.read_at);
                full.push(std::mem::replace(&mut lines, next));
            }
            listener.add(&mut lines, message.bytes, message.truncated);
        };
        match buffer.get(..count).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => {
                let skipped = framer.push(bytes, &mut take);
                listener.wiring.report.count(Count::TruncatedBytes, skipped);
            }
            None => framer.finish(&mut take),
        }
        if !lines.lines.is_empty() {
            full.push(lines);
        }
        if (!full.is_empty() && !listener.hand_on(full).await) || count == 0 {
            return;
        }
    }
}

//! Shutdown: signals, a lost parent, and the token that every loop watches.

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns a token that is cancelled on SIGTERM or SIGINT. A second signal ends the process at once
/// with code 130, for a person who does not want to wait.
///
/// # Errors
/// If the operating system refuses the signal handlers.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    on_signals_telling(|_| {})
}

/// The same; before the token is cancelled, `tell` learns the signal: `SIGTERM` or `SIGINT`.
///
/// # Errors
/// If the operating system refuses the signal handlers.
pub fn on_signals_telling(
    tell: impl FnOnce(&'static str) + Send + 'static,
) -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        let signal = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
        tell(signal);
        tracing::info!(signal, "stopping; a second signal ends the process at once");
        token.cancel();
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        std::process::exit(130);
    });
    Ok(stop)
}

/// Cancels the token when standard input ends: the supervisor that holds its other end has died,
/// even by `kill -9`. Works without any platform call, so a child never outlives its parent.
pub fn on_parent_exit(stop: &CancellationToken) {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut sink = [0; 64];
        let mut input = tokio::io::stdin();
        loop {
            match input.read(&mut sink).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        tracing::warn!("the supervisor is gone; stopping");
        stop.cancel();
    });
}

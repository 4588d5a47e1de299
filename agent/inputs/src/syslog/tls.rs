//! TLS: certificates from files, and who may send by certificate.
//!
//! Spec: RFC 5425, 4 and 5: TLS 1.2 and newer, certificates on both sides.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::SyslogConfig;

/// Reads the files; an error names the file and what to do.
pub(super) fn acceptor(config: &SyslogConfig) -> Result<TlsAcceptor, String> {
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| told(&config.key, &error, "give a private key in PEM"))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = if config.client_ca.as_os_str().is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&config.client_ca)? {
            let remedy = "give authorities' certificates in PEM";
            roots.add(certificate).map_err(|error| told(&config.client_ca, &error, remedy))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| told(&config.client_ca, &error, "give authorities' certificates"))?;
        builder.with_client_cert_verifier(verifier)
    };
    let server = builder.with_single_cert(chain, key).map_err(|error| {
        told(&config.certificate, &error, "give a certificate chain that belongs to the key")
    })?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let remedy = "give certificates in PEM";
    let read = CertificateDer::pem_file_iter(path).map_err(|error| told(path, &error, remedy))?;
    let found: Result<Vec<_>, _> = read.collect();
    let found = found.map_err(|error| told(path, &error, remedy))?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate; {remedy}", path.display()));
    }
    Ok(found)
}

fn told(path: &Path, error: &dyn std::fmt::Display, remedy: &str) -> String {
    format!("{} cannot be used for TLS: {error}; {remedy}", path.display())
}

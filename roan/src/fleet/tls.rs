//! The TLS of a connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::ConfigError;

/// Makes the TLS of a client that trusts the certificates of this file, or else those of the system, and that shows its own
/// certificate, if it has one.
///
/// It names its provider: `ClientConfig::builder` panics in a program that builds two of them.
pub(super) fn config(
    root: Option<&Path>,
    client: Option<&(PathBuf, PathBuf)>,
) -> Result<ClientConfig, ConfigError> {
    let mut roots = RootCertStore::empty();
    match root {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| {
                    invalid(
                        path,
                        &format!("has a certificate that cannot be trusted: {error}"),
                    )
                })?;
            }
        }
        None => {
            // What cannot be read there is left out: the server's certificate is refused then, in words.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let unusable =
        |error: rustls::Error| ConfigError::value("TLS", "", format!("has no effect: {error}"));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots);
    let Some((chain, key)) = client else {
        return Ok(builder.with_no_client_auth());
    };
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        invalid(
            key,
            &format!("has no private key: {error}: write it in PEM"),
        )
    })?;
    builder
        .with_client_auth_cert(certificates(chain)?, private_key)
        .map_err(|error| {
            invalid(
                chain,
                &format!("does not fit the key {}: {error}", key.display()),
            )
        })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(read) if read.is_empty() => Err(invalid(path, "has no certificate: write it in PEM")),
        Ok(read) => Ok(read),
        Err(error) => {
            let problem = format!("cannot be read as certificates: {error}: write them in PEM");
            Err(invalid(path, &problem))
        }
    }
}

fn invalid(path: &Path, problem: &str) -> ConfigError {
    ConfigError::value("file", path.display().to_string(), problem)
}

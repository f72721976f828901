//! TLS by rustls: trusted issuers, pinned keys, client certificates, and errors that say what is wrong with a certificate.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::sys::error::reason_text;
use crate::sys::trust::Trust;
use crate::transports::smtp::certificate;
use crate::transports::smtp::settings::{TlsPolicy, TlsSettings};
use crate::values::digest::sha256;
use crate::values::printable;
use crate::values::time::Timestamp;

/// Largest file with certificates or a key, in bytes.
const LONGEST_FILE: u64 = 8 << 20;

/// Loaded configuration of TLS for one transport.
#[derive(Clone, Debug)]
pub struct TlsContext(Arc<ClientConfig>);

/// TLS connection as a value.
#[derive(Debug)]
pub struct TlsChannel(ClientConnection);

/// Verifier of a server's certificate.
#[derive(Debug)]
struct ServerCheck {
    accepts: AcceptedCertificates,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum AcceptedCertificates {
    /// Valid ones with the server's name, of a trusted issuer.
    Issued(Arc<WebPkiServerVerifier>),
    /// Those with one of these keys, given as SHA-256 of the SubjectPublicKeyInfo.
    Pinned(Vec<[u8; 32]>),
    /// All: the connection would otherwise not be encrypted at all.
    Any,
}

impl TlsContext {
    /// Loads issuers and keys.
    ///
    /// # Errors
    /// A text that says which file cannot be used, and why.
    pub fn load(settings: &TlsSettings, policy: TlsPolicy, trust: &Trust) -> Result<TlsContext, String> {
        let provider = Arc::new(ring::default_provider());
        let accepts = if policy == TlsPolicy::Opportunistic {
            AcceptedCertificates::Any
        } else if settings.pins.is_empty() {
            let roots = Arc::new(roots(settings.ca.as_deref(), trust)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            AcceptedCertificates::Issued(
                verifier.map_err(|error| format!("the trusted issuers cannot be used: {error}"))?,
            )
        } else {
            AcceptedCertificates::Pinned(settings.pins.clone())
        };
        let check = Arc::new(ServerCheck { accepts, provider: Arc::clone(&provider) });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(check);
        let config = match &settings.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let (chain, key) = (certificates(chain, "tls_cert", trust)?, private_key(key, trust)?);
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| format!("tls_cert and tls_key cannot be used together: {error}"))?
            }
        };
        Ok(TlsContext(Arc::new(config)))
    }

    /// Begins a connection to a host.
    ///
    /// # Errors
    /// The name of the host cannot be in a certificate.
    pub fn begin(&self, host: &str) -> Result<TlsChannel, String> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| format!("{host} cannot be the name in a certificate"))?;
        let connection = ClientConnection::new(Arc::clone(&self.0), name);
        Ok(TlsChannel(connection.map_err(|error| format!("TLS cannot be used: {error}"))?))
    }
}

impl TlsChannel {
    /// True until both sides agree on their keys.
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Moves data into the bytes for the wire; during the handshake only those of the handshake.
    ///
    /// # Errors
    /// The reason why the connection cannot be used any more.
    pub fn encode(&mut self, data: &mut Vec<u8>, wire: &mut Vec<u8>) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("TLS failed: {}", reason_text(&error));
        let mut from = 0;
        while !self.is_handshaking() && from < data.len() {
            from += self.0.writer().write(&data[from..]).map_err(failed)?;
            while self.0.wants_write() {
                self.0.write_tls(wire).map_err(failed)?;
            }
        }
        data.drain(..from);
        while self.0.wants_write() {
            self.0.write_tls(wire).map_err(failed)?;
        }
        Ok(())
    }

    /// Takes bytes of the wire, and appends the data in them.
    ///
    /// # Errors
    /// The reason why the connection cannot be used any more.
    pub fn decode(&mut self, mut wire: &[u8], data: &mut Vec<u8>) -> Result<(), String> {
        while !wire.is_empty() {
            self.0.read_tls(&mut wire).map_err(|error| format!("TLS failed: {}", reason_text(&error)))?;
            let state = self.0.process_new_packets().map_err(|error| text_of(&error))?;
            let from = data.len();
            data.resize(from + state.plaintext_bytes_to_read(), 0);
            let read = self.0.reader().read(&mut data[from..]).unwrap_or(0);
            data.truncate(from + read);
        }
        Ok(())
    }

    /// Returns the version of TLS that was agreed on.
    pub fn version(&self) -> Option<String> {
        let version = self.0.protocol_version()?.as_str()?;
        Some(version.replace("TLSv1_", "TLS 1."))
    }
}

fn text_of(error: &rustls::Error) -> String {
    printable::line(&match error {
        rustls::Error::General(text) => text.clone(),
        rustls::Error::AlertReceived(alert) => {
            let alert = alert.as_str().unwrap_or("an unknown reason");
            format!("the server refused TLS: {alert}")
        }
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        other => format!("TLS failed: {other}"),
    })
}

fn read(path: &Path, key: &str, trust: &Trust) -> Result<(Vec<u8>, File), String> {
    let file = trust.open_file(path).map_err(|error| format!("{key}: {error}"))?;
    let mut bytes = Vec::new();
    let read = (&file).take(LONGEST_FILE).read_to_end(&mut bytes);
    read.map_err(|error| format!("{key} {}: {}", path.display(), reason_text(&error)))?;
    Ok((bytes, file))
}

fn certificates(path: &Path, key: &str, trust: &Trust) -> Result<Vec<CertificateDer<'static>>, String> {
    let (bytes, _) = read(path, key, trust)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("{key} {} has no certificate in PEM form", path.display())),
    }
}

fn private_key(path: &Path, trust: &Trust) -> Result<PrivateKeyDer<'static>, String> {
    let (bytes, file) = read(path, "tls_key", trust)?;
    let bytes = zeroize::Zeroizing::new(bytes);
    let stat = crate::sys::file_stat::stat_of(&file, path).map_err(|error| format!("tls_key: {error}"))?;
    if stat.mode & 0o007 != 0 {
        let path = path.display();
        return Err(format!("tls_key {path} can be used by every user; use chmod 600 {path}"));
    }
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| format!("tls_key {} has no private key in PEM form", path.display()))
}

fn roots(ca: Option<&Path>, trust: &Trust) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = match ca {
        Some(path) => certificates(path, "tls_ca", trust)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    // A system has some that cannot be used.
    let (added, _) = roots.add_parsable_certificates(found);
    match (added, ca) {
        (0, Some(path)) => Err(format!("tls_ca {} has no certificate of an issuer", path.display())),
        (0, None) => Err("this system has no trusted certificates; install ca-certificates, or set tls_ca".to_owned()),
        _ => Ok(roots),
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.accepts {
            AcceptedCertificates::Issued(verifier) => verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| explained(error, end_entity, server_name)),
            AcceptedCertificates::Pinned(pins) => {
                let key = sha256(ParsedCertificate::try_from(end_entity)?.subject_public_key_info().as_ref());
                if pins.contains(&key) {
                    return Ok(ServerCertVerified::assertion());
                }
                let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                Err(rustls::Error::General(format!("the server has another key than tls_pin says: sha256:{digits}")))
            }
            AcceptedCertificates::Any => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Turns the reason why a certificate was refused into a sentence with the name, the date or the issuer.
fn explained(error: rustls::Error, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> rustls::Error {
    let rustls::Error::InvalidCertificate(reason) = &error else { return error };
    let date = |time: &UnixTime| Timestamp::from_seconds(time.as_secs()).to_string();
    let server = name.to_str();
    let text = match reason {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate of {server} expired at {}", date(not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate of {server} is not valid before {}; is the clock right?", date(not_before))
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<String> = presented.iter().map(|name| name_in(name)).collect();
            format!("the certificate is not for {server}, but for {}", names.join(", "))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            let issuer = certificate::issuer(certificate).unwrap_or_else(|| "an issuer without a name".to_owned());
            format!(
                "the certificate of {server} is issued by {issuer}, which is not trusted; tls_ca or tls_pin can name it"
            )
        }
        CertificateError::Revoked => format!("the certificate of {server} is revoked"),
        other => format!("the certificate of {server} is not valid: {other}"),
    };
    rustls::Error::General(text)
}

/// Returns the bare name in `DnsName("mail.example.org")`, as webpki lists the names of a certificate.
fn name_in(presented: &str) -> String {
    presented.split('"').nth(1).unwrap_or(presented).to_owned()
}

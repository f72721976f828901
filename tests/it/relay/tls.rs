//! TLS with certificates that are made here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

use crate::relay::server::{Act, Offer, Server, say};
use crate::relay::{QUEUE, attempts, status};
use crate::world::World;

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "Example CA");
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Authority { certificate, issuer: Issuer::new(parameters, key) }
    }

    /// Makes a certificate for a server, and the configuration of one.
    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }
}

struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    fn offer(&self) -> Offer {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        Offer { tls: Some(Arc::new(config)), ..Offer::of(&["PIPELINING", "AUTH PLAIN"]) }
    }

    fn pin(&self) -> String {
        let digest: String = Sha256::digest(PublicKeyData::subject_public_key_info(&self.key))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("tls_pin = [\"sha256:{digest}\"]")
    }
}

fn world(authority: &Authority, server: &Server, scheme: &str, keys: &str) -> World {
    let world = World::at_noon();
    fs::write(world.path("ca.pem"), authority.certificate.pem()).unwrap();
    fs::set_permissions(world.path("ca.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    configure(&world, server, scheme, keys);
    world
}

fn configure(world: &World, server: &Server, scheme: &str, keys: &str) {
    let tls = if keys.contains("tls = ") { "" } else { "tls = \"required\"\n" };
    world.config(&format!("{QUEUE}[transport.relay]\nsmtp = \"{scheme}://localhost:{}\"\n{tls}{keys}\n", server.port));
}

#[track_caller]
fn refused(world: &World, reason: &str) {
    let id = world.enqueue(&["bob@example.com"]);
    let ran = world.mspool(&["flush"]).run();
    assert!(ran.err.contains(reason), "{ran:?}");
    assert_eq!((status(world).0.as_str(), attempts(world, &id)), ("failure", 0));
}

#[test]
fn mail_is_encrypted_for_a_server_with_a_good_certificate() {
    let authority = Authority::new();
    let good = authority.server("localhost", |_| {});
    let starttls = Server::start(good.offer(), |_, _| None);
    let at_once = Server::start(Offer { at_once: true, ..good.offer() }, |_, _| None);
    for (server, scheme) in [(starttls, "smtp"), (at_once, "smtps")] {
        let world = world(
            &authority,
            &server,
            scheme,
            "tls_ca = \"ca.pem\"\nuser = \"joe\"\npassword_command = [\"echo\", \"x\"]",
        );
        for _ in 0..3 {
            world.enqueue(&["bob@example.com"]);
        }
        world.flush();
        assert_eq!((server.taken().len(), server.count("AUTH")), (3, 1));
        let text = "x".repeat(300_000);
        world.enqueue_bytes(format!("Subject: x\n\n{text}\n").as_bytes(), &["bob@example.com"]);
        world.flush();
        assert!(server.taken()[3].text.ends_with(&format!("{text}\r\n")));
        let ran = world.mspool(&["report", "check", "--probe"]).run();
        let said = ran.out.clone() + &ran.err;
        assert!(said.contains("TLS 1.3, logged in as joe; offers PIPELINING"), "{ran:?}");
    }
}

#[test]
fn certificate_errors_say_which_name_date_and_issuer() {
    let authority = Authority::new();
    let ca = "tls_ca = \"ca.pem\"";
    let expired = authority.server("localhost", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 3, 1));
    let early = authority.server("localhost", |parameters| parameters.not_before = rcgen::date_time_ymd(2999, 3, 1));
    let other = authority.server("mail.example.org", |_| {});
    for (identity, keys, reason) in [
        (&expired, ca, "certificate of localhost expired at 2020-03-01T00:00:00Z"),
        (&early, ca, "not valid before 2999-03-01"),
        (&other, ca, "not for localhost, but for mail.example.org"),
        (&authority.server("localhost", |_| {}), "", "issued by \"Example CA\", which is not trusted"),
    ] {
        let server = Server::start(identity.offer(), |_, _| None);
        let world = world(&authority, &server, "smtp", keys);
        refused(&world, reason);
        assert!(server.count("MAIL") == 0 && server.connections() <= 2);
    }
}

#[test]
fn a_self_signed_certificate_needs_a_pin() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["whatever.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity { certificate, key };
    let server = Server::start(identity.offer(), |_, _| None);
    let world = world(&authority, &server, "smtp", "tls_ca = \"ca.pem\"");
    refused(&world, "which is not trusted");
    configure(&world, &server, "smtp", &identity.pin());
    world.flush();
    assert_eq!(server.taken().len(), 1);
    let another = authority.server("localhost", |_| {});
    configure(&world, &server, "smtp", &another.pin());
    refused(&world, "another key than tls_pin says: sha256:");
}

#[test]
fn no_mail_and_no_password_without_tls() {
    let authority = Authority::new();
    let plain = Server::start(Offer::of(&["AUTH PLAIN"]), |_, _| None);
    let login = "user = \"joe\"\npassword_command = [\"echo\", \"x\"]";
    let world = world(&authority, &plain, "smtp", login);
    refused(&world, "does not offer STARTTLS");
    assert_eq!(plain.count("AUTH") + plain.count("MAIL"), 0);
    // A server that refuses STARTTLS, one that adds plain text to its reply, and one that speaks no TLS.
    let offer = authority.server("localhost", |_| {}).offer();
    for (reply, reason) in
        [("454 4.7.0 not now", "refused STARTTLS"), ("220 go\r\n250 AUTH PLAIN", "before the TLS handshake")]
    {
        let server = Server::start(offer.clone(), move |line, _| (line == "STARTTLS").then(|| say(reply)).flatten());
        configure(&world, &server, "smtp", &format!("tls_ca = \"ca.pem\"\n{login}"));
        refused(&world, reason);
        assert_eq!(server.count("AUTH") + server.count("MAIL"), 0);
    }
    let server = Server::start(Offer::usual(), |line, _| (line != "CONNECT").then_some(Act::Close));
    configure(&world, &server, "smtps", "");
    refused(&world, "does not speak TLS");
}

#[test]
fn opportunistic_tls_takes_any_certificate_and_none() {
    let authority = Authority::new();
    let expired = authority.server("x.example", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 3, 1));
    for offer in [expired.offer(), Offer::usual()] {
        let server = Server::start(offer, |_, _| None);
        let world = world(&authority, &server, "smtp", "tls = \"opportunistic\"");
        world.enqueue(&["bob@example.com"]);
        world.flush();
        assert_eq!(server.taken().len(), 1);
    }
}

//! Login at a server (AUTH, RFC 4954) as a value: replies in, command lines out.
//!
//! One mechanism is tried on a connection. A second one after a refusal would count as one more wrong password.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::transports::smtp::reply::Reply;
use crate::transports::smtp::scram::ScramClient;

/// Mechanism of AUTH that mspool knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SCRAM-SHA-256 (RFC 7677): the password does not cross the wire.
    ScramSha256,
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN, never standardized: user name and password one after the other.
    Login,
    /// XOAUTH2 of Google and Microsoft, with an access token.
    XOauth2,
    /// OAUTHBEARER (RFC 7628), with an access token.
    OauthBearer,
}

impl Mechanism {
    /// Every mechanism, in the order of the manual.
    pub const ALL: [Mechanism; 5] =
        [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login, Mechanism::XOauth2, Mechanism::OauthBearer];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Mechanism::ScramSha256 => "scram-sha-256",
            Mechanism::Plain => "plain",
            Mechanism::Login => "login",
            Mechanism::XOauth2 => "xoauth2",
            Mechanism::OauthBearer => "oauthbearer",
        }
    }

    /// Returns the name in the protocol.
    pub fn sasl_name(self) -> &'static str {
        match self {
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::XOauth2 => "XOAUTH2",
            Mechanism::OauthBearer => "OAUTHBEARER",
        }
    }

    /// True if the secret is an access token, not a password.
    pub fn takes_token(self) -> bool {
        match self {
            Mechanism::XOauth2 | Mechanism::OauthBearer => true,
            Mechanism::ScramSha256 | Mechanism::Plain | Mechanism::Login => false,
        }
    }

    /// Parses the word in the configuration, which is also the name in the protocol in lower case.
    pub fn parse(word: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.word() == word)
    }
}

/// Password or access token. Its memory is cleared when it is dropped, and it is never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a secret of a text.
    pub fn new(text: Zeroizing<String>) -> Secret {
        Secret(text)
    }

    /// Returns the secret text, for the login only.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// User name, secret and server of a login.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password or access token.
    pub secret: Secret,
    /// Host and port of the server, which OAUTHBEARER names.
    pub server: (String, u16),
    /// Random text of this login, from printable ASCII without a comma.
    pub nonce: String,
}

/// Failure of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// The server refused it.
    Refused(Reply),
    /// The server cannot check it now.
    NotNow(Reply),
    /// The server does not follow the mechanism, or does not know the password itself; with the reason.
    Wrong(String),
}

/// Answer to whether a login is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// The server replies once more.
    More,
    /// The server has accepted it.
    Done,
}

/// Login under way.
#[derive(Debug)]
pub struct LoginExchange {
    credentials: Credentials,
    state: ExchangeState,
}

#[derive(Debug)]
enum ExchangeState {
    /// The first reply decides.
    Single,
    /// The server asks for the user name next.
    User,
    /// The server asks for the password next.
    Password,
    /// A token was sent; a challenge tells why it was refused.
    Token(&'static [u8]),
    /// SCRAM messages.
    Scram(ScramClient),
    /// Everything was sent.
    Over,
}

impl LoginExchange {
    /// Begins a login: appends the AUTH command.
    pub fn begin(mechanism: Mechanism, credentials: Credentials, out: &mut Vec<u8>) -> LoginExchange {
        let Credentials { user, secret, server: (host, port), nonce } = &credentials;
        let secret = secret.expose();
        let (state, first) = match mechanism {
            Mechanism::Plain => (ExchangeState::Single, Some(Zeroizing::new(format!("\0{user}\0{secret}")))),
            Mechanism::Login => (ExchangeState::User, None),
            Mechanism::XOauth2 => {
                let text = format!("user={user}\x01auth=Bearer {secret}\x01\x01");
                (ExchangeState::Token(b""), Some(Zeroizing::new(text)))
            }
            Mechanism::OauthBearer => {
                let name = user.replace('=', "=3D").replace(',', "=2C");
                let text = format!("n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {secret}\x01\x01");
                (ExchangeState::Token(b"\x01"), Some(Zeroizing::new(text)))
            }
            Mechanism::ScramSha256 => {
                let client = ScramClient::new(user, nonce);
                let first = Zeroizing::new(client.first_message());
                (ExchangeState::Scram(client), Some(first))
            }
        };
        out.extend_from_slice(format!("AUTH {}", mechanism.sasl_name()).as_bytes());
        if let Some(first) = first {
            out.push(b' ');
            append_base64(first.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        LoginExchange { credentials, state }
    }

    /// Takes a reply, and appends the next line of the client if there is one.
    ///
    /// # Errors
    /// The login is over without success. The connection must not be used for another one.
    pub fn take(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Result<LoginStep, LoginFailure> {
        match reply.code {
            235 => return self.success(),
            334 => {}
            500..=599 => return Err(LoginFailure::Refused(reply.clone())),
            _ => return Err(LoginFailure::NotNow(reply.clone())),
        }
        let unexpected = || LoginFailure::Wrong("the server asks for more than the login needs".to_owned());
        let answer = match std::mem::replace(&mut self.state, ExchangeState::Over) {
            ExchangeState::User => {
                self.state = ExchangeState::Password;
                Zeroizing::new(self.credentials.user.clone().into_bytes())
            }
            ExchangeState::Password => Zeroizing::new(self.credentials.secret.expose().as_bytes().to_vec()),
            ExchangeState::Token(end) => Zeroizing::new(end.to_vec()),
            ExchangeState::Scram(mut client) => {
                let challenge = reply.lines.first().map_or("", String::as_str);
                let challenge = BASE64.decode(challenge.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let challenge =
                    challenge.ok_or_else(|| LoginFailure::Wrong("the server's challenge is not base64".into()))?;
                let next = client.take(&challenge, self.credentials.secret.expose()).map_err(LoginFailure::Wrong)?;
                self.state = ExchangeState::Scram(client);
                Zeroizing::new(next.into_bytes())
            }
            ExchangeState::Single | ExchangeState::Over => return Err(unexpected()),
        };
        append_base64(&answer, out);
        out.extend_from_slice(b"\r\n");
        Ok(LoginStep::More)
    }

    fn success(&self) -> Result<LoginStep, LoginFailure> {
        match &self.state {
            ExchangeState::Scram(client) if !client.is_server_proven() => Err(LoginFailure::Wrong(
                "the server accepted the login without proof that it knows the password".to_owned(),
            )),
            _ => Ok(LoginStep::Done),
        }
    }
}

fn append_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let text = Zeroizing::new(BASE64.encode(bytes));
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            user: "user".into(),
            secret: Secret::new(Zeroizing::new("pencil".to_owned())),
            server: ("mail.example.org".into(), 587),
            nonce: "rOprNGfwEbeRWgbNEkqO".into(),
        }
    }

    /// Holds a dialogue; the result, and the lines of the client.
    fn dialogue(mechanism: Mechanism, replies: &[(u16, &str)]) -> (Result<LoginStep, LoginFailure>, Vec<String>) {
        let mut out = Vec::new();
        let mut exchange = LoginExchange::begin(mechanism, credentials(), &mut out);
        let mut last = Ok(LoginStep::More);
        for (code, text) in replies {
            last = exchange.take(&Reply { code: *code, lines: vec![(*text).to_owned()] }, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        (last, text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn plain_and_login() {
        let (last, lines) = dialogue(Mechanism::Plain, &[(235, "ok")]);
        assert_eq!((last, lines), (Ok(LoginStep::Done), vec!["AUTH PLAIN AHVzZXIAcGVuY2ls".to_owned()]));
        let (last, lines) = dialogue(Mechanism::Login, &[(334, "VXNlcm5hbWU6"), (334, "UGFzc3dvcmQ6"), (235, "ok")]);
        assert_eq!(last, Ok(LoginStep::Done));
        assert_eq!(lines, ["AUTH LOGIN", "dXNlcg==", "cGVuY2ls"]);
        let (last, _) = dialogue(Mechanism::Login, &[(334, ""), (334, ""), (334, "")]);
        assert!(matches!(last, Err(LoginFailure::Wrong(_))));
        assert!(matches!(dialogue(Mechanism::Plain, &[(334, "")]).0, Err(LoginFailure::Wrong(_))));
    }

    #[test]
    fn a_refusal_and_a_failure_of_the_server_differ() {
        assert!(matches!(dialogue(Mechanism::Plain, &[(535, "5.7.8 no")]).0, Err(LoginFailure::Refused(_))));
        assert!(matches!(dialogue(Mechanism::Plain, &[(454, "4.7.0 later")]).0, Err(LoginFailure::NotNow(_))));
        assert!(matches!(dialogue(Mechanism::Plain, &[(250, "what")]).0, Err(LoginFailure::NotNow(_))));
    }

    #[test]
    fn tokens() {
        let (last, lines) = dialogue(Mechanism::XOauth2, &[(334, "eyJzdGF0dXMiOiI0MDEifQ=="), (535, "5.7.8 no")]);
        assert!(matches!(last, Err(LoginFailure::Refused(_))));
        assert_eq!(lines.len(), 2);
        assert_eq!(
            BASE64.decode(&lines[0]["AUTH XOAUTH2 ".len()..]).unwrap(),
            b"user=user\x01auth=Bearer pencil\x01\x01"
        );
        assert_eq!(lines[1], "");
        let (_, lines) = dialogue(Mechanism::OauthBearer, &[(334, "e30="), (535, "no")]);
        let first = BASE64.decode(&lines[0]["AUTH OAUTHBEARER ".len()..]).unwrap();
        assert_eq!(first, b"n,a=user,\x01host=mail.example.org\x01port=587\x01auth=Bearer pencil\x01\x01");
        assert_eq!(lines[1], "AQ==");
    }

    #[test]
    fn scram_of_rfc_7677() {
        let first =
            BASE64.encode("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = BASE64.encode("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let (done, lines) = dialogue(Mechanism::ScramSha256, &[(334, &first), (334, &last), (235, "ok")]);
        assert_eq!(done, Ok(LoginStep::Done));
        let decoded = |line: &str| String::from_utf8(BASE64.decode(line).unwrap()).unwrap();
        assert_eq!(decoded(&lines[0]["AUTH SCRAM-SHA-256 ".len()..]), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(
            decoded(&lines[1]),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(lines[2], "");
        // A server that does not prove anything is another one.
        let wrong = BASE64.encode("v=AAAA");
        assert!(matches!(
            dialogue(Mechanism::ScramSha256, &[(334, &first), (334, &wrong)]).0,
            Err(LoginFailure::Wrong(_))
        ));
        assert!(matches!(dialogue(Mechanism::ScramSha256, &[(334, &first), (235, "")]).0, Err(LoginFailure::Wrong(_))));
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert!(!format!("{:?}", credentials()).contains("pencil"));
    }
}

//! Servers and keys of servers, as the configuration writes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use toml::Spanned;

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw::RawServers;
use crate::transports::smtp::settings::{Server, TlsBegin};
use crate::values::quoting::quoted;

/// Checks the servers of the key `smtp` or `lmtp`.
pub(super) fn servers(
    checker: &ValueChecker<'_>,
    key: &str,
    written: &Spanned<RawServers>,
) -> Result<Vec<Server>, ConfigError> {
    let RawServers(texts) = written.get_ref();
    if texts.is_empty() {
        return Err(checker.invalid(written, format!("{key} names no server")));
    }
    let parse = |text: &String| {
        let found = if key == "lmtp" { parse_lmtp(text) } else { parse_smtp(text) };
        found.map_err(|reason| checker.invalid(written, format!("{key} {}: {reason}", quoted(text))))
    };
    texts.iter().map(parse).collect()
}

fn parse_smtp(text: &str) -> Result<Server, String> {
    if let Some(rest) = text.strip_prefix("smtps://") {
        return host(rest, 465, TlsBegin::AtOnce);
    }
    if let Some(rest) = text.strip_prefix("smtp://") {
        return host(rest, 587, TlsBegin::Command);
    }
    unix(text).unwrap_or_else(|| Err("give smtps://HOST, smtp://HOST or unix:/PATH".to_owned()))
}

fn parse_lmtp(text: &str) -> Result<Server, String> {
    if let Some(rest) = text.strip_prefix("lmtp://") {
        return host(rest, 24, TlsBegin::Command);
    }
    unix(text).unwrap_or_else(|| Err("give lmtp://HOST or unix:/PATH".to_owned()))
}

fn unix(text: &str) -> Option<Result<Server, String>> {
    let path = text.strip_prefix("unix:")?;
    let valid = path.starts_with('/') && !path.contains('\0');
    Some(if valid { Ok(Server::Unix(path.into())) } else { Err("the path after unix: must be absolute".to_owned()) })
}

/// Parses `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
fn host(text: &str, default_port: u16, begin: TlsBegin) -> Result<Server, String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains('@') {
        return Err("the user name is set with user".to_owned());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or("the address has no closing bracket")?;
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("the brackets hold no IPv6 address".to_owned());
            }
            (address, rest.strip_prefix(':').or((!rest.is_empty()).then_some(rest)))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || host.len() > 255 || host.starts_with('-') || !host.bytes().all(plain) {
        return Err("the host name is not valid".to_owned());
    }
    let port = match port {
        None => default_port,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("the port is not a number from 1 to 65535")?,
    };
    Ok(Server::Host { host: host.to_owned(), port, begin })
}

/// Checks one entry of `tls_pin`: `sha256:` and the digest in hexadecimal digits or base64.
pub(super) fn pin<T>(checker: &ValueChecker<'_>, at: &Spanned<T>, text: &str) -> Result<[u8; 32], ConfigError> {
    let digest = text.strip_prefix("sha256:").unwrap_or_default();
    let hexadecimal = || {
        let pair = |at: usize| digest.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        (0..digest.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>()
    };
    let bytes = if digest.len() == 64 { hexadecimal() } else { BASE64.decode(digest).ok() };
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        let text = format!(
            "tls_pin {} is not sha256: with a digest of 32 bytes in hexadecimal digits or base64",
            quoted(text)
        );
        checker.invalid(at, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let name = |text: &str| parse_smtp(text).map(|server| server.name());
        assert_eq!(name("smtps://mail.example.org").unwrap(), "mail.example.org:465");
        assert_eq!(name("smtp://mail.example.org/").unwrap(), "mail.example.org:587");
        assert_eq!(name("smtp://[::1]:2525").unwrap(), "[::1]:2525");
        assert_eq!(name("smtp://[::1]").unwrap(), "[::1]:587");
        assert_eq!(name("unix:/run/x").unwrap(), "/run/x");
        for text in [
            "mail.example.org",
            "smtp://",
            "smtp://joe@host",
            "smtp://host:0",
            "smtp://host:x",
            "smtp://[::1",
            "smtp://[::1]x",
            "smtp://[host]",
            "smtp://a b",
            "smtp://-x",
            "unix:run/x",
            "lmtp://host",
            "http://host",
        ] {
            assert!(name(text).is_err(), "{text}");
        }
        assert_eq!(parse_lmtp("lmtp://host").unwrap().name(), "host:24");
        assert!(parse_lmtp("smtp://host").is_err());
    }
}

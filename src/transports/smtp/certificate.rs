//! Issuer of an X.509 certificate (RFC 5280), for messages: the few bytes of DER that hold it.

/// Tags of ASN.1 that lead to a name.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;

/// Object identifiers of the parts of a name that are shown, the best first: common name, organization.
const SHOWN: [&[u8]; 2] = [&[0x55, 0x04, 0x03], &[0x55, 0x04, 0x0a]];

/// Returns the common name of the issuer, or else its organization, in quotes.
pub(super) fn issuer(certificate: &[u8]) -> Option<String> {
    let (_, body, _) = element(certificate)?;
    let (_, mut rest, _) = element(body)?;
    if *rest.first()? == VERSION {
        rest = element(rest)?.2;
    }
    // Serial number and signature algorithm come before the issuer.
    rest = element(rest)?.2;
    rest = element(rest)?.2;
    let (tag, name, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let parts = attributes(name);
    let text = SHOWN.iter().find_map(|wanted| parts.iter().find(|(kind, _)| kind == wanted))?.1;
    Some(format!("\"{}\"", String::from_utf8_lossy(text)))
}

/// Returns the attributes of a name: object identifier and text.
fn attributes(mut name: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while let Some((SET, set, rest)) = element(name) {
        name = rest;
        let Some((SEQUENCE, pair, _)) = element(set) else { continue };
        let Some((OBJECT_IDENTIFIER, kind, value)) = element(pair) else { continue };
        if let Some((_, text, _)) = element(value) {
            found.push((kind, text));
        }
    }
    found
}

/// Splits off the first element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|digits| (1..=4).contains(&digits.len()))?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), &rest[count..])
    };
    Some((*tag, rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_issuer_of_a_certificate() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "Example CA");
        let certificate = parameters.self_signed(&key).unwrap();
        assert_eq!(issuer(certificate.der()).unwrap(), "\"Example CA\"");
        for end in 0..certificate.der().len() {
            let _ = issuer(&certificate.der()[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = issuer(&bytes);
        }
    }
}

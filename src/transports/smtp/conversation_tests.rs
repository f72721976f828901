//! Tests of conversations against scripted and hostile servers, without sockets.

#![cfg(test)]

use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::transports::answer::{BrokenTransport, TroubleKind};
use crate::transports::smtp::conversation::{Conversation, ConversationEvent, OpeningRules, StartTlsRule};
use crate::transports::smtp::login::{Credentials, Mechanism, Secret};
use crate::transports::smtp::text::TextEncoder;
use crate::transports::smtp::transaction::{
    EnvelopeCommands, Protocol, RecipientAnswer, Transaction, TransactionStage,
};

/// Server that answers each command with the first rule whose prefix matches.
struct Script {
    rules: Vec<(&'static str, String)>,
    heard: Vec<String>,
    line: Vec<u8>,
    in_text: bool,
}

impl Script {
    fn new(ehlo: &str, rules: &[(&'static str, &str)]) -> Script {
        let usual = [
            ("EHLO", ehlo),
            ("LHLO", ehlo),
            ("MAIL", "250 2.1.0 ok\r\n"),
            ("RCPT", "250 2.1.5 ok\r\n"),
            ("DATA", "354 go\r\n"),
            (".", "250 2.0.0 queued as 4F2A\r\n"),
            ("", "250 2.0.0 ok\r\n"),
        ];
        let rules = rules.iter().chain(&usual).map(|(prefix, reply)| (*prefix, (*reply).to_owned())).collect();
        Script { rules, heard: Vec::new(), line: Vec::new(), in_text: false }
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            self.line.push(*byte);
            if *byte != b'\n' {
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
            if self.in_text && line != "." {
                continue;
            }
            let (_, reply) = self.rules.iter().find(|(prefix, _)| line.starts_with(prefix)).unwrap();
            out.extend_from_slice(reply.as_bytes());
            self.in_text = reply.starts_with("354");
            self.heard.push(line);
        }
        out
    }
}

fn rules(protocol: Protocol) -> OpeningRules {
    OpeningRules { protocol, helo: "host.example".into(), starttls: StartTlsRule::Unused, mechanisms: Vec::new() }
}

fn transaction(protocol: Protocol, recipients: &[&str]) -> Transaction {
    let recipients = recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>")).collect();
    Transaction::new(protocol, EnvelopeCommands { mail: "MAIL FROM:<joe@example.org>".into(), recipients })
}

/// Text of every message of the tests.
const TEXT: &[u8] = b"Subject: x\n\n.\n";

/// Holds a conversation with these transactions until the server says no more. `piece` is the size of each arrival.
fn converse(
    mut conversation: Conversation,
    waiting: Vec<Transaction>,
    piece: usize,
    mut server: impl FnMut(&[u8]) -> Vec<u8>,
) -> (Vec<Transaction>, Option<BrokenTransport>, Conversation) {
    let mut waiting = std::collections::VecDeque::from(waiting);
    let mut done = Vec::new();
    let mut arriving: std::collections::VecDeque<u8> = server(b"").into();
    for _ in 0..100_000 {
        match conversation.next_event() {
            Err(trouble) => {
                done.extend(conversation.take_transactions());
                return (done, Some(trouble), conversation);
            }
            Ok(ConversationEvent::Ready) => match waiting.pop_front() {
                Some(_) if !conversation.is_reusable() => return (done, None, conversation),
                Some(next) => conversation.begin(next),
                None => return (done, None, conversation),
            },
            Ok(ConversationEvent::SendText) => {
                let mut encoder = TextEncoder::default();
                encoder.encode(TEXT, conversation.output());
                encoder.finish(conversation.output());
                conversation.text_ended();
            }
            Ok(ConversationEvent::Finished(transaction)) => done.push(*transaction),
            Ok(ConversationEvent::StartTls) => conversation.tls_established(),
            Ok(ConversationEvent::Login(mechanism)) => {
                let secret = Secret::new(Zeroizing::new("pencil".to_owned()));
                let (user, nonce) = ("joe".to_owned(), "abc".to_owned());
                let credentials = Credentials { user, secret, server: ("host".into(), 25), nonce };
                conversation.log_in(mechanism, credentials);
            }
            Ok(ConversationEvent::Wait(_)) => {
                let sent = std::mem::take(conversation.output());
                arriving.extend(server(&sent));
                if arriving.is_empty() {
                    done.extend(conversation.take_transactions());
                    return (done, None, conversation);
                }
                let bytes: Vec<u8> = arriving.drain(..piece.min(arriving.len())).collect();
                conversation.receive(&bytes);
            }
        }
    }
    panic!("the conversation does not end");
}

struct Held {
    answers: Vec<Vec<RecipientAnswer>>,
    trouble: Option<BrokenTransport>,
    heard: Vec<String>,
    reusable: bool,
}

fn hold(opening: OpeningRules, mut script: Script, transactions: Vec<Transaction>, piece: usize) -> Held {
    let mut greeted = false;
    let (done, trouble, conversation) = converse(Conversation::new(opening), transactions, piece, |bytes| {
        let greeting = if std::mem::replace(&mut greeted, true) { Vec::new() } else { b"220 sink\r\n".to_vec() };
        [greeting, script.take(bytes)].concat()
    });
    let answers = done.iter().map(Transaction::answers).collect();
    Held { answers, trouble, heard: script.heard, reusable: conversation.is_reusable() }
}

fn is_accepted(answer: &RecipientAnswer) -> bool {
    matches!(answer, RecipientAnswer::Accepted(_))
}

const GROUPED: &str = "250-sink\r\n250-PIPELINING\r\n250 SIZE 1000\r\n";
const PLAIN: &str = "250 sink\r\n";

#[test]
fn refused_recipients_do_not_stop_the_others() {
    for ehlo in [GROUPED, PLAIN] {
        for protocol in [Protocol::Smtp, Protocol::Lmtp] {
            let script = Script::new(ehlo, &[("RCPT TO:<bad", "550-5.1.1 no\r\n550 5.1.1 such user\r\n")]);
            let recipients = ["a@x", "bad@x", "c@x"];
            let mut script = script;
            if protocol == Protocol::Lmtp {
                script.rules.insert(0, (".", "250 2.0.0 a\r\n451 4.2.2 c\r\n".into()));
            }
            let held = hold(rules(protocol), script, vec![transaction(protocol, &recipients)], 7);
            assert!(is_accepted(&held.answers[0][0]), "{ehlo:?} {protocol:?}");
            assert!(matches!(&held.answers[0][1], RecipientAnswer::Refused(reply) if reply.text() == "no / such user"));
            assert_eq!(is_accepted(&held.answers[0][2]), protocol == Protocol::Smtp);
            assert!(held.reusable && held.trouble.is_none());
        }
    }
}

#[test]
fn without_extensions_commands_go_one_by_one() {
    let script = Script::new("250 sink\r\n", &[("EHLO", "502 what\r\n"), ("RCPT", "550 no\r\n")]);
    let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x"]); 2], 3);
    let envelope = ["MAIL FROM:<joe@example.org>", "RCPT TO:<a@x>"];
    let expected: Vec<&str> = ["EHLO host.example", "HELO host.example"]
        .into_iter()
        .chain(envelope)
        .chain(["RSET"])
        .chain(envelope)
        .collect();
    assert_eq!(held.heard, expected);
}

#[test]
fn a_refused_envelope_is_reset_before_the_next() {
    let script = Script::new(GROUPED, &[("RCPT", "550 no\r\n"), ("DATA", "554 5.5.1 no valid recipients\r\n")]);
    let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x"]); 2], 64);
    assert_eq!(held.heard.iter().filter(|line| *line == "RSET").count(), 1);
    assert!(held.answers.iter().flatten().all(|answer| matches!(answer, RecipientAnswer::Refused(_))));
}

#[test]
fn a_server_that_wants_the_text_of_a_refused_envelope_is_left() {
    let script = Script::new(GROUPED, &[("RCPT", "550 no\r\n")]);
    let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x"]); 2], 64);
    assert_eq!((held.answers.len(), held.reusable), (1, false));
}

#[test]
fn too_many_recipients_wait_for_the_next_transaction() {
    for (reply, next) in [
        ("452 too many\r\n", true),
        ("452 4.5.3 too many\r\n", true),
        ("552 5.5.3 too many\r\n", true),
        ("452 4.2.2 full\r\n", false),
        ("452 4.3.1 no space\r\n", false),
    ] {
        let script = Script::new(GROUPED, &[("RCPT TO:<b", reply)]);
        let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x", "b@x"])], 64);
        assert_eq!(held.answers[0][1] == RecipientAnswer::NextTransaction, next, "{reply}");
        let script = Script::new(GROUPED, &[("RCPT TO:<b", reply)]);
        let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["b@x"])], 64);
        assert!(matches!(&held.answers[0][0], RecipientAnswer::Refused(_)), "{reply}");
    }
}

#[test]
fn a_closing_server_is_trouble_of_the_server() {
    for prefix in ["EHLO", "MAIL", "RCPT", "DATA"] {
        for ehlo in [GROUPED, PLAIN] {
            let script = Script::new(ehlo, &[(prefix, "421 4.3.2 bye\r\n")]);
            let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x"])], 64);
            let trouble = held.trouble.unwrap();
            assert_eq!(trouble.kind, TroubleKind::Broken);
            assert!(trouble.text.contains("bye"), "{trouble:?}");
            let answers: Vec<&RecipientAnswer> = held.answers.iter().flatten().collect();
            assert!(answers.iter().all(|answer| **answer == RecipientAnswer::NotReached), "{prefix} {answers:?}");
        }
    }
    // After the dot it is an answer about the message.
    let script = Script::new(GROUPED, &[(".", "421 4.3.2 bye\r\n")]);
    let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x"])], 64);
    assert!(matches!(&held.answers[0][0], RecipientAnswer::Refused(_)) && held.trouble.is_some());
}

#[test]
fn nothing_before_the_tls_handshake_counts() {
    let required = OpeningRules { starttls: StartTlsRule::Required, ..rules(Protocol::Smtp) };
    let held = hold(required.clone(), Script::new(GROUPED, &[]), Vec::new(), 64);
    assert!(held.trouble.unwrap().text.contains("does not offer STARTTLS"));
    let offers = "250-sink\r\n250-STARTTLS\r\n250 PIPELINING\r\n";
    let injected = Script::new(offers, &[("STARTTLS", "220 go\r\n250 AUTH PLAIN\r\n")]);
    let held = hold(required.clone(), injected, Vec::new(), 64);
    assert!(held.trouble.unwrap().text.contains("before the TLS handshake"));
    // The server offers nothing after the handshake; what it offered before is forgotten.
    let (mut hellos, mut greeted) = (0, false);
    let mut script = Script::new(offers, &[("STARTTLS", "220 go\r\n")]);
    let (_, trouble, conversation) = converse(Conversation::new(required), Vec::new(), 64, |bytes| {
        if bytes.starts_with(b"EHLO") {
            hellos += 1;
        }
        match (bytes, hellos) {
            (b"", 0) if !std::mem::replace(&mut greeted, true) => b"220 sink\r\n".to_vec(),
            (_, 2) => b"250 sink\r\n".to_vec(),
            _ => script.take(bytes),
        }
    });
    assert!(trouble.is_none() && !conversation.capabilities().pipelining, "{trouble:?}");
    let when_offered = OpeningRules { starttls: StartTlsRule::WhenOffered, ..rules(Protocol::Smtp) };
    assert!(hold(when_offered, Script::new(PLAIN, &[]), Vec::new(), 64).trouble.is_none());
}

#[test]
fn one_login_a_connection() {
    let opening = OpeningRules { mechanisms: vec![Mechanism::Plain, Mechanism::Login], ..rules(Protocol::Smtp) };
    let offers = "250-sink\r\n250 AUTH LOGIN PLAIN\r\n";
    let script = Script::new(offers, &[("AUTH", "535 5.7.8 wrong password\r\n")]);
    let held = hold(opening.clone(), script, Vec::new(), 64);
    assert_eq!(held.trouble.unwrap().kind, TroubleKind::LoginRefused);
    assert_eq!(held.heard.iter().filter(|line| line.starts_with("AUTH")).count(), 1);
    let held = hold(opening.clone(), Script::new(offers, &[("AUTH", "454 4.7.0 later\r\n")]), Vec::new(), 64);
    assert_eq!(held.trouble.unwrap().kind, TroubleKind::Broken);
    let held = hold(opening, Script::new(PLAIN, &[]), Vec::new(), 64);
    assert!(held.trouble.unwrap().text.contains("none of the login mechanisms plain, login"));
}

#[test]
fn a_lost_connection_leaves_what_is_known() {
    let lost = |rules_of_script: &[(&'static str, &str)], protocol| {
        let script = Script::new(GROUPED, rules_of_script);
        hold(rules(protocol), script, vec![transaction(protocol, &["bad@x", "a@x", "b@x"])], 64).answers.remove(0)
    };
    let refused = ("RCPT TO:<bad", "550 5.1.1 no\r\n");
    let answers = lost(&[refused, ("DATA", "")], Protocol::Smtp);
    assert!(matches!(answers[0], RecipientAnswer::Refused(_)) && answers[1] == RecipientAnswer::NotReached);
    let answers = lost(&[refused, (".", "")], Protocol::Smtp);
    assert!(matches!(answers[0], RecipientAnswer::Refused(_)) && answers[1] == RecipientAnswer::MaybeAccepted);
    let answers = lost(&[refused, (".", "250 ok\r\n")], Protocol::Lmtp);
    assert!(is_accepted(&answers[1]) && answers[2] == RecipientAnswer::MaybeAccepted);
}

#[test]
fn the_next_envelope_may_follow_the_dot() {
    let mut script = Script::new(GROUPED, &[]);
    let mut conversation = Conversation::new(rules(Protocol::Smtp));
    conversation.receive(b"220 sink\r\n");
    let mut arriving = Vec::new();
    let mut waiting = vec![transaction(Protocol::Smtp, &["b@x"]), transaction(Protocol::Smtp, &["a@x"])];
    let mut done = Vec::new();
    let mut turns = 0;
    while done.len() < 2 {
        match conversation.next_event().unwrap() {
            ConversationEvent::Ready => conversation.begin(waiting.pop().unwrap()),
            ConversationEvent::SendText => {
                TextEncoder::default().finish(conversation.output());
                conversation.text_ended();
                if let Some(next) = waiting.pop() {
                    conversation.begin(next);
                }
            }
            ConversationEvent::Finished(transaction) => done.push(*transaction),
            _ => {
                turns += 1;
                let sent = std::mem::take(conversation.output());
                arriving.extend(script.take(&sent));
                conversation.receive(&std::mem::take(&mut arriving));
            }
        }
    }
    assert!(done.iter().flat_map(Transaction::answers).all(|answer| is_accepted(&answer)));
    // EHLO; the first envelope; its text with the second envelope; the second text.
    assert_eq!(turns, 4);
}

#[test]
fn a_reply_that_was_not_asked_for_is_never_taken_for_success() {
    // The server says more than it was asked: a later success must not be read from that.
    for extra in ["250 ok\r\n250 ok\r\n", "250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n"] {
        let script = Script::new(GROUPED, &[("MAIL", extra), (".", "")]);
        let held = hold(rules(Protocol::Smtp), script, vec![transaction(Protocol::Smtp, &["a@x"])], 4096);
        assert!(!held.answers.iter().flatten().any(is_accepted), "{extra:?} {:?}", held.answers);
        assert!(!held.reusable);
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_make_no_difference(piece in 1usize..40, grouped: bool, lmtp: bool, second in 0usize..4) {
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let ehlo = if grouped { GROUPED } else { PLAIN };
        let of = |piece| {
            let mut script = Script::new(ehlo, &[("RCPT TO:<r1", ["250 ok\r\n", "550 no\r\n", "452 many\r\n", "450-a\r\n450 b\r\n"][second])]);
            if lmtp {
                script.rules.insert(0, (".", "250 ok\r\n".repeat(if second == 0 { 3 } else { 2 })));
            }
            let transactions = vec![transaction(protocol, &["r0@x", "r1@x", "r2@x"]); 2];
            let held = hold(rules(protocol), script, transactions, piece);
            (held.answers, held.heard, held.reusable)
        };
        let (answers, heard, reusable) = of(piece);
        prop_assert_eq!(answers.len(), 2);
        prop_assert!(reusable);
        prop_assert_eq!((answers, heard, reusable), of(4096));
    }

    /// For any reply of a server: no panic, an end, and success only after the whole text and with a reply of class 2.
    #[test]
    fn hostile_replies(
        replies in proptest::collection::vec(
            prop_oneof![
                4 => "(220|250|251|354|334|235|421|450|452|500|535|550|552|554)[ -][ -~]{0,20}\r\n",
                2 => "250-(PIPELINING|STARTTLS|AUTH PLAIN SCRAM-SHA-256|SIZE 5|DSN)\r\n",
                1 => "[\\x00-\\x7f]{0,12}",
            ],
            0..30,
        ),
        piece in 1usize..50,
        lmtp: bool,
        login: bool,
    ) {
        let protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let mechanisms = if login { vec![Mechanism::ScramSha256, Mechanism::Plain] } else { Vec::new() };
        let opening = OpeningRules { mechanisms, starttls: StartTlsRule::WhenOffered, ..rules(protocol) };
        let mut replies = replies.into_iter();
        let mut dots = 0;
        let (done, trouble, _) = converse(
            Conversation::new(opening),
            vec![transaction(protocol, &["a@x", "b@x"]); 3],
            piece,
            |bytes| {
                dots += bytes.windows(5).filter(|bytes| bytes == b"\r\n.\r\n").count();
                replies.next().unwrap_or_default().into_bytes()
            },
        );
        let accepted = done.iter().filter(|transaction| transaction.answers().iter().any(is_accepted)).count();
        prop_assert!(accepted <= dots, "{accepted} messages accepted, {dots} sent");
        for transaction in &done {
            let answers = transaction.answers();
            prop_assert_eq!(answers.len(), 2);
            if transaction.stage() == TransactionStage::Envelope {
                prop_assert!(!answers.iter().any(is_accepted));
            }
        }
        if let Some(trouble) = trouble {
            prop_assert!(!trouble.text.chars().any(crate::values::printable::is_unsafe), "{trouble:?}");
        }
    }
}

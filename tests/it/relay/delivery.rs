//! What a server gets, and what becomes of its answers.

use crate::relay::server::{Act, Offer, Server, say};
use crate::relay::{QUEUE, attempts, configure, status, world};
use crate::world::World;

#[test]
fn a_relay_is_three_lines() {
    let server = Server::usual();
    let world = world(&server, "");
    let id = world.enqueue_bytes(b"Subject: x\n\n.dot\nend", &["bob@example.com"]);
    world.flush();
    assert_eq!(world.state(&id), "sent");
    assert_eq!(world.recipient(&id, 0), ("relayed".into(), "2.0.0".into(), "ok: queued as Q1".into()));
    assert_eq!(world.report(&id)["recipients"][0]["remote_id"], "Q1");
    let taken = server.taken();
    assert_eq!(taken[0].sender, "<joe@example.org>");
    assert_eq!(taken[0].recipients, ["<bob@example.com>"]);
    assert!(taken[0].text.ends_with("\r\n\r\n..dot\r\nend\r\n"), "{taken:?}");
    assert_eq!(
        server.lines(),
        ["EHLO host.example", "MAIL FROM:<joe@example.org>", "RCPT TO:<bob@example.com>", "DATA", ".", "QUIT"]
    );
    let rows = world.json(&["report", "status", "--json"]);
    assert_eq!(rows[0]["kind"], "smtp");
}

#[test]
fn one_session_for_many_messages() {
    let server = Server::usual();
    let world = world(&server, "max_messages = 20");
    for number in 0..30 {
        world.enqueue(&[&format!("bob{number}@example.com")]);
    }
    world.flush();
    assert_eq!(server.taken().len(), 30);
    assert_eq!(server.connections(), 2, "{:?}", server.lines());
    assert_eq!(server.count("QUIT"), 2);
    // Every message was taken once, in the order of submission, with its own recipient.
    let recipients: Vec<String> = server.taken().iter().map(|taken| taken.recipients.concat()).collect();
    let expected: Vec<String> = (0..30).map(|number| format!("<bob{number}@example.com>")).collect();
    assert_eq!(recipients, expected);
}

#[test]
fn the_next_envelope_leaves_with_the_final_dot() {
    let server = Server::usual();
    let world = world(&server, "");
    for number in 0..100 {
        world.enqueue(&[&format!("bob{number}@example.com")]);
    }
    world.flush();
    assert_eq!((server.taken().len(), server.connections()), (100, 1));
    assert!(server.followed() > 0);
    // A server without PIPELINING gets one command at a time.
    let plain = Server::start(Offer::of(&[]), |_, _| None);
    configure(&world, &plain, "");
    for number in 0..10 {
        world.enqueue(&[&format!("bob{number}@example.com")]);
    }
    world.flush();
    assert_eq!((plain.taken().len(), plain.followed()), (10, 0));
}

#[test]
fn as_many_sessions_as_allowed() {
    let server = Server::usual();
    let world = world(&server, "parallel = 3");
    for number in 0..60 {
        world.enqueue(&[&format!("bob{number}@example.com")]);
    }
    world.flush();
    assert_eq!(server.taken().len(), 60);
    assert!(server.connections() <= 3, "{}", server.connections());
}

#[test]
fn a_refused_recipient_does_not_stop_the_others() {
    for offer in [Offer::usual(), Offer::of(&[])] {
        let server = Server::start(offer, |line, _| match line {
            "RCPT TO:<bad@example.com>" => say("550-5.1.1 no such\r\n550 5.1.1 user"),
            "RCPT TO:<later@example.com>" => say("450 4.2.0 greylisted"),
            _ => None,
        });
        let world = world(&server, "");
        let id = world.enqueue(&["a@example.com", "bad@example.com", "later@example.com", "b@example.com"]);
        world.flush_quietly();
        assert_eq!(world.recipient(&id, 0).0, "relayed");
        assert_eq!(world.recipient(&id, 1), ("failed".into(), "5.1.1".into(), "no such / user".into()));
        assert_eq!(world.recipient(&id, 2), ("owed".into(), "4.2.0".into(), "greylisted".into()));
        assert_eq!(world.recipient(&id, 3).0, "relayed");
        assert_eq!(server.taken()[0].recipients, ["<a@example.com>", "<b@example.com>"]);
        assert_eq!(status(&world).0, "available");
    }
}

#[test]
fn a_refusal_after_the_dot() {
    let server = Server::start(Offer::usual(), |line, place| match (line, place.connection) {
        (".", _) => say("451 4.3.0 scanner is away"),
        _ => None,
    });
    let world = world(&server, "");
    let id = world.enqueue(&["bob@example.com"]);
    world.flush_quietly();
    assert_eq!(world.recipient(&id, 0), ("owed".into(), "4.3.0".into(), "scanner is away".into()));
    assert_eq!(attempts(&world, &id), 1);
}

#[test]
fn too_many_recipients_make_a_second_transaction() {
    let server = Server::start(Offer::usual(), |_, _| None);
    let limited = Server::start(Offer::usual(), {
        let count = std::sync::atomic::AtomicUsize::new(0);
        move |line, _| {
            if line.starts_with("MAIL") {
                count.store(0, std::sync::atomic::Ordering::SeqCst);
            }
            let nth =
                if line.starts_with("RCPT") { count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) } else { 0 };
            if nth >= 4 { say("452 4.5.3 too many recipients") } else { None }
        }
    });
    let recipients: Vec<String> = (0..10).map(|number| format!("bob{number}@example.com")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    for (server, transactions) in [(server, 1), (limited, 3)] {
        let world = world(&server, "");
        let id = world.enqueue(&recipients);
        world.flush();
        assert_eq!(world.state(&id), "sent");
        assert_eq!(server.taken().len(), transactions);
        assert_eq!(server.connections(), 1);
        // Each transaction has an id of its own, and none may stand for the recipients of another one.
        let has_id = |recipient: &serde_json::Value| !recipient["remote_id"].is_null();
        let shown = world.report(&id)["recipients"].as_array().unwrap().iter().filter(|one| has_id(one)).count();
        assert_eq!(shown, if transactions == 1 { recipients.len() } else { 0 });
    }
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let world = World::at_noon();
    let socket = world.path("lmtp");
    let offer = Offer { lmtp: true, ..Offer::usual() };
    let server = Server::at(&socket, offer, |line, _| match line {
        "." => say("250 2.1.5 a has it\r\n452 4.2.2 b is full"),
        _ => None,
    });
    world.config(&format!(
        "{QUEUE}[transport.dovecot]\nlmtp = \"unix:{}\"\nmatch = [\"*@example.com\"]\n",
        socket.display()
    ));
    let id = world.enqueue(&["a@example.com", "b@example.com"]);
    world.flush_quietly();
    assert_eq!(world.recipient(&id, 0), ("delivered".into(), "2.1.5".into(), "a has it".into()));
    assert_eq!(world.recipient(&id, 1), ("owed".into(), "4.2.2".into(), "b is full".into()));
    assert!(server.lines()[0].starts_with("LHLO "), "{:?}", server.lines());
    assert_eq!(world.json(&["report", "status", "--json"])[0]["kind"], "lmtp");
}

#[test]
fn a_session_over_a_command() {
    let world = World::at_noon();
    let script = world.script("server", "printf '220 sink\\r\\n'\nwhile read -r line; do\ntrace \"$line\"\ncase $line in\nDATA*) printf '354 go\\r\\n'; while read -r text; do case $text in .?) break;; esac; done; printf '250 2.0.0 ok\\r\\n';;\nQUIT*) printf '221 bye\\r\\n'; exit;;\n*) printf '250 ok\\r\\n';;\nesac\ndone");
    world.config(&format!("{QUEUE}[transport.shell]\nsession = [{script:?}]\n"));
    let ids = [world.enqueue(&["a@example.com"]), world.enqueue(&["b@example.com"])];
    world.flush();
    assert!(ids.iter().all(|id| world.state(id) == "sent"));
    assert_eq!(world.trace().iter().filter(|line| line.starts_with("EHLO")).count(), 1);
    assert_eq!(world.recipient(&ids[0], 0).0, "relayed");
    // What the command says of its failure is the reason.
    let script = world.script("broken", "echo no route >&2");
    world.config(&format!("{QUEUE}[transport.shell]\nsession = [{script:?}]\n"));
    let id = world.enqueue(&["a@example.com"]);
    let ran = world.mspool(&["flush"]).run();
    assert!(ran.err.contains("closed the connection: no route"), "{ran:?}");
    assert_eq!(attempts(&world, &id), 0);
}

#[test]
fn extensions_are_used_where_offered() {
    let server = Server::start(Offer::of(&["PIPELINING", "SIZE 2000", "DSN", "8BITMIME", "SMTPUTF8"]), |_, _| None);
    let world = world(&server, "");
    world.enqueue_bytes(
        "Subject: x\n\nGr\u{fc}\u{df}e\n".as_bytes(),
        &["--notify", "delay,failure", "--ret", "hdrs", "--envid", "E 1", "b\u{fc}b@example.com"],
    );
    world.flush();
    let lines = server.lines();
    assert!(
        lines[1].contains(" SIZE=") && lines[1].contains(" BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=E+201"),
        "{lines:?}"
    );
    assert_eq!(lines[2], "RCPT TO:<b\u{fc}b@example.com> NOTIFY=FAILURE,DELAY");
    // Without them, what needs one fails before it is sent.
    let poor = Server::start(Offer::of(&["SIZE 2000"]), |_, _| None);
    configure(&world, &poor, "");
    let id = world.enqueue(&["b\u{fc}b@example.com", "bob@example.com"]);
    let big = world.enqueue_bytes("x".repeat(3000).as_bytes(), &["bob@example.com"]);
    world.flush_quietly();
    assert_eq!(world.recipient(&id, 0).1, "5.6.7");
    assert_eq!(world.recipient(&id, 1).0, "relayed");
    let (state, status, text) = world.recipient(&big, 0);
    assert_eq!((state.as_str(), status.as_str()), ("failed", "5.3.4"), "{text}");
    assert_eq!(poor.taken().len(), 1);
}

#[test]
fn one_system_reports_a_success() {
    for (extension, reports) in [("DSN", 0), ("SIZE", 1)] {
        let server = Server::start(Offer::of(&[extension]), |_, _| None);
        let world = world(&server, "");
        let id = world.enqueue(&["--notify", "success", "bob@example.com"]);
        world.flush();
        assert_eq!((world.state(&id).as_str(), world.inbox().len()), ("sent", reports), "{extension}");
        assert_eq!(server.count("RCPT TO:<bob@example.com> NOTIFY=SUCCESS"), 1 - reports);
    }
}

#[test]
fn bytes_of_a_message_never_leave_as_commands() {
    let server = Server::usual();
    let world = world(&server, "");
    let text = b"Subject: x\n\na\n.\nMAIL FROM:<evil@example.org>\r.\rRSET\n.\r\nb\r\n.\nQUIT\n";
    let id = world.enqueue_bytes(text, &["bob@example.com"]);
    world.flush();
    assert_eq!(world.state(&id), "sent");
    assert_eq!(server.count("MAIL"), 1);
    assert!(
        server.taken()[0]
            .text
            .ends_with("a\r\n..\r\nMAIL FROM:<evil@example.org>\r\n..\r\nRSET\r\n..\r\nb\r\n..\r\nQUIT\r\n")
    );
}

#[test]
fn a_large_message_arrives_whole() {
    let server = Server::usual();
    let world = world(&server, "");
    let text = format!("Subject: x\n\n{}", ".a line of some length\n".repeat(40_000));
    world.enqueue_bytes(text.as_bytes(), &["bob@example.com"]);
    world.flush();
    let taken = server.taken().remove(0).text;
    assert!(taken.replace("\r\n..", "\r\n.").replace("\r\n", "\n").ends_with(&text));
}

#[test]
fn a_session_that_the_server_closed_costs_nothing() {
    // The server ends every session after its first message, with and without a word.
    for last in [Act::Close, Act::SayAndClose("421 4.7.0 one message a session\r\n".into())] {
        let server = Server::start(Offer::usual(), move |line, place| {
            (line.starts_with("MAIL") && place.messages >= 1).then(|| last.clone())
        });
        let world = world(&server, "");
        let ids: Vec<String> = (0..6).map(|number| world.enqueue(&[&format!("bob{number}@example.com")])).collect();
        world.flush();
        assert_eq!(server.taken().len(), 6);
        for id in &ids {
            assert_eq!((world.state(id).as_str(), attempts(&world, id)), ("sent", 1));
        }
    }
}

#[test]
fn a_watch_keeps_the_session_between_messages() {
    let server = Server::usual();
    let mut world = world(&server, "idle = \"30s\"");
    world.clock = None;
    let mut watch = world.mspool(&["watch"]).start();
    for number in 0..3 {
        let id = world.enqueue(&[&format!("bob{number}@example.com")]);
        crate::world::wait_for("the message", || world.state(&id) == "sent");
    }
    assert_eq!((server.connections(), server.taken().len()), (1, 3));
    crate::world::signal_until_it_ends(&mut watch, "TERM");
    crate::world::wait_for("the end of the session", || server.count("QUIT") == 1);
}

#[test]
fn an_unused_session_is_closed() {
    let server = Server::usual();
    let mut world = world(&server, "idle = \"1s\"");
    world.clock = None;
    let mut watch = world.mspool(&["watch"]).start();
    world.enqueue(&["bob@example.com"]);
    crate::world::wait_for("the end of the session", || server.count("QUIT") == 1);
    crate::world::signal_until_it_ends(&mut watch, "TERM");
}

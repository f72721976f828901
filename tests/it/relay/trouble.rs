//! Trouble of the relay is not trouble of the message: no recipient is charged, and the relay is left alone.

use std::net::TcpListener;

use crate::relay::server::{Act, Offer, Server, say};
use crate::relay::{QUEUE, attempts, configure, status, world};
use crate::world::{World, signal_until_it_ends};

fn enqueue_many(world: &World, count: usize) -> Vec<String> {
    (0..count).map(|number| world.enqueue(&[&format!("bob{number}@example.com")])).collect()
}

/// Runs a flush, and checks that all mail waits uncharged behind a broken transport whose reason says this.
#[track_caller]
fn breaks(world: &World, ids: &[String], state: &str, reason: &str) {
    let ran = world.mspool(&["flush"]).run();
    assert!(ran.err.contains(reason), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    let (word, text) = status(world);
    assert_eq!(word, state, "{text}");
    assert!(text.contains(reason), "{text}");
    for id in ids {
        assert_eq!((world.recipient(id, 0).0.as_str(), attempts(world, id)), ("owed", 0));
    }
}

#[test]
fn a_dead_relay_costs_two_connections() {
    for parallel in ["", "parallel = 8"] {
        let server = Server::start(Offer::usual(), |line, _| (line == "CONNECT").then_some(Act::Close));
        let mut world = world(&server, parallel);
        let ids = enqueue_many(&world, 50);
        breaks(&world, &ids, "failure", "the server closed the connection");
        assert!(server.connections() <= 2, "{}", server.connections());
        // Until the next trial, none; the trial is one.
        let before = server.connections();
        world.flush_quietly();
        assert_eq!(server.connections(), before);
        world.run_machine_until(crate::world::NOON + 301);
        world.flush_quietly();
        assert_eq!(server.connections(), before + 1);
    }
}

#[test]
fn a_refused_connection() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let world = World::at_noon();
    world.config(&format!("{QUEUE}[transport.relay]\nsmtp = \"smtp://127.0.0.1:{port}\"\n"));
    let ids = enqueue_many(&world, 3);
    breaks(&world, &ids, "failure", "onnection refused");
    // The next server of a list is asked.
    let server = Server::usual();
    world.config(&format!(
        "{QUEUE}[transport.relay]\nsmtp = [\"smtp://127.0.0.1:{port}\", \"smtp://127.0.0.1:{}\"]\n",
        server.port
    ));
    world.flush();
    assert_eq!(server.taken().len(), 3);
}

#[test]
fn trouble_at_every_stage_before_the_text() {
    let stages = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"];
    for (stage, grouped) in stages.iter().flat_map(|stage| [(*stage, true), (*stage, false)]) {
        for act in [Act::Close, Act::SayAndClose("421 4.3.2 shutting down\r\n".into())] {
            let offer = if grouped { Offer::usual() } else { Offer::of(&[]) };
            let says = matches!(act, Act::SayAndClose(_));
            let server = Server::start(offer, move |line, _| line.starts_with(stage).then(|| act.clone()));
            let world = world(&server, "");
            let ids = enqueue_many(&world, 4);
            breaks(&world, &ids, "failure", if says { "shutting down" } else { "closed the connection" });
            assert!(server.connections() <= 2, "{stage}");
        }
    }
}

#[test]
fn an_interruption_after_the_text_may_have_delivered() {
    let (asked, has_asked) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let channels = std::sync::Mutex::new((asked, may_go_on));
    let server = Server::start(Offer::usual(), move |line, _| {
        (line == ".").then(|| {
            let (asked, may_go_on) = &*channels.lock().unwrap();
            asked.send(()).unwrap();
            let _ = may_go_on.recv();
            Act::Close
        })
    });
    let world = world(&server, "");
    let id = world.enqueue(&["bob@example.com"]);
    let mut child = world.mspool(&["flush"]).start();
    has_asked.recv().unwrap();
    signal_until_it_ends(&mut child, "TERM");
    drop(go_on);
    let (state, _, text) = world.recipient(&id, 0);
    assert_eq!((state.as_str(), attempts(&world, &id)), ("owed", 1));
    assert!(text.starts_with("maybe delivered"), "{text}");
}

#[test]
fn an_end_during_or_after_the_text_is_charged_to_its_message() {
    // A message at which the server always breaks must not hold up the others.
    let server = Server::start(Offer::usual(), {
        let poison = std::sync::atomic::AtomicBool::new(false);
        move |line, _| {
            if line.starts_with("RCPT") {
                poison.store(line.contains("bob1@"), std::sync::atomic::Ordering::SeqCst);
            }
            (line == "." && poison.load(std::sync::atomic::Ordering::SeqCst)).then_some(Act::Close)
        }
    });
    let world = world(&server, "max_messages = 1");
    let ids = enqueue_many(&world, 4);
    world.flush_quietly();
    let (state, code, text) = world.recipient(&ids[1], 0);
    assert_eq!((state.as_str(), code.as_str()), ("owed", "4.4.2"), "{text}");
    assert!(text.starts_with("maybe delivered"), "{text}");
    // Again soon, with the same Message-ID.
    assert_eq!(world.due(&ids[1]), Some(crate::world::NOON + 10));
    for id in [&ids[0], &ids[2], &ids[3]] {
        assert_eq!(world.state(id), "sent");
    }
    assert_eq!(status(&world).0, "available");
}

#[test]
fn a_closing_reply_after_the_dot_is_an_answer() {
    let server = Server::start(Offer::usual(), |line, place| {
        (line == "." && place.connection == 1).then(|| Act::SayAndClose("421 4.7.0 try later\r\n".into()))
    });
    let world = world(&server, "");
    let ids = enqueue_many(&world, 3);
    world.flush_quietly();
    assert_eq!(world.recipient(&ids[0], 0), ("owed".into(), "4.7.0".into(), "try later".into()));
    assert_eq!((world.state(&ids[1]).as_str(), world.state(&ids[2]).as_str()), ("sent", "sent"));
}

#[test]
fn hostile_replies_break_the_transport_and_nothing_else() {
    let long = format!("250-{}\r\n250 ok", "x".repeat(100_000));
    let cases: [(&str, String, &str); 6] = [
        ("CONNECT", "SSH-2.0-OpenSSH".into(), "in place of a reply"),
        ("EHLO", "garbage\x1b[2J".into(), "in place of a reply"),
        ("MAIL", "250 ok\r\n250 ok\r\n250 ok".into(), ""),
        ("MAIL", "250-a\r\n251 b".into(), "in place of a reply"),
        ("RCPT", "250-more\r\n".repeat(600) + "250 ok", "does not end"),
        ("MAIL", "x".repeat(3_000_000), "does not end"),
    ];
    for (stage, reply, reason) in cases {
        let server =
            Server::start(Offer::usual(), move |line, _| line.starts_with(stage).then(|| say(&reply)).flatten());
        let world = world(&server, "timeout = \"2s\"");
        let ids = enqueue_many(&world, 2);
        let ran = world.mspool(&["flush"]).run();
        assert!(ran.err.contains(reason) && !ran.err.contains('\x1b'), "{stage} {ran:?}");
        assert!(ids.iter().all(|id| world.state(id) != "failed"), "{stage} {reason}");
    }
    // A line of 100 KB is a reply like others.
    let server = Server::start(Offer::usual(), move |line, _| line.starts_with("RCPT").then(|| say(&long)).flatten());
    let world = world(&server, "");
    enqueue_many(&world, 2);
    world.flush();
    assert_eq!(server.taken().len(), 2);
}

#[test]
fn capabilities_that_lie() {
    // PIPELINING is offered, and each command must wait all the same: the others are refused.
    let server =
        Server::start(Offer::usual(), |line, _| line.starts_with("RCPT").then(|| say("503 5.5.1 slowly")).flatten());
    let world = world(&server, "");
    let ids = enqueue_many(&world, 2);
    world.flush_quietly();
    assert_eq!(world.recipient(&ids[0], 0), ("failed".into(), "5.5.1".into(), "slowly".into()));
    assert_eq!(server.taken().iter().filter(|taken| !taken.text.is_empty()).count(), 0);
}

#[test]
fn a_server_without_an_answer_is_given_up() {
    let server = Server::start(Offer::of(&[]), |line, _| line.starts_with("MAIL").then(|| Act::Say(String::new())));
    let world = world(&server, "timeout = \"1s\"");
    let ids = enqueue_many(&world, 2);
    breaks(&world, &ids, "failure", "did not answer within 1s");
}

#[test]
fn a_relay_that_works_again_gets_everything() {
    let server = Server::start(Offer::usual(), |line, place| {
        (line == "EHLO host.example" && place.connection == 1).then_some(Act::Close)
    });
    let mut world = world(&server, "");
    let ids = enqueue_many(&world, 10);
    breaks(&world, &ids, "failure", "closed the connection");
    world.run_machine_until(crate::world::NOON + 301);
    world.flush();
    assert_eq!(server.taken().len(), 10);
    assert_eq!((status(&world).0.as_str(), server.connections()), ("available", 2));
    configure(&world, &server, "");
}

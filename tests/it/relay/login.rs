//! Logins, and where their secrets come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::relay::server::{Offer, Server, say};
use crate::relay::{attempts, configure, status, world};

const PASSWORD: &str = "sesame street";

fn offer() -> Offer {
    Offer::of(&["PIPELINING", "AUTH PLAIN LOGIN"])
}

fn password_keys(world: &crate::world::World, mode: u32) -> String {
    let path = world.path("relay.pw");
    fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    "user = \"joe\"\npassword_file = \"relay.pw\"".to_owned()
}

#[test]
fn a_login_once_a_session() {
    let server = Server::start(offer(), |_, _| None);
    let world = world(&server, "");
    configure(&world, &server, &password_keys(&world, 0o600));
    for number in 0..5 {
        world.enqueue(&[&format!("bob{number}@example.com")]);
    }
    world.flush();
    assert_eq!((server.count("AUTH PLAIN AGpvZQBzZXNhbWUgc3RyZWV0"), server.taken().len()), (1, 5));
}

#[test]
fn a_refused_login_stops_the_transport() {
    for parallel in ["", "\nparallel = 8"] {
        let server =
            Server::start(offer(), |line, _| line.starts_with("AUTH").then(|| say("535 5.7.8 bad password")).flatten());
        let mut world = world(&server, "");
        let keys = password_keys(&world, 0o600) + parallel;
        configure(&world, &server, &keys);
        let ids: Vec<String> = (0..50).map(|number| world.enqueue(&[&format!("bob{number}@example.com")])).collect();
        let ran = world.mspool(&["flush"]).run();
        assert!(ran.err.contains("bad password") && !ran.err.contains("sesame"), "{ran:?}");
        assert_eq!((status(&world).0.as_str(), server.count("AUTH")), ("auth", 1));
        assert!(ids.iter().all(|id| attempts(&world, id) == 0));
        // Not tried again before a long pause.
        world.run_machine_until(crate::world::NOON + 3600);
        world.flush_quietly();
        assert_eq!((server.connections(), server.count("AUTH")), (1, 1));
        assert!(!everything_in(&world.spool()).contains("sesame"));
    }
}

fn everything_in(dir: &std::path::Path) -> String {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .map(|path| {
            if path.is_dir() {
                everything_in(&path)
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned()
            }
        })
        .collect()
}

#[test]
fn a_server_that_cannot_check_the_login_is_tried_again() {
    let server =
        Server::start(offer(), |line, _| line.starts_with("AUTH").then(|| say("454 4.7.0 database away")).flatten());
    let world = world(&server, "");
    configure(&world, &server, &password_keys(&world, 0o600));
    let id = world.enqueue(&["bob@example.com"]);
    world.flush_quietly();
    assert_eq!((status(&world).0.as_str(), attempts(&world, &id)), ("failure", 0));
}

#[test]
fn a_server_that_wants_a_login() {
    let server = Server::start(offer(), |line, _| {
        line.starts_with("MAIL").then(|| say("530 5.7.0 authentication required")).flatten()
    });
    let world = world(&server, "");
    let id = world.enqueue(&["bob@example.com"]);
    world.flush_quietly();
    let (word, text) = status(&world);
    assert_eq!((word.as_str(), attempts(&world, &id)), ("auth", 0));
    assert!(text.contains("wants a login: 530 authentication required"), "{text}");
}

#[test]
fn a_password_file_that_others_can_read_is_refused() {
    let server = Server::start(offer(), |_, _| None);
    let world = world(&server, "");
    configure(&world, &server, &password_keys(&world, 0o644));
    let id = world.enqueue(&["bob@example.com"]);
    let ran = world.mspool(&["flush"]).run();
    assert!(ran.err.contains("chmod 600"), "{ran:?}");
    assert_eq!((server.count("AUTH"), attempts(&world, &id)), (0, 0));
    let ran = world.mspool(&["report", "check"]).run();
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!((ran.out + &ran.err).contains("open to other users"));
}

#[test]
fn passwords_and_tokens_of_commands_and_credentials() {
    let server = Server::start(Offer::of(&["AUTH LOGIN XOAUTH2 OAUTHBEARER"]), |line, _| {
        (!line.contains(' ') && (line == "am9l" || line == "c2VzYW1lIHN0cmVldA=="))
            .then(|| say(if line == "am9l" { "334 UGFzc3dvcmQ6" } else { "235 ok" }))
            .flatten()
            .or_else(|| (line == "AUTH LOGIN").then(|| say("334 VXNlcm5hbWU6")).flatten())
    });
    let world = world(&server, "");
    let command = world.script("password", &format!("echo '{PASSWORD}'"));
    configure(&world, &server, &format!("user = \"joe\"\npassword_command = [{command:?}]"));
    world.enqueue(&["bob@example.com"]);
    world.flush();
    assert_eq!((server.count("AUTH LOGIN"), server.taken().len()), (1, 1));
    let token = world.script("token", "trace token\necho t0ken\necho 3600");
    configure(
        &world,
        &server,
        &format!("user = \"joe\"\nmax_messages = 1\nauth = [\"xoauth2\"]\ntoken_command = [{token:?}]"),
    );
    for _ in 0..3 {
        world.enqueue(&["bob@example.com"]);
    }
    world.flush();
    assert_eq!(server.count("AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgdDBrZW4BAQ=="), 3);
    assert_eq!(world.trace(), ["token"]);
    fs::create_dir(world.path("credentials")).unwrap();
    fs::write(world.path("credentials/relay"), PASSWORD).unwrap();
    fs::set_permissions(world.path("credentials/relay"), fs::Permissions::from_mode(0o400)).unwrap();
    configure(&world, &server, "user = \"joe\"\npassword_credential = \"relay\"");
    world.enqueue(&["bob@example.com"]);
    world.mspool(&["flush"]).env("CREDENTIALS_DIRECTORY", world.path("credentials")).run().silent();
    assert_eq!(server.taken().len(), 5);
}

#[test]
fn a_command_that_fails_says_why_and_no_secret() {
    let server = Server::start(offer(), |_, _| None);
    let world = world(&server, "");
    let command = world.script("password", &format!("echo '{PASSWORD}'; echo the keyring is locked >&2; exit 1"));
    configure(&world, &server, &format!("user = \"joe\"\npassword_command = [{command:?}]"));
    world.enqueue(&["bob@example.com"]);
    let ran = world.mspool(&["flush"]).run();
    assert!(ran.err.contains("the keyring is locked") && !ran.err.contains("sesame"), "{ran:?}");
    assert_eq!(status(&world).0, "failure");
}

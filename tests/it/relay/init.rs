//! `init --relay`: a configuration that works, or nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::relay::server::{Offer, Server, say};
use crate::world::World;

fn init(world: &World, server: &Server, password: &str) -> crate::world::Ran {
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let arguments =
        ["--config", "new/mspool.toml", "init", "--relay", &url, "--user", "joe \"q\"", "--from", "joe@example.org"];
    world.mspool(&arguments).input(password).run()
}

#[test]
fn a_configuration_for_a_relay_is_written_and_tried() {
    let server = Server::start(Offer::of(&["AUTH PLAIN"]), |_, _| None);
    let world = World::at_noon();
    let out = init(&world, &server, "sesame\n").ok();
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].ends_with("new/mspool.toml") && lines[1].ends_with("logged in as joe \"q\"; offers AUTH PLAIN"),
        "{out}"
    );
    assert_eq!((server.count("AUTH PLAIN AGpvZSAicSIAc2VzYW1l"), server.count("MAIL")), (1, 0));
    let mode = |name: &str| fs::metadata(world.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("new/mspool.toml"), mode("new/relay.pw")), (0o600, 0o600));
    let with = |args: &[&str]| world.mspool(&[&["--config", "new/mspool.toml"], args].concat());
    with(&["enqueue", "bob@example.com"]).input(crate::world::MAIL).run().ok();
    with(&["flush"]).run().silent();
    assert_eq!(server.taken()[0].sender, "<joe@example.org>");
    init(&world, &server, "sesame\n").fails(73, "already exists");
}

#[test]
fn a_refused_login_is_told_and_the_files_stay() {
    let server = Server::start(Offer::of(&["AUTH PLAIN"]), |line, _| {
        line.starts_with("AUTH").then(|| say("535 5.7.8 wrong")).flatten()
    });
    let world = World::at_noon();
    let ran = init(&world, &server, "sesame\n");
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(ran.err.contains("refused the login: 535 wrong; correct ") && !ran.err.contains("sesame"), "{ran:?}");
    assert!(world.path("new/mspool.toml").exists());
}

#[test]
fn wrong_options_leave_nothing_behind() {
    let world = World::at_noon();
    let run =
        |args: &[&str]| world.mspool(&[&["--config", "new.toml", "init", "--relay"], args].concat()).input("").run();
    run(&["mail.example.org"]).fails(78, "give smtps://HOST");
    run(&["smtp://127.0.0.1:1", "--user", "joe"]).fails(65, "has no password");
    assert!(!world.path("new.toml").exists() && !world.path("relay.pw").exists());
}

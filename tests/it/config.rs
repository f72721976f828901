//! The configuration: found, trusted, checked; its mistakes named by file, line and key.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::{MAIL, World, is_root, signal_until_it_ends, wait_for};

#[test]
fn mistakes_name_the_file_the_line_and_the_cure() {
    let world = World::new();
    for (text, line, reason) in [
        ("\n[queue]\nliftime = \"5d\"", 3, "unknown key \"liftime\"; did you mean \"lifetime\"?"),
        ("colour = \"blue\"", 1, "unknown key \"colour\""),
        ("[transport.a]\ncommand = [\"x\"]\ntimout = \"5m\"", 3, "did you mean \"timeout\"?"),
        ("[queue]\nlifetime = \"soon\"", 2, "lifetime \"soon\" is not a time span"),
        ("[queue]\nlifetime = 5", 2, "\"queue.lifetime\" must be a string in quotes, not a number"),
        ("[queue]\nmessage_limit = \"big\"", 2, "message_limit \"big\" is not a size"),
        ("[queue]\nretry = { factor = 0.5 }", 2, "factor must be"),
        ("[queue]\nretry = { jitter = 2.0 }", 2, "jitter must be"),
        ("hostname = \"a/b\"", 1, "hostname"),
        ("sender = \"a\\nb\"", 1, "control character"),
        ("[transport.A]\ncommand = [\"x\"]", 1, "only a-z"),
        ("[transport.\"../x\"]\ncommand = [\"x\"]", 1, "only a-z"),
        ("[transport.a]\ntypes = [\"SMTP\"]", 1, "none of command, maildir, smtp, lmtp, session; set one of them"),
        ("[transport.a]\ncommand = [\"x\"]\nmaildir = \"/m\"", 2, "more than one of command and maildir"),
        ("[transport.a]\ncommand = [\"x\"]\nuser = \"joe\"", 3, "user has no effect"),
        ("[transport.a]\nsmtp = 5", 2, "must be"),
        ("[transport.a]\nsmtp = []", 2, "smtp names no server"),
        ("[transport.a]\nsmtp = \"mail.example.org\"", 2, "give smtps://HOST, smtp://HOST or unix:/PATH"),
        ("[transport.a]\nsmtp = \"smtp://joe@host\"", 2, "the user name is set with user"),
        ("[transport.a]\nlmtp = \"smtp://host\"", 2, "give lmtp://HOST or unix:/PATH"),
        ("[transport.a]\nsmtp = \"smtp://host\"\nresults = \"lines\"", 3, "has no effect"),
        ("[transport.a]\nsmtp = \"smtp://host\"\nprotocol = \"smtp\"", 3, "only"),
        ("[transport.a]\nsmtp = \"smtp://host\"\nuser = \"joe\"", 3, "user needs one of password_command"),
        ("[transport.a]\nsmtp = \"smtp://host\"\npassword_file = \"pw\"", 3, "password_file needs user"),
        (
            "[transport.a]\nsmtp = \"smtp://host\"\nuser = \"joe\"\npassword_file = \"a\"\npassword_credential = \"b\"",
            4,
            "both set",
        ),
        ("[transport.a]\nsmtp = \"smtp://host\"\nauth = [\"plain\"]", 3, "auth needs user"),
        (
            "[transport.a]\nsmtp = \"smtp://host\"\nuser = \"joe\"\npassword_file = \"a\"\nauth = [\"xoauth2\"]",
            5,
            "with a password give scram-sha-256, plain, login",
        ),
        (
            "[transport.a]\nsmtp = \"smtp://host\"\nuser = \"joe\"\npassword_file = \"a\"\ntls = \"opportunistic\"",
            5,
            "a password needs a server that is known",
        ),
        ("[transport.a]\nsmtp = \"smtps://host\"\ntls = \"off\"", 3, "smtps: always uses TLS"),
        ("[transport.a]\nsmtp = \"unix:/run/x\"\ntls = \"required\"", 3, "not used with unix:"),
        ("[transport.a]\nsmtp = \"smtp://host\"\ntls = \"yes\"", 3, "tls must be"),
        ("[transport.a]\nsmtp = \"smtp://host\"\ntls_pin = [\"x\"]", 3, "tls_pin \"x\" is not sha256:"),
        ("[transport.a]\nsmtp = \"smtp://host\"\ntls_cert = \"x\"", 3, "belong together"),
        ("[transport.a]\nsmtp = \"smtp://localhost\"\ntls_ca = \"x\"", 3, "no effect without tls"),
        ("[transport.a]\nsmtp = \"smtp://host\"\nmax_messages = 0", 3, "max_messages must be"),
        ("[transport.a]\nsmtp = \"smtp://host\"\nidle = \"1h\"", 3, "idle must be at most 5m"),
        ("[transport.a]\nsession = []", 2, "session names no program"),
        ("[transport.a]\ncommand = []", 2, "names no program"),
        ("[transport.a]\ncommand = \"x\"", 2, "must be a list"),
        ("[transport.a]\ncommand = [\"x\", \"{recipent}\"]", 2, "did you mean {recipient}?"),
        ("[transport.a]\ncommand = [\"x\", \"-t={recipients}\"]", 2, "separate argument"),
        ("[transport.a]\ncommand = [\"x\"]\nresults = \"maybe\"", 3, "results must be"),
        ("[transport.a]\ncommand = [\"x\"]\nparallel = 0", 3, "parallel must be"),
        ("[transport.a]\ncommand = [\"x\"]\ntypes = [\"smtp\"]", 3, "type \"smtp\""),
        ("[transport.a]\ncommand = [\"x\"]\nmatch = [\"\"]", 3, "pattern"),
        ("[transport.a]\ncommand = [\"x\"]\nprobe = []", 3, "probe names no program"),
        ("[transport.a]\ncommand = [\"x\"]\nenv = { MSPOOL_ID = \"1\" }", 1, "cannot be set"),
        ("[transport.a]\nmaildir = \"/m\"\nresults = \"lines\"", 3, "has no effect"),
        ("[transport.a]\ncommand = [\"x\"]\npreprocess = [\"sign\"]", 3, "must be a list"),
        ("[transport.a]\ncommand = [\"x\"]\npreprocess = [[\"sign\", \"{sendr}\"]]", 3, "did you mean {sender}?"),
        (
            "[transport.a]\ncommand = [\"x\", \"{recipient}\"]\npreprocess = [[\"s\", \"{recipients}\"]]",
            3,
            "one at a time",
        ),
        ("[transport.a]\ncommand = [\"x\"]\nundo = [\"u\", \"{subject}\"]\nundo2 = 1", 4, "unknown key"),
        ("[inbound.pop]\nack = [\"a\"]", 1, "needs the key \"fetch\""),
        ("[inbound.POP]\nfetch = [\"f\"]", 1, "only a-z"),
        ("[inbound.pop]\nfetch = []", 2, "fetch names no program"),
        ("[inbound.pop]\nfetch = [\"f\"]\nack = [\"sh\", \"-c\", \"ack {ref}\"]", 3, "a shell may run"),
        ("[inbound.pop]\nfetch = [\"f\"]\nevery = \"soon\"", 3, "not a time span"),
        ("[[hook.inbound]]\ncommand = [\"h\"]\ntimeout = \"x\"", 3, "not a time span"),
        ("[[hook.sideways]]\ncommand = [\"h\"]", 1, "unknown key"),
        ("[folders]\n\"report.\" = \"../x\"", 2, "is not a folder"),
        ("[notify]\ncommand = [\"n\", \"{subjct}\"]", 2, "did you mean {subject}?"),
        ("[notify]\ncommand = [\"sh\", \"-c\", \"echo {subject}\"]", 2, "a shell may run"),
        ("[reports]\nvia = \"pigeon\"", 2, "via must be"),
        ("[reports]\nreturn_limit = \"much\"", 2, "\"much\" is not a size"),
        ("identities = [\"\"]", 1, "identity"),
        ("store = \"\"", 1, "store \"\" is not a path"),
        ("[queue\n", 1, "the closing ] is missing"),
    ] {
        world.config(text);
        let ran = world.mspool(&["flush"]).run();
        assert_eq!((ran.code, ran.out.as_str()), (78, ""), "{text}: {ran:?}");
        ran.says(&format!("config.toml:{line}: "));
        ran.says(reason);
    }
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let world = World::new();
    world.mspool(&["--config", "/nonexistent.toml", "report"]).run().fails(78, "/nonexistent.toml");
    world.mspool(&["report"]).env("MSPOOL_CONFIG", "/nonexistent.toml").run().fails(78, "/nonexistent.toml");
    world.mspool(&["--config", "/dev/null", "report"]).run().fails(78, "not a regular file");
}

#[test]
fn a_file_that_others_could_have_written_is_refused() {
    let world = World::new();
    let path = world.path("config.toml");
    for mode in [0o666, 0o622, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        world.mspool(&["report"]).run().fails(78, "chmod go-w");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    world.mspool(&["report"]).run().ok();
    if is_root() {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        world.mspool(&["report"]).run().fails(78, "belongs to user 65534");
    }
}

#[test]
fn a_file_in_a_directory_open_to_all_is_refused_unless_sticky() {
    let world = World::new();
    let dir = world.path("open");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("c.toml"), "").unwrap();
    fs::set_permissions(dir.join("c.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let path = dir.join("c.toml");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    world.mspool(&["--config", path.to_str().unwrap(), "report"]).run().fails(78, "chmod go-w");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777)).unwrap();
    world.mspool(&["--config", path.to_str().unwrap(), "report"]).run().ok();
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let world = World::new();
    world.config(&format!("spool = {:?}", world.path("from-file")));
    let used = |args: &[&str], variable: bool| {
        let run = world.mspool(args);
        let run = if variable { run } else { run.without("MSPOOL_SPOOL") };
        run.input(MAIL).run().ok();
        let mut dirs: Vec<String> = ["from-file", "spool", "flag"]
            .iter()
            .filter(|name| world.path(name).exists())
            .map(|name| (*name).to_owned())
            .collect();
        for name in &dirs {
            fs::remove_dir_all(world.path(name)).unwrap();
        }
        assert_eq!(dirs.len(), 1);
        dirs.remove(0)
    };
    let flag = world.path("flag");
    assert_eq!(used(&["enqueue", "bob@x"], false), "from-file");
    assert_eq!(used(&["enqueue", "bob@x"], true), "spool");
    assert_eq!(used(&["--spool", flag.to_str().unwrap(), "enqueue", "bob@x"], true), "flag");
    assert_eq!(used(&["enqueue", "--spool", "flag", "bob@x"], true), "flag");
}

#[test]
fn init_writes_a_file_that_loads_and_never_touches_one() {
    let world = World::new();
    let path = world.path("fresh/config.toml");
    // Root's customary file is the system's: there it is only tried where --config says.
    let out = if is_root() {
        world.mspool(&["--config", path.to_str().unwrap(), "init"]).run().ok()
    } else {
        world.mspool(&["init"]).without("MSPOOL_CONFIG").run().ok()
    };
    let written = std::path::PathBuf::from(out.trim());
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
    world.mspool(&["--config", out.trim(), "report", "check"]).run().ok();
    world.mspool(&["--config", out.trim(), "init"]).run().fails(73, "already exists");
}

#[test]
fn the_environment_may_be_as_poor_as_under_cron() {
    let world = World::with_relay("cat >/dev/null");
    let run = |args: &[&str]| world.mspool(args).without("HOME").without("USER").without("PATH").without("TZ");
    let id = run(&["enqueue", "bob@x"]).input(MAIL).run().ok();
    run(&["flush"]).env("PATH", "/usr/bin:/bin").run().silent();
    assert_eq!(world.state(id.trim()), "sent");
}

#[test]
fn an_exit_status_means_what_the_transport_says() {
    for (meaning, state, status, text) in [
        ("failed", "failed", "5.0.0", "refused"),
        ("deferred", "owed", "4.0.0", "temporary failure"),
        ("auth", "owed", "4.7.8", "the login was refused"),
        ("broken", "owed", "4.3.5", "the transport is broken"),
        ("busy", "owed", "4.3.2", "busy"),
    ] {
        let world = World::at_noon();
        // Without the key, 77 is a permanent failure, whatever a leading status says.
        world.relay("cat >/dev/null; exit 77", &format!("exits = {{ 77 = \"{meaning}\" }}"));
        let id = world.enqueue(&["bob@x"]);
        world.flush_quietly();
        let found = world.recipient(&id, 0);
        assert_eq!(found, (state.into(), status.into(), format!("{text} (exit status 77)")), "{meaning}");
    }
    let world = World::at_noon();
    let script = world.script("relay", "cat >/dev/null; echo '5.7.8 login refused'; exit 77");
    world.config(&format!("[transport.a]\ncommand = [{script:?}]\nexits = {{ 77 = \"auth\" }}\n"));
    let id = world.enqueue(&["bob@x"]);
    world.flush_quietly();
    assert_eq!(world.recipient(&id, 0).0, "owed", "the configuration overrides a printed status");
    assert!(world.mspool(&["report", "status"]).run().ok().contains(" auth "), "the circuit breaker is open");
}

#[test]
fn wrong_exits_are_refused() {
    for (keys, text) in [
        ("command = [\"true\"]\nexits = { 0 = \"failed\" }", "exit status \"0\"; give a number from 1 to 255"),
        ("command = [\"true\"]\nexits = { 256 = \"failed\" }", "give a number from 1 to 255"),
        ("command = [\"true\"]\nexits = { 77 = \"login\" }", "one of failed, deferred, broken, auth, busy, notme"),
        ("maildir = \"/tmp/m\"\nexits = { 77 = \"auth\" }", "exits has no effect"),
    ] {
        let world = World::new();
        world.config(&format!("[transport.a]\n{keys}\n"));
        world.mspool(&["report"]).run().fails(78, text);
    }
}

#[test]
fn probable_mistakes_are_told() {
    let world = World::new();
    let msmtp = world.script("msmtp", "cat >/dev/null");
    let check = |config: &str| {
        world.config(config);
        let ran = world.mspool(&["report", "check"]).run();
        let warned: Vec<String> = ran.out.lines().filter(|line| line.starts_with("warn")).map(str::to_owned).collect();
        (ran.code, warned.join("\n"))
    };
    let (code, text) = check(&format!("[transport.a]\ncommand = [{msmtp:?}]\n"));
    assert!(code == 1 && text.contains("exits = { 77 = \"auth\" }"), "{code} {text}");
    let mut watch = world.mspool(&["watch"]).start();
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    signal_until_it_ends(&mut watch, "TERM");
    let told = String::from_utf8(watch.wait_with_output().unwrap().stderr).unwrap();
    assert!(told.contains("mspool: transport a: a login that the relay refuses"), "{told}");
    let (code, text) = check(&format!("[transport.a]\nmaildir = {:?}\n", world.path("m")));
    assert!(code == 1 && text.contains("takes all internet mail"), "{code} {text}");
    let good = |top: &str| {
        format!(
            "{top}\n[transport.a]\ncommand = [{msmtp:?}]\nexits = {{ 77 = \"auth\" }}\n[transport.b]\nmatch = [\"joe\"]\nmaildir = {:?}\n",
            world.path("m")
        )
    };
    for top in ["hostname = \"mail.example\"", "sender = \"joe@example.org\""] {
        assert_eq!(check(&good(top)), (0, String::new()));
    }
    let (code, text) = check(&good("hostname = \"laptop\""));
    assert!(
        code == 1 && text.contains("@laptop: the domain of the default sender is not known to other hosts"),
        "{text}"
    );
}

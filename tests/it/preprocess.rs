//! Preprocessing: what a transport is given is made by filters; everything else uses the message as it was submitted.

use std::fs;
use std::path::Path;

use crate::world::{MAIL, World};

/// A world whose relay writes down each recipient with the last line it was given, behind these filters.
fn world(filters: &[(&str, &str)], keys: &str) -> World {
    let world = World::at_noon();
    let list: Vec<String> =
        filters.iter().map(|(name, script)| format!("[{:?}, \"{{sender}}\"]", world.script(name, script))).collect();
    world.relay(
        "shift 2; for r in \"$@\"; do printf '%s ' \"$r\" >>\"$TRACE\"; done; tail -1 >>\"$TRACE\"",
        &format!("preprocess = [{}]\n{keys}", list.join(", ")),
    );
    world
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).unwrap().next().is_none()
}

#[test]
fn filters_run_in_order_on_a_copy() {
    let world = world(&[("a", "sed 's/Hello/Hello $1/'"), ("b", "tr a-z A-Z; trace \"b for $MSPOOL_RECIPIENTS\"")], "");
    let sent = world.path("Sent");
    fs::create_dir_all(sent.join("new")).unwrap();
    let id = world.enqueue(&["-f", "joe@example.org", "--sent", sent.to_str().unwrap(), "bob@x"]);
    world.flush();
    assert_eq!(world.trace(), ["b for bob@x", "bob@x HELLO $1."]);
    assert_eq!(world.message(&id), MAIL.as_bytes(), "the message stays as it was");
    let copy = fs::read_dir(sent.join("cur")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read(copy).unwrap(), MAIL.as_bytes(), "and so does the sent copy");
    assert!(is_empty(&world.spool().join("work")), "nobody keeps what the filters made");
}

#[test]
fn a_filter_that_fails_defers_and_nothing_goes_out() {
    for script in [
        "cat; exit 1",
        "cat; exit 65",
        "cat; kill -9 $$",
        "exit 0",
        "cat >/dev/null",
        "cat; echo 5.1.1 no; exit 67",
        "mkdir -p \"$MSPOOL_WORK/out\"; cat >\"$MSPOOL_WORK/out/1.eml\"; echo mallory@x >\"$MSPOOL_WORK/out/1.rcpts\"",
        "cat; echo mallory@x >\"$MSPOOL_WORK/undeliverable\"",
        "ln -s /etc/passwd \"$MSPOOL_WORK/out/1.eml\"; cat",
    ] {
        let world = world(&[("f", script)], "");
        let id = world.enqueue(&["bob@x"]);
        world.flush();
        assert_eq!((world.state(&id).as_str(), world.recipient(&id, 0).0.as_str()), ("cur", "owed"), "{script}");
        assert!(world.trace().is_empty(), "{script}: {:?}", world.trace());
        assert_eq!(world.report(&id)["attempts"], 1);
    }
}

#[test]
fn a_filter_that_hangs_is_killed() {
    let world = world(&[("f", "cat; exec sleep 1000")], "timeout = \"1s\"");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.recipient(&id, 0).0, "owed");
    assert!(world.recipient(&id, 0).2.contains("took longer than 1s"), "{:?}", world.recipient(&id, 0));
    assert!(world.trace().is_empty() && is_empty(&world.spool().join("work")));
}

#[test]
fn a_filter_that_is_not_there_breaks_the_transport_and_costs_the_mail_nothing() {
    let world = world(&[], "");
    world.relay("trace never", "preprocess = [[\"/nonexistent/filter\"]]");
    let id = world.enqueue(&["bob@x"]);
    assert_eq!(world.mspool(&["flush"]).run().code, 0);
    assert_eq!((world.recipient(&id, 0).0.as_str(), world.report(&id)["attempts"].as_u64()), ("owed", Some(0)));
    assert_eq!(world.json(&["report", "status", "--json"])[0]["state"], "failure");
}

#[test]
fn only_the_transport_that_takes_the_mail_filters_it() {
    let world = World::at_noon();
    let (filter, relay) =
        (world.script("filter", "trace filtered; cat"), world.script("relay", "trace \"$1 $(tail -1)\""));
    world.config(&format!(
        "[transport.fax]\ntypes = [\"FAX\"]\ncommand = [{relay:?}, \"{{recipient}}\"]\npreprocess = [[{filter:?}]]\n\
         [transport.relay]\ncommand = [{relay:?}, \"{{recipient}}\"]\n"
    ));
    world.enqueue(&["bob@x", "FAX:123"]);
    world.flush();
    let mut trace = world.trace();
    trace.sort();
    assert_eq!(trace, ["123 Hello.", "bob@x Hello.", "filtered"]);
}

#[test]
fn one_message_can_become_several() {
    let world = world(
        &[(
            "split",
            "cat >/dev/null; cd \"$MSPOOL_WORK/out\"; printf 'Subject: a\\n\\none\\n' >1.eml; echo a@x >1.rcpts; \
             printf 'Subject: b\\n\\ntwo\\n' >2.eml; printf 'b@x\\nc@x\\n' >2.rcpts; printf 'Subject: c\\n\\nall\\n' >3.eml",
        )],
        "",
    );
    let id = world.enqueue(&["a@x", "b@x", "c@x"]);
    world.flush();
    assert_eq!(world.trace(), ["a@x one", "b@x c@x two", "a@x b@x c@x all"]);
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn who_has_one_part_is_not_given_it_again() {
    let mut world = World::at_noon();
    let split = world.script(
        "split",
        "cat >/dev/null; cd \"$MSPOOL_WORK/out\"; printf 'S: a\\n\\none\\n' >1.eml; printf 'S: b\\n\\ntwo\\n' >2.eml",
    );
    world.relay(
        "text=$(tail -1); trace \"$text\"; test \"$text\" = one || test -e \"$(dirname \"$TRACE\")/open\" || exit 75",
        &format!("preprocess = [[{split:?}]]"),
    );
    let id = world.enqueue(&["a@x"]);
    world.flush();
    assert_eq!((world.trace(), world.recipient(&id, 0).0.as_str()), (vec!["one".to_owned(), "two".to_owned()], "owed"));
    fs::write(world.path("open"), "").unwrap();
    world.clock = Some(crate::world::NOON + 300);
    world.flush();
    assert_eq!(world.trace(), ["one", "two", "two"]);
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn a_filter_can_give_recipients_up() {
    let world = world(&[("keys", "cat; printf 'b@x 5.7.5 no key\\n\\n' >\"$MSPOOL_WORK/undeliverable\"")], "");
    let id = world.enqueue(&["-f", "joe@example.org", "a@x", "b@x"]);
    world.flush_quietly();
    assert_eq!(world.trace(), ["a@x Hello."]);
    assert_eq!(world.recipient(&id, 1), ("failed".into(), "5.7.5".into(), "no key".into()));
    let report = &world.inbox()[0];
    assert!(
        report.contains("Status: 5.7.5") && report.contains(MAIL),
        "the report has the message as submitted: {report}"
    );
}

#[test]
fn undo_runs_when_the_message_is_finished() {
    let world = World::at_noon();
    let (filter, undo) = (world.script("filter", "cat"), world.script("undo", "trace \"undo $1 $MSPOOL_TRANSPORT\""));
    world.relay(
        "cat >/dev/null; case $3 in no*) exit 67;; later*) exit 75;; esac",
        &format!("preprocess = [[{filter:?}]]\nundo = [{undo:?}, \"{{id}}\"]"),
    );
    let ids = [world.enqueue(&["yes@x"]), world.enqueue(&["-f", "", "no@x"]), world.enqueue(&["later@x"])];
    world.flush_quietly();
    let mut expected = vec![format!("undo {} relay", ids[0]), format!("undo {} relay", ids[1])];
    let mut trace = world.trace();
    trace.sort();
    assert_eq!(trace, expected, "not while somebody is owed");
    world.mspool(&["cancel", &ids[2]]).run().ok();
    expected.push(format!("undo {} relay", ids[2]));
    let mut trace = world.trace();
    trace.sort();
    assert_eq!(trace, expected, "and after a cancel");
    let untried = world.enqueue(&["later@x"]);
    world.mspool(&["cancel", &untried]).run().ok();
    assert_eq!(world.trace().len(), 3, "what was never processed has nothing to undo");
}

#[test]
fn an_address_never_becomes_an_option_or_a_program_of_a_filter() {
    let world = World::at_noon();
    let filter = world.script("filter", "trace \"$@\"; cat");
    world.relay("cat >/dev/null", &format!("preprocess = [[{filter:?}, \"{{recipients}}\"]]"));
    let id = world.enqueue(&["--", "-x@y", "a@y"]);
    world.flush_quietly();
    assert_eq!(world.recipient(&id, 0).1, "5.1.3");
    assert_eq!(world.recipient(&id, 1).0, "delivered");
    assert_eq!(world.trace(), ["a@y"]);
}

#[test]
fn the_end_of_the_output_counts_and_not_the_end_of_the_program() {
    if !crate::world::can_run("bash", &["-c", "true"]) {
        return;
    }
    let world = World::at_noon();
    let filter = world.script("filter", "exec bash -c 'exec > >(sleep 0.2; cat; echo last); cat'");
    world.relay("tail -1 >>\"$TRACE\"", &format!("preprocess = [[{filter:?}]]"));
    world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.trace(), ["last"]);
}

#[test]
fn every_part_has_a_file_of_its_own_in_a_maildir() {
    let world = World::at_noon();
    let split = world.script(
        "split",
        "cat >/dev/null; cd \"$MSPOOL_WORK/out\"; printf 'S: a\\n\\none\\n' >1.eml; printf 'S: b\\n\\ntwo\\n' >2.eml",
    );
    let maildir = world.path("Box");
    world.config(&format!("[transport.box]\nmaildir = {maildir:?}\npreprocess = [[{split:?}]]\ntimeout = \"5s\"\n"));
    let id = world.enqueue(&["a@x"]);
    world.flush();
    assert_eq!((world.state(&id).as_str(), fs::read_dir(maildir.join("new")).unwrap().count()), ("sent", 2));
}

#[test]
fn a_part_that_is_waited_for_hides_none_that_failed() {
    let world = World::at_noon();
    let split = world.script(
        "split",
        "cat >/dev/null; cd \"$MSPOOL_WORK/out\"; printf 'S: a\\n\\none\\n' >1.eml; printf 'S: b\\n\\ntwo\\n' >2.eml",
    );
    world.relay(
        "text=$(tail -1); trace \"$text\"; case $text in one) exit 81;; esac; exit 75",
        &format!("preprocess = [[{split:?}]]"),
    );
    let id = world.enqueue(&["a@x"]);
    world.flush();
    assert_eq!(world.recipient(&id, 0).0, "owed");
    world.mspool(&["report", "complete", &id, "--rcpt", "a@x", "--status", "2.0.0"]).run().fails(65, "is owed");
    world.mspool(&["flush", "--force"]).run().silent();
    assert_eq!(world.trace(), ["one", "two", "two"], "the first is not handed over again");
}

#[test]
fn parts_belong_to_the_transport_that_took_them() {
    let world = World::at_noon();
    let split = world.script(
        "split",
        "cat >/dev/null; cd \"$MSPOOL_WORK/out\"; printf 'S: a\\n\\none\\n' >1.eml; printf 'S: b\\n\\ntwo\\n' >2.eml",
    );
    let whole = world.script("whole", "mkdir -p \"$MSPOOL_WORK/out\"; cat >\"$MSPOOL_WORK/out/1.eml\"");
    let (a, b) = (
        world.script("a", "text=$(tail -1); test $text = one || exit 80"),
        world.script("b", "trace \"b $(tail -1)\""),
    );
    world.config(&format!(
        "[transport.a]\ncommand = [{a:?}, \"{{recipient}}\"]\npreprocess = [[{split:?}]]\n\
         [transport.b]\ncommand = [{b:?}, \"{{recipient}}\"]\npreprocess = [[{whole:?}]]\n"
    ));
    world.enqueue(&["a@x"]);
    world.flush();
    assert_eq!(world.trace(), ["b Hello."]);
}

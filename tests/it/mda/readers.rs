//! Programs that read a Maildir.

use std::path::{Path, PathBuf};

use crate::world::{World, can_run};

use super::{LETTER, REPORT, ROOM, files, private, world};

/// Two letters in the inbox, a report in a folder.
fn filled() -> World {
    let world = world();
    world.config(&format!("{ROOM}[folders]\n\"report\" = \"Reports\"\n"));
    world.mspool(&["receive"]).input(LETTER).run().silent();
    world.mspool(&["receive"]).input(LETTER.replace("letter", "second")).run().silent();
    world.mspool(&["receive", "-f", ""]).input(REPORT).run().silent();
    world
}

#[test]
fn mblaze_lists_inbox_and_folder() {
    if !can_run("mlist", &["/dev/null"]) {
        return;
    }
    let world = filled();
    let subjects = |folder: &str| {
        let script = "mlist \"$1\" | mscan -f %s";
        let path = world.spool().join(folder);
        let ran = world.program(Path::new("sh"), &["-c", script, "sh", path.to_str().unwrap()]).run();
        assert_eq!(ran.code, 0, "{ran:?}");
        let mut subjects: Vec<String> = ran.out.lines().map(|line| line.trim().to_owned()).collect();
        subjects.sort();
        subjects
    };
    assert_eq!(subjects("inbox"), ["letter", "second"]);
    assert_eq!(subjects("inbox/.Reports"), ["Undelivered Mail"]);
}

#[test]
fn notmuch_finds_inbox_and_folder() {
    if !can_run("notmuch", &["--version"]) {
        return;
    }
    let world = filled();
    let store = world.spool().join("inbox");
    let text = format!(
        "[database]\npath={}\n[user]\nprimary_email=joe@example.org\n[new]\nignore=maildirfolder\n",
        store.display()
    );
    let config = private(&world, "notmuch", &text);
    let notmuch = |args: &[&str]| world.program(Path::new("notmuch"), args).env("NOTMUCH_CONFIG", &config).run().ok();
    notmuch(&["new", "--quiet"]);
    let found = |query: &str| {
        let mut found: Vec<PathBuf> =
            notmuch(&["search", "--output=files", query]).lines().map(PathBuf::from).collect();
        found.sort();
        found
    };
    assert_eq!(found("from:ann@example.org and subject:letter").len(), 1);
    assert_eq!(found("folder:\"\""), files(&store.join("new")));
    assert_eq!(found("folder:.Reports and subject:Undelivered"), files(&store.join(".Reports/new")));
}

//! procmail and maildrop.

use std::fs;
use std::path::Path;

use crate::world::{Ran, World, binary, can_run};

use super::{LETTER, NO_ROOM, added_by_us, nothing_is_here, private, world};

const MBOX: &str = "From ann@example.net  Mon Jan  1 00:00:00 2024\n";

fn procmail(world: &World, recipe: &str) -> Option<Ran> {
    if !can_run("procmail", &["-v"]) {
        return None;
    }
    let rc = format!(
        "MSPOOL_SPOOL={}\nMSPOOL_CONFIG={}\nMAILDIR={3}\nDEFAULT={3}/kept\n:0 rw\n| {2} receive --to joe@example.org\n{recipe}\n",
        world.spool().display(),
        world.path("config.toml").display(),
        binary(),
        world.dir.path().display()
    );
    fs::write(world.path("rc"), rc).unwrap();
    Some(world.program(Path::new("procmail"), &["./rc"]).input(format!("{MBOX}{LETTER}")).run())
}

#[test]
fn procmail_hands_in_every_byte_but_its_own_line() {
    let world = world();
    let Some(ran) = procmail(&world, "") else { return };
    ran.silent();
    added_by_us(&world, LETTER, "ann@example.net");
}

#[test]
fn procmail_gives_back_what_is_not_received() {
    let world = world();
    world.config(NO_ROOM);
    let Some(ran) = procmail(&world, "EXITCODE=$?\nHOST") else { return };
    assert_eq!(ran.code, 75, "{ran:?}");
    nothing_is_here(&world);
    assert!(!world.path("kept").exists());
}

#[test]
fn procmail_goes_on_with_what_is_not_received() {
    let world = world();
    world.config(NO_ROOM);
    let Some(ran) = procmail(&world, "") else { return };
    assert_eq!(ran.code, 0, "{ran:?}");
    nothing_is_here(&world);
    assert!(fs::read_to_string(world.path("kept")).unwrap().contains("Subject: letter\n"));
}

fn maildrop(world: &World) -> Option<Ran> {
    if !can_run("maildrop", &["-v"]) {
        return None;
    }
    let filter = format!(
        "SHELL=\"/bin/sh\"\nMSPOOL_SPOOL=\"{}\"\nMSPOOL_CONFIG=\"{}\"\nto \"|{} receive --to joe@example.org\"\n",
        world.spool().display(),
        world.path("config.toml").display(),
        binary()
    );
    private(world, "filter", &filter);
    Some(world.program(Path::new("maildrop"), &["./filter"]).input(format!("{MBOX}{LETTER}")).run())
}

#[test]
fn maildrop_hands_in_every_byte_but_its_own_line() {
    let world = world();
    let Some(ran) = maildrop(&world) else { return };
    ran.silent();
    added_by_us(&world, LETTER, "ann@example.net");
}

#[test]
fn maildrop_gives_back_what_is_not_received() {
    let world = world();
    world.config(NO_ROOM);
    let Some(ran) = maildrop(&world) else { return };
    assert_eq!(ran.code, 75, "{ran:?}");
    nothing_is_here(&world);
}

//! A world that is put back to how it was prepared before each fault, and what can be seen in it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::faults::tracer::{FaultPoint, TracedRun, Tracee, trace};
use crate::world::{Ran, World};

/// Longest run of the program. A watch is stopped by its own test before.
pub const RUN_LIMIT: Duration = Duration::from_secs(20);

/// Directories of a world that a run may change; everything else must stay as it is.
const CHANGEABLE: [&str; 4] = ["spool", "given", "source", "box"];

/// Transport that keeps every message it is given, as `ID:RECIPIENT:PID`. Mail to `later` is deferred until the world
/// is open, and mail to `no` fails.
const RELAY: &str = "case $1 in later*) [ -e \"$DIR/open\" ] || exit 75;; no*) cat >/dev/null; exit 67;; \
                     async*) cat >/dev/null; exit 81;; esac; \
                     f=\"$DIR/given/$MSPOOL_ID:$1:$$\"; cat >\"$f.part\" && mv \"$f.part\" \"$f\"";

/// Transport for several recipients at once, with a result for each.
const LIST: &str = "f=\"$DIR/given/$$.part\"; cat >\"$f\"; for r; do cp \"$f\" \"$DIR/given/$MSPOOL_ID:$r:$$\"; \
                    echo \"rcpt $r 2.0.0 ok\" >&3; done; rm \"$f\"";

pub struct Stage {
    pub world: World,
    saved: TempDir,
    fixed: BTreeMap<PathBuf, Vec<u8>>,
}

/// A traced run, and what it printed.
#[derive(Debug)]
pub struct FaultedRun {
    pub traced: TracedRun,
    pub out: String,
    pub err: String,
}

impl Stage {
    /// Makes a world with two transports and these further keys of the configuration.
    pub fn world(keys: fn(&World) -> String) -> World {
        let world = World::at_noon();
        for name in CHANGEABLE.iter().skip(1) {
            fs::create_dir_all(world.path(name).join("new")).unwrap();
        }
        fs::remove_dir(world.path("given/new")).unwrap();
        let dir = format!("DIR={}\n", world.dir.path().display());
        let keys = keys(&world);
        let relay = world.script("relay", &(dir.clone() + RELAY));
        let list = world.script("list", &(dir + LIST));
        world.config(&format!(
            "hostname = \"laptop.example\"\n[queue]\nreserve = \"0B\"\nretry = {{ first = \"5m\", jitter = 0.0 }}\n\
             [transport.list]\nmatch = [\"*@list\"]\ncommand = [{list:?}, \"{{recipients}}\"]\nresults = \"lines\"\n\
             [transport.relay]\ntypes = [\"SMTP\"]\nmatch = [\"*@x\"]\nasync_timeout = \"1h\"\n\
             command = [{relay:?}, \"{{recipient}}\"]\n{keys}\n"
        ));
        world
    }

    /// Remembers a prepared world.
    pub fn prepared(world: World) -> Stage {
        let saved = tempfile::tempdir().unwrap();
        for name in CHANGEABLE {
            copy_tree(&world.path(name), &saved.path().join(name));
        }
        let fixed = fixed_files(&world);
        Stage { world, saved, fixed }
    }

    /// Puts the world back.
    pub fn reset(&self) {
        for name in CHANGEABLE {
            let _ = fs::remove_dir_all(self.world.path(name));
            copy_tree(&self.saved.path().join(name), &self.world.path(name));
        }
        let _ = fs::remove_file(self.world.path("open"));
    }

    /// Runs the program with this fault.
    pub fn run(
        &self,
        args: &[String],
        input: &[u8],
        point: Option<FaultPoint>,
        meanwhile: &mut dyn FnMut(&Tracee),
    ) -> FaultedRun {
        let files = ["stdin", "stdout", "stderr"].map(|name| self.saved.path().join(name));
        fs::write(&files[0], input).unwrap();
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.world.mspool(&words).command();
        command.stdin(File::open(&files[0]).unwrap());
        command.stdout(Stdio::from(File::create(&files[1]).unwrap()));
        command.stderr(Stdio::from(File::create(&files[2]).unwrap()));
        let traced = trace(&mut command, point, RUN_LIMIT, meanwhile).unwrap();
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        FaultedRun { traced, out: text(&files[1]), err: text(&files[2]) }
    }

    /// Runs the program without any fault.
    pub fn run_clean(&self, args: &[String], input: &[u8]) -> Ran {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        self.world.mspool(&words).input(input).run()
    }

    /// Files that no run may change and that are not as they were.
    pub fn changed_outside(&self) -> Vec<PathBuf> {
        let now = fixed_files(&self.world);
        let all: BTreeSet<&PathBuf> = now.keys().chain(self.fixed.keys()).collect();
        all.into_iter().filter(|path| now.get(*path) != self.fixed.get(*path)).cloned().collect()
    }

    /// Every file of the spool with its content, but for the state of transports.
    pub fn spool_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files_in(&self.world.spool())
    }

    /// The same as it was prepared.
    pub fn prepared_spool_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files_in(&self.saved.path().join("spool"))
    }

    fn files_in(&self, spool: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        walk(spool, &mut |path| {
            let inside = path.strip_prefix(spool).unwrap();
            if !inside.starts_with("state") {
                files.insert(inside.to_owned(), fs::read(path).unwrap_or_default());
            }
        });
        files
    }

    /// Messages in these states: id and bytes without the envelope.
    pub fn messages(&self, states: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let files = states.iter().flat_map(|state| self.world.files(state));
        files.map(|path| (id_of(&path), body(&fs::read(path).unwrap_or_default()))).collect()
    }

    /// Hand-offs that the transports have accepted: id, recipient, bytes.
    pub fn deliveries(&self) -> Vec<(String, String, Vec<u8>)> {
        let mut deliveries = Vec::new();
        walk(&self.world.path("given"), &mut |path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let words: Vec<&str> = name.split(':').collect();
            if let [id, recipient, pid] = words[..]
                && !pid.ends_with(".part")
            {
                deliveries.push((id.to_owned(), recipient.to_owned(), fs::read(path).unwrap()));
            }
        });
        // The Maildir of a transport: the name of a file begins with the id.
        walk(&self.world.path("box/new"), &mut |path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if let Some((_, id)) = name.strip_suffix("D0.mspool").and_then(|name| name.split_once('.')) {
                deliveries.push((id.to_owned(), "user@box".to_owned(), fs::read(path).unwrap()));
            }
        });
        deliveries
    }

    /// Bytes of the messages in `in/new`.
    pub fn received(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.world.spool().join("in/new")).into_iter().flatten();
        entries.map(|entry| body(&fs::read(entry.unwrap().path()).unwrap_or_default())).collect()
    }

    /// Number of recorded hand-offs of a message whose end no run saw.
    pub fn unseen_attempts(&self, id: &str) -> usize {
        let log = fs::read_to_string(self.world.spool().join("log").join(id)).unwrap_or_default();
        let name = self.world.find(id).map(|(_, path)| path.to_string_lossy().into_owned()).unwrap_or_default();
        // A log restates the attempt in the name.
        let marked = |mark: &str| usize::from(name.contains(mark));
        let count = |event: &str| log.matches(&format!("\"event\":\"{event}\"")).count();
        let attempts = if count("attempt") == 0 { marked(",A=") } else { count("attempt") };
        attempts.saturating_sub(count("result") + marked(",R="))
    }
}

/// The queue id in the name of a queue file.
pub fn id_of(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.split(',').next().unwrap().to_owned()
}

fn body(bytes: &[u8]) -> Vec<u8> {
    let line = bytes.iter().position(|byte| *byte == b'\n');
    line.map_or(Vec::new(), |line| bytes[line + 1..].to_vec())
}

fn walk(dir: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, each);
        } else {
            each(&path);
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let Ok(metadata) = fs::metadata(from) else { return };
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
    fs::set_permissions(to, metadata.permissions()).unwrap();
}

fn fixed_files(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    walk(world.dir.path(), &mut |path| {
        let inside = path.strip_prefix(world.dir.path()).unwrap();
        let changeable = CHANGEABLE.iter().any(|name| inside.starts_with(name));
        if !changeable && inside != Path::new("trace") && inside != Path::new("open") {
            files.insert(path.to_owned(), fs::read(path).unwrap());
        }
    });
    files
}

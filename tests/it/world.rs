//! A world for one test: directories of its own, fake transports, and a way to run the program and compare.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test: where cargo built it, or where MSPOOL_TEST_BINARY says it was copied to.
pub fn binary() -> String {
    std::env::var("MSPOOL_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mspool").to_owned())
}

/// A short message.
pub const MAIL: &str = "From: joe@example.org\nSubject: test\n\nHello.\n";

/// The time that stands still in tests that need one: 2026-05-01T12:00:00Z.
pub const NOON: u64 = 1_777_636_800;

pub struct World {
    pub dir: TempDir,
    pub clock: Option<u64>,
    runs: AtomicU32,
}

/// What a run of the program left behind.
#[must_use]
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn from(output: Output) -> Ran {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        Ran {
            code: status.code().unwrap_or_else(|| -status.signal().unwrap_or(999)),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It succeeded and complained about nothing; what it printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    /// It succeeded and said nothing at all.
    #[track_caller]
    pub fn silent(self) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (0, "", ""));
    }

    /// It failed with this status, printed no result, and gave one line of reason that says this.
    #[track_caller]
    pub fn fails(self, code: i32, reason: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        self.says(reason);
    }

    /// It gave one line of reason that says this.
    #[track_caller]
    pub fn says(&self, reason: &str) {
        assert!(self.err.starts_with("mspool: "), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.contains(reason), "{self:?} should say {reason:?}");
    }
}

/// One run of the program that has not begun yet.
pub struct Run {
    command: Command,
    input: Vec<u8>,
}

impl Run {
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Run {
        self.input = bytes.as_ref().to_vec();
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Run {
        self.command.env_remove(name);
        self
    }

    pub fn current_dir(mut self, path: &Path) -> Run {
        self.command.current_dir(path);
        self
    }

    /// The command itself, for whoever needs other files or no input.
    pub fn command(self) -> Command {
        self.command
    }

    pub fn start(self) -> Child {
        self.start_with(Stdio::piped())
    }

    /// Starts it with its standard output in a file, which can be read while it runs.
    pub fn start_into(self, file: &Path) -> Child {
        self.start_with(fs::File::create(file).unwrap().into())
    }

    fn start_with(mut self, stdout: Stdio) -> Child {
        self.command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        // Beside us, for the program may print before it has read everything; and it may refuse before that.
        std::thread::spawn(move || stdin.write_all(&input));
        child
    }

    pub fn run(self) -> Ran {
        Ran::from(self.start().wait_with_output().unwrap())
    }
}

impl World {
    pub fn new() -> World {
        let dir = tempfile::Builder::new().prefix("mspool-test-").tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        let world = World { dir, clock: None, runs: AtomicU32::new(0) };
        world.config("");
        world
    }

    /// A world in which it is always [`NOON`].
    pub fn at_noon() -> World {
        World { clock: Some(NOON), ..World::new() }
    }

    /// A world with one transport named `relay` for internet mail, which runs this shell script.
    pub fn with_relay(script: &str) -> World {
        let world = World::at_noon();
        world.relay(script, "");
        world
    }

    /// Moves the clock to this second, as if a runner had been at work until then.
    pub fn run_machine_until(&mut self, clock: u64) {
        let path = self.spool().join("state/running-time");
        let counted = fs::read_to_string(&path).ok().map(|text| serde_json::from_str::<Value>(&text).unwrap());
        let running = counted.as_ref().and_then(|counted| counted["running"].as_u64()).unwrap_or(0);
        let elapsed = clock - self.clock.unwrap();
        let clock_text = jiff::Timestamp::from_second(clock as i64).unwrap().to_string();
        let count = serde_json::json!({ "running": running + elapsed, "counted_at": clock_text });
        fs::write(path, count.to_string()).unwrap();
        self.clock = Some(clock);
    }

    /// Configures the transport `relay` with this script and these further keys.
    pub fn relay(&self, script: &str, keys: &str) {
        let path = self.script("relay", script);
        self.config(&format!(
            "hostname = \"host.example\"\n[queue]\nreserve = \"0B\"\nretry = {{ first = \"5m\", factor = 2.0, max = \"4h\", jitter = 0.0 }}\n\
             [transport.relay]\ntypes = [\"SMTP\"]\ncommand = [{path:?}, \"{{sender}}\", \"--\", \"{{recipients}}\"]\n{keys}\n"
        ));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn spool(&self) -> PathBuf {
        self.path("spool")
    }

    /// Writes the configuration. Reports go to the inbox unless it says otherwise, whoever runs the test.
    pub fn config(&self, text: &str) {
        let path = self.path("config.toml");
        let reports = if text.contains("[reports]") { "" } else { "\n[reports]\nvia = \"inbox\"\n" };
        fs::write(&path, format!("{text}{reports}")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A shell script. `$TRACE` is the file it may write down what it was given in; `trace WORDS` does.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        let trace = self.path("trace");
        let text = format!("#!/bin/sh\nTRACE={}\ntrace() {{ echo \"$*\" >>\"$TRACE\"; }}\n{body}\n", trace.display());
        // Written under another name: a script that is open for writing cannot be run.
        let fresh = self.path(&format!("{name}.fresh"));
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(&fresh, &path).unwrap();
        path
    }

    /// What the transports wrote down.
    pub fn trace(&self) -> Vec<String> {
        let text = fs::read(self.path("trace")).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    pub fn mspool(&self, args: &[&str]) -> Run {
        self.program(Path::new(&binary()), args)
    }

    /// Another program in this world.
    pub fn program(&self, program: &Path, args: &[&str]) -> Run {
        let mut command = Command::new(program);
        command.args(args).env_clear().current_dir(self.dir.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home")).env("USER", "joe").env("TZ", "UTC");
        command.env("MSPOOL_SPOOL", self.spool()).env("MSPOOL_CONFIG", self.path("config.toml"));
        if let Some(seconds) = self.clock {
            // Later by a microsecond each time: what is submitted later has a later id, whatever its process number.
            let run = self.runs.fetch_add(1, Ordering::SeqCst);
            command.env("MSPOOL_CLOCK", format!("@{seconds}.{run:06}"));
        }
        Run { command, input: Vec::new() }
    }

    /// Queues a message and gives its id.
    #[track_caller]
    pub fn enqueue(&self, args: &[&str]) -> String {
        self.enqueue_bytes(MAIL.as_bytes(), args)
    }

    #[track_caller]
    pub fn enqueue_bytes(&self, bytes: &[u8], args: &[&str]) -> String {
        let out = self.mspool(&[&["enqueue"], args].concat()).input(bytes).run().ok();
        assert_eq!(out.lines().count(), 1, "{out:?}");
        out.trim_end().to_owned()
    }

    #[track_caller]
    pub fn flush(&self) {
        self.mspool(&["flush"]).run().silent();
    }

    /// A flush that may have failures to tell of.
    #[track_caller]
    pub fn flush_quietly(&self) {
        assert_eq!(self.mspool(&["-q", "flush"]).run().code, 0);
    }

    /// Runs a verb that prints JSON Lines.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.mspool(args).run();
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ran:?}"))).collect()
    }

    /// What `report ID --json` says.
    #[track_caller]
    pub fn report(&self, id: &str) -> Value {
        let mut lines = self.json(&["report", "--json", id]);
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }

    /// The state of a message's first recipient: `state`, `status`, `text`.
    #[track_caller]
    pub fn recipient(&self, id: &str, place: usize) -> (String, String, String) {
        let report = self.report(id);
        let text = |key: &str| report["recipients"][place][key].as_str().unwrap_or("").to_owned();
        (text("state"), text("status"), text("text"))
    }

    /// The directory that a message lies in, and its file.
    pub fn find(&self, id: &str) -> Option<(String, PathBuf)> {
        for state in ["new", "cur", "hold", "sent", "failed", "corrupt"] {
            for path in self.files(state) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if name == id || name.starts_with(&format!("{id},")) {
                    return Some((state.to_owned(), path));
                }
            }
        }
        None
    }

    #[track_caller]
    pub fn state(&self, id: &str) -> String {
        self.find(id).unwrap_or_else(|| panic!("{id} is nowhere")).0
    }

    /// When a message is due, by its name.
    #[track_caller]
    pub fn due(&self, id: &str) -> Option<u64> {
        let (_, path) = self.find(id).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let seconds = name.split(',').find_map(|mark| mark.strip_prefix("T="));
        seconds.map(|seconds| seconds.parse().unwrap())
    }

    /// Moves a message back to a state, as if its run had died there. Of the marks in its name, those whose letters are given
    /// stay.
    #[track_caller]
    pub fn put_back(&self, id: &str, state: &str, marks: &str) {
        let (_, path) = self.find(id).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let kept = |mark: &&str| *mark == id || mark.starts_with(|letter| marks.contains(letter));
        let name = name.split(',').filter(kept).collect::<Vec<_>>().join(",");
        fs::rename(path, self.spool().join("out").join(state).join(name)).unwrap();
    }

    /// Every file in `out/STATE`, sorted.
    pub fn files(&self, state: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.spool().join("out").join(state));
        let mut files: Vec<PathBuf> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The message in a queue file, without its envelope.
    pub fn message(&self, id: &str) -> Vec<u8> {
        let bytes = fs::read(self.find(id).unwrap().1).unwrap();
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        bytes[line + 1..].to_vec()
    }

    /// Everything in the Maildir of the spool.
    pub fn inbox(&self) -> Vec<String> {
        self.folder("")
    }

    /// Everything in a folder of it.
    pub fn folder(&self, name: &str) -> Vec<String> {
        self.folder_files(name)
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
            .collect()
    }

    /// The files in a folder of the Maildir, sorted.
    pub fn folder_files(&self, name: &str) -> Vec<PathBuf> {
        let new = self.spool().join("inbox").join(name).join("new");
        let mut paths: Vec<PathBuf> = fs::read_dir(new).into_iter().flatten().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The mailbox of whoever runs the test, as `receive` names it where nobody does.
    pub fn receive_own_mailbox(&self) -> String {
        self.receive("Subject: who\n\n\n", &[]);
        let path = self.folder_files("").pop().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Delivered-To: ")).unwrap().to_owned()
    }

    /// Hands a message to `receive`.
    #[track_caller]
    pub fn receive(&self, message: impl AsRef<[u8]>, args: &[&str]) {
        self.mspool(&[&["receive"], args].concat()).input(message).run().silent();
    }

    /// Adds to the configuration.
    pub fn configure(&self, keys: &str) {
        let text = fs::read_to_string(self.path("config.toml")).unwrap();
        self.config(&format!("{text}{keys}"));
    }
}

/// Waits until something is true; fails after half a minute.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "this never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}

/// Sends a signal until the program has ended: two that come at once are one to the kernel.
#[track_caller]
pub fn signal_until_it_ends(child: &mut Child, name: &str) {
    wait_for("the end of the program", || {
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            signal(child, name);
            std::thread::sleep(Duration::from_millis(20));
        }
        ended
    });
}

/// True when a program can be run here; the tests that need it say so and pass when it cannot.
pub fn can_run(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let works = status.is_ok_and(|status| status.success());
    if !works {
        eprintln!("skipped: {program} cannot be used here");
    }
    works
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|facts| std::os::unix::fs::MetadataExt::uid(&facts) == 0)
}

/// A seeded generator (xorshift64*): each seed, an odd number, gives one sequence.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }

    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    pub fn bytes(&mut self, longest: u64) -> Vec<u8> {
        (0..=self.below(longest)).map(|_| self.below(256) as u8).collect()
    }
}

//! Commands of README.md, executed in order in a fresh home, with their output compared.
//!
//! - In a block of ```` ```console ```` a line that begins with `$ ` is a command; it goes on in the next line after a
//!   `\` at its end. The lines up to the next command are its output, standard error included. The line `[...]` stands
//!   for any lines, or none. Every command must succeed, and one without output shown must print nothing.
//! - A block of ```` ```toml ```` is added to the configuration, `~/.config/mspool/config.toml`, where it stands.
//! - Blocks of another kind, such as ```` ```sh ````, are not executed.
//! - The home begins as a copy of `fixtures/tour`, is the current directory, and its `bin` comes first in `PATH`.
//!   What a command exports holds for the commands after it. The host has the name that is in the ids shown.
//! - `cargo COMMAND &&` at the beginning of a command is left out: `mspool` is in `PATH`. So is a command that is
//!   nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::transcript::{Ids, matches};
use crate::world::{binary, is_root};

/// Step of the tour.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    /// Number of the line, command, and the output shown.
    Command(usize, String, Vec<&'a str>),
    Configuration(String),
}

fn steps(readme: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut lines = readme.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        match kind {
            "console" => steps.extend(commands(&block)),
            "toml" => steps.push(Step::Configuration(block.iter().map(|(_, line)| format!("{line}\n")).collect())),
            _ => {}
        }
    }
    steps
}

fn commands<'a>(block: &[(usize, &'a str)]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let mut lines = block.iter().peekable();
    while let Some((number, line)) = lines.next() {
        let command = line.strip_prefix("$ ");
        let mut command =
            command.unwrap_or_else(|| panic!("README.md:{}: output before a command", number + 1)).to_owned();
        while command.ends_with('\\') {
            let next = lines.next().map_or("", |(_, line)| line);
            command = format!("{command}\n{next}");
        }
        let mut output = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("$ ")) {
            output.push(*line);
        }
        steps.push(Step::Command(number + 1, command, output));
    }
    steps
}

/// Takes `cargo … &&` off the beginning of a command; returns `None` if nothing is left.
fn without_build(command: &str) -> Option<&str> {
    match command.starts_with("cargo ") {
        true => command.split_once(" && ").map(|(_, rest)| rest),
        false => Some(command),
    }
}

/// Home of the reader who follows the tour.
struct Home {
    dir: tempfile::TempDir,
    /// Configuration so far.
    configuration: String,
}

impl Home {
    fn new(host: &str) -> Home {
        let dir = tempfile::Builder::new().prefix("mspool-tour-").tempdir().unwrap();
        copy(&root().join("fixtures/tour"), dir.path());
        fs::create_dir(dir.path().join(".tour")).unwrap();
        symlink(binary(), dir.path().join(".tour/mspool")).unwrap();
        fs::write(dir.path().join(".tour/state"), "").unwrap();
        let home = Home { dir, configuration: format!("hostname = \"{host}\"\n") };
        home.write_configuration();
        home
    }

    fn write_configuration(&self) {
        let path = self.dir.path().join(".config/mspool/config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The tour is that of an ordinary user, also where root runs the tests.
        let is_for_root = is_root() && !self.configuration.contains("[reports]");
        let reports = if is_for_root { "[reports]\nvia = \"inbox\"\n" } else { "" };
        fs::write(&path, format!("{}{reports}", self.configuration)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a command, and returns its status and everything that it printed.
    fn run(&self, command: &str) -> (Option<i32>, String) {
        let home = self.dir.path();
        let path = std::env::var("PATH").unwrap_or_default();
        let script = format!(
            "exec 2>&1; . \"$HOME/.tour/state\"; {command}\nstatus=$?; export -p >\"$HOME/.tour/state\"; exit $status"
        );
        let mut run = Command::new("timeout");
        run.args(["60", "sh", "-c", &script]).env_clear().current_dir(home).stdin(Stdio::null());
        run.env("PATH", format!("{0}/bin:{0}/.tour:{path}", home.display())).env("HOME", home).env("TZ", "UTC");
        if is_root() {
            run.env("MSPOOL_CONFIG", home.join(".config/mspool/config.toml"));
        }
        let output = run.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // A shell that cannot read the command ends before it runs anything.
        (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Host of the tour, as the README shows it.
const HOST: &str = "laptop";

#[test]
fn the_tour_prints_what_the_readme_shows() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut home = Home::new(HOST);
    let mut ids = Ids::of_host(HOST, HOST);
    let mut runs = 0;
    for step in steps(&readme) {
        let (line, command, shown) = match step {
            Step::Command(line, command, shown) => (line, command, shown),
            Step::Configuration(text) => {
                home.configuration += &text;
                home.write_configuration();
                continue;
            }
        };
        let Some(command) = without_build(&command) else { continue };
        let (status, printed) = home.run(&ids.apply(command));
        assert_eq!(status, Some(0), "README.md:{line}: `{command}` fails:\n{printed}");
        let real: Vec<&str> = printed.lines().collect();
        let is_same = matches(&shown, &real, &mut ids);
        assert!(is_same, "README.md:{line}: `{command}` prints:\n{printed}\nand not:\n{}\n", shown.join("\n"));
        runs += usize::from(command.contains("mspool"));
    }
    assert!(runs >= 10, "the README shows {runs} commands only");
}

#[test]
fn blocks_are_taken_apart() {
    let readme =
        "# x\n```console\n$ one \\\n  two\nout\n\n$ three\n```\ntext\n```toml\na = 1\n```\n```sh\n$ never\n```\n";
    let expected = [
        Step::Command(3, "one \\\n  two".to_owned(), vec!["out", ""]),
        Step::Command(7, "three".to_owned(), vec![]),
        Step::Configuration("a = 1\n".to_owned()),
    ];
    assert_eq!(steps(readme), expected);
    assert_eq!(without_build("cargo build --locked && export A=b && c"), Some("export A=b && c"));
    assert_eq!(without_build("cargo test"), None);
}

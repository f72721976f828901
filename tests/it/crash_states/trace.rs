//! One run of the program under strace(1), as the list of what it did to the spool and of what it told.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::world::{World, binary};

/// Calls that change files, or that say how they are changed.
const TRACED: &str = "trace=open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,rename,renameat,renameat2,link,linkat,\
                      symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,fsync,fdatasync,syncfs,ftruncate,truncate,\
                      fallocate,copy_file_range,sendfile,splice,lseek,exit_group";

/// Where bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePosition {
    /// At the end of the file.
    End,
    At(u64),
}

/// Call of the program, or something that it told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Create(PathBuf),
    Write(PathBuf, WritePosition, Vec<u8>),
    /// New length.
    Resize(PathBuf, u64),
    /// Length that the file has at least.
    Extend(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeDirectory(PathBuf),
    RemoveDirectory(PathBuf),
    Sync(PathBuf),
    Printed(String),
    /// A transport has kept the message; the name of its file says of which message, and for which recipient.
    Delivered(String),
    Exited,
}

/// Runs the program in a world, and returns what it did. Panics unless it succeeds.
pub fn trace(world: &World, args: &[&str], input: &[u8]) -> Vec<Operation> {
    let log = world.path("strace");
    let program = binary();
    let options = ["-f", "-y", "-xx", "-qq", "-e", "signal=none", "-s", "1000000", "-e", TRACED, "-o"];
    let all = [&options[..], &[log.to_str().unwrap(), program.as_str()], args].concat();
    let ran = world.program(Path::new("strace"), &all).input(input).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    let mut parser = Parser::new(world);
    calls(&text).iter().for_each(|call| parser.add(call));
    assert_eq!(parser.operations.last(), Some(&Operation::Exited));
    parser.operations
}

/// Call that succeeded: the process, the name, the arguments, and the result.
struct Call {
    process: String,
    name: String,
    args: Vec<String>,
    result: u64,
}

/// Parses a log of strace; calls that were interrupted by others are put together, and stand where they ended.
fn calls(text: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((process, line)) = line.split_once(' ') else { continue };
        let line = line.trim_start();
        if let Some(start) = line.strip_suffix("<unfinished ...>") {
            begun.insert(process, start);
            continue;
        }
        let whole = match line.strip_prefix("<... ").and_then(|line| line.split_once(" resumed>")) {
            Some((_, end)) => format!("{}{end}", begun.remove(process).unwrap_or_default()),
            None => line.to_owned(),
        };
        calls.extend(parse_call(process, &whole));
    }
    calls
}

fn parse_call(process: &str, line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (args, result) = rest.rsplit_once(" = ")?;
    let args = args.trim_end().strip_suffix(')')?;
    // A call that was interrupted after its last argument has a blank there.
    let args = args.split(", ").map(|word| word.trim_end().trim_end_matches("...").to_owned()).collect();
    // The end of the process has no result; calls that failed have a negative one.
    let digits: String = result.chars().take_while(char::is_ascii_digit).collect();
    let result = if result.starts_with('?') { 0 } else { digits.parse().ok()? };
    Some(Call { process: process.to_owned(), name: name.to_owned(), args, result })
}

/// Returns the bytes of a text in which each byte is written as `\xNN`.
fn bytes(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1).map(|digits| &digits[..2]);
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn string(text: &str) -> String {
    String::from_utf8(bytes(text)).unwrap()
}

struct Parser {
    spool: PathBuf,
    given: PathBuf,
    operations: Vec<Operation>,
    /// Process of the program, which is the first in the log.
    main: Option<String>,
    /// Position and mode of each descriptor: `None` writes at the end.
    positions: HashMap<String, Option<u64>>,
}

impl Parser {
    fn new(world: &World) -> Parser {
        Parser {
            spool: world.spool(),
            given: world.path("given"),
            operations: Vec::new(),
            main: None,
            positions: HashMap::new(),
        }
    }

    fn add(&mut self, call: &Call) {
        let main = self.main.get_or_insert_with(|| call.process.clone()).clone();
        match call.name.as_str() {
            "exit_group" if call.process == main => self.operations.push(Operation::Exited),
            "exit_group" => {}
            "open" | "openat" | "creat" => self.open(call),
            "write" | "pwrite64" => self.write(call),
            "lseek" => {
                if let Some(position @ Some(_)) = self.positions.get_mut(descriptor(&call.args[0])) {
                    *position = Some(call.result);
                }
            }
            "ftruncate" => {
                let len = number(&call.args[1]);
                self.on_file(call, |path| Operation::Resize(path, len));
            }
            "fallocate" if call.args[1].contains("FALLOC_FL_KEEP_SIZE") => {}
            "fallocate" => {
                let len = number(&call.args[2]) + number(&call.args[3]);
                self.on_file(call, |path| Operation::Extend(path, len));
            }
            "fsync" | "fdatasync" => self.on_file(call, Operation::Sync),
            _ => self.change_names(call),
        }
    }

    /// Adds an operation on the file of the first descriptor, if it is in the spool.
    fn on_file(&mut self, call: &Call, operation: impl FnOnce(PathBuf) -> Operation) {
        let path = descriptor_path(&call.args[0]);
        if path.starts_with(&self.spool) {
            self.operations.push(operation(path));
        }
    }

    fn open(&mut self, call: &Call) {
        let at = usize::from(call.name == "openat");
        let path = path_at(&call.args[..=at]);
        let flags = call.args.get(at + 1).map_or("O_CREAT", String::as_str);
        if path.starts_with(&self.spool) {
            assert!(!flags.contains("O_TRUNC") && !flags.contains("O_TMPFILE"), "{flags} is not modelled");
            let position = if flags.contains("O_APPEND") { None } else { Some(0) };
            self.positions.insert(call.result.to_string(), position);
        }
        if flags.contains("O_CREAT") {
            self.created(path);
        }
    }

    fn created(&mut self, path: PathBuf) {
        if path.starts_with(&self.spool) {
            self.operations.push(Operation::Create(path));
        } else if path.parent() == Some(&self.given) && path.extension().is_none_or(|end| end != "part") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            self.operations.push(Operation::Delivered(name));
        }
    }

    fn write(&mut self, call: &Call) {
        let path = descriptor_path(&call.args[0]);
        let number_of = descriptor(&call.args[0]);
        let mut written = bytes(&call.args[1]);
        written.truncate(call.result as usize);
        if path.starts_with(&self.spool) {
            let position = if call.name == "pwrite64" {
                WritePosition::At(number(&call.args[3]))
            } else {
                let position = self.positions.get_mut(number_of).expect("a descriptor that was opened");
                let before = position.map_or(WritePosition::End, WritePosition::At);
                *position = position.map(|at| at + call.result);
                before
            };
            self.operations.push(Operation::Write(path, position, written));
        } else if number_of == "1" && self.main.as_ref() == Some(&call.process) {
            self.operations.push(Operation::Printed(String::from_utf8_lossy(&written).into_owned()));
        }
    }

    fn change_names(&mut self, call: &Call) {
        let args = &call.args;
        let (first, second) = match call.name.as_str() {
            "rename" | "link" | "symlink" => (path_at(&args[..1]), path_at(&args[1..2])),
            "renameat" | "renameat2" | "linkat" => (path_at(&args[..2]), path_at(&args[2..4])),
            "unlinkat" | "mkdirat" => (path_at(&args[..2]), PathBuf::new()),
            "unlink" | "rmdir" | "mkdir" | "truncate" => (path_at(&args[..1]), PathBuf::new()),
            _ => {
                let is_inside = args.iter().any(|arg| arg.contains('<') && self.is_in_spool(arg));
                assert!(!is_inside, "{} changes the spool, and is not modelled", call.name);
                return;
            }
        };
        let operation = match call.name.as_str() {
            "rename" | "renameat" | "renameat2" if second.starts_with(&self.given) => return self.created(second),
            _ if !first.starts_with(&self.spool) && !second.starts_with(&self.spool) => return,
            "rename" | "renameat" | "renameat2" => Operation::Rename(first, second),
            "link" | "linkat" => Operation::Link(first, second),
            "rmdir" => Operation::RemoveDirectory(first),
            "unlinkat" if args[2].contains("AT_REMOVEDIR") => Operation::RemoveDirectory(first),
            "unlink" | "unlinkat" => Operation::Remove(first),
            "mkdir" | "mkdirat" => Operation::MakeDirectory(first),
            other => panic!("{other} changes the spool, and is not modelled"),
        };
        self.operations.push(operation);
    }

    fn is_in_spool(&self, descriptor: &str) -> bool {
        descriptor_path(descriptor).starts_with(&self.spool)
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

/// Returns the number of a descriptor that is written as `NUMBER<PATH>`.
fn descriptor(text: &str) -> &str {
    text.split('<').next().unwrap_or_default()
}

fn descriptor_path(text: &str) -> PathBuf {
    PathBuf::from(string(text.split_once('<').map_or("", |(_, path)| path)))
}

/// Returns the path of a name, which may have the descriptor of its directory before it.
fn path_at(args: &[String]) -> PathBuf {
    let name = string(args.last().unwrap());
    if args.len() > 1 { descriptor_path(&args[0]).join(name) } else { PathBuf::from(name) }
}

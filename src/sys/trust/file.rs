//! Opening files and finding programs that only we or root can have written.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::sys::distrust::DistrustReason;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::trust::path::UnmappedOwners;
use crate::sys::trust::rules::Trust;

/// Bytes of a script that the kernel reads to find its interpreter.
const LONGEST_FIRST_LINE: usize = 256;

/// Directories that are searched without `PATH`, as by the C library.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

impl Trust {
    /// Opens a trusted file for reading. Never waits: what is not a regular file is refused, and not even opened.
    ///
    /// # Errors
    /// The file cannot be opened, or another user could have written it.
    pub fn open_file(&self, path: &Path) -> Result<File, PathError> {
        // Before the configuration is read, nothing could excuse what is on the way to it.
        let unmapped = if self.excusable { UnmappedOwners::Refused } else { UnmappedOwners::Accepted };
        let end = self.walk(path, unmapped)?;
        let Some(stat) = end.stat.filter(|stat| stat.regular) else {
            return Err(self.distrust(path, path, DistrustReason::NotAFile).into());
        };
        self.judge_file(path, &end.path, &stat)?;
        let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(fs::openat(CWD, &end.path, how, Mode::empty()).at("open", path)?);
        // The descriptor decides: its owner may have replaced the file since.
        self.judge_file(path, &end.path, &stat_of(&file, path)?)?;
        Ok(file)
    }

    /// Judges a file that a program will read or run, if there is one at this path.
    pub fn check_file(&self, path: &Path) -> Result<(), PathError> {
        let end = self.walk(path, UnmappedOwners::Refused)?;
        let Some(stat) = end.stat.filter(|stat| stat.regular) else { return Ok(()) };
        self.judge_file(path, &end.path, &stat)
    }

    /// Judges every directory that leads to a path, and the one at its end. Where nothing is there yet, the
    /// directories that are.
    pub fn check_directories(&self, path: &Path) -> Result<(), PathError> {
        match self.walk(path, UnmappedOwners::Accepted) {
            Err(error) if error.is_not_found() => Ok(()),
            end => end.map(|_| ()),
        }
    }

    /// Finds a program as execvp(3) does, and judges it and its directories. Returns the path to execute.
    ///
    /// # Errors
    /// There is no such program, or another user could have written it.
    pub fn find_program(&self, name: &str) -> Result<PathBuf, PathError> {
        let path = if name.contains('/') { is_program(Path::new(name)).map(|()| name.into()) } else { search(name) };
        let path: PathBuf = path.at("start", name)?;
        let end = self.walk(&path, UnmappedOwners::Refused)?;
        let Some(stat) = end.stat.filter(|stat| stat.regular) else {
            return Err(PathError::new("start", name, Errno::ACCESS));
        };
        self.judge_file(&path, &end.path, &stat)?;
        Ok(path)
    }

    /// Returns the words of the first line of a script, `#! INTERPRETER [ARGUMENT]`; none for other files. The kernel
    /// takes the rest of the line as one argument, and reads no more bytes of it.
    pub fn interpreter(&self, script: &Path) -> Result<Vec<String>, PathError> {
        // A program need not be readable. The kernel reads only scripts that are, through their interpreters.
        let Ok(mut file) = self.open_file(script) else { return Ok(Vec::new()) };
        let mut bytes = [0; LONGEST_FIRST_LINE];
        let count = file.read(&mut bytes).at("read", script)?;
        let Some(line) = bytes[..count].strip_prefix(b"#!").and_then(|text| text.split(|byte| *byte == b'\n').next())
        else {
            return Ok(Vec::new());
        };
        let text = String::from_utf8_lossy(line);
        let (interpreter, argument) = text.trim().split_once([' ', '\t']).unwrap_or((text.trim(), ""));
        Ok([interpreter, argument.trim()].iter().filter(|word| !word.is_empty()).map(|word| (*word).into()).collect())
    }

    fn judge_file(&self, subject: &Path, path: &Path, stat: &FileStat) -> Result<(), PathError> {
        let judged = if !stat.regular {
            Err(DistrustReason::NotAFile)
        } else if self.is_excused(path) {
            Ok(())
        } else {
            self.check(path, stat)
        };
        // One name for one file, unless a link led to it.
        let subject = if subject.parent() == path.parent() { path } else { subject };
        judged.map_err(|reason| self.distrust(subject, path, reason).into())
    }
}

/// Looks for a program in the directories of `PATH`. One that may not be executed is passed over, and remembered.
fn search(name: &str) -> Result<PathBuf, Errno> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let mut failure = Errno::NOENT;
    for dir in path.as_bytes().split(|byte| *byte == b':') {
        // An empty entry is the current directory.
        let dir = if dir.is_empty() { Path::new(".") } else { Path::new(std::ffi::OsStr::from_bytes(dir)) };
        let candidate = dir.join(name);
        match is_program(&candidate) {
            Ok(()) => return Ok(candidate),
            // Not for a directory that may not be searched: the program is missing for us then.
            Err(Errno::ACCESS) if fs::statat(CWD, &candidate, AtFlags::empty()).is_ok() => failure = Errno::ACCESS,
            Err(_) => {}
        }
    }
    Err(failure)
}

fn is_program(path: &Path) -> Result<(), Errno> {
    // By the real user, who is also the one we act as: rights of the program file were refused at the start.
    fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::empty())?;
    // A directory may be "executed" too: searched.
    let stat = FileStat::from(fs::statat(CWD, path, AtFlags::empty())?);
    if stat.regular { Ok(()) } else { Err(Errno::ACCESS) }
}

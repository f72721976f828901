//! Accounts that are in no file of `/etc`, such as those of a directory service.
//!
//! The C library would load modules for them, which a static executable cannot do safely. getent(1) loads them in a
//! process of its own.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::sys::process::ProgramStart;
use crate::sys::ready;

/// Database of nsswitch.conf(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountDatabase {
    /// Users: lines as in passwd(5).
    Users,
    /// Groups: lines as in group(5).
    Groups,
}

/// Time limit for an answer. A directory service that does not answer must not stop mail.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Size limit of an answer in bytes: groups can be large.
const SIZE_LIMIT: usize = 1 << 20;

/// Returns the services that `nsswitch.conf` names for users and groups, with the words in brackets.
pub(super) fn services(nsswitch: &str) -> impl Iterator<Item = &str> {
    let of_line = |line| {
        let line = str::split(line, '#').next().unwrap_or_default().trim();
        ["passwd:", "group:", "initgroups:"].iter().find_map(|database| line.strip_prefix(database))
    };
    nsswitch.lines().filter_map(of_line).flat_map(str::split_whitespace)
}

/// Asks for the account with this number or name. Returns the lines of the answer, which may be of another account;
/// `None` without one, and without asking if there is no service but the files in `/etc`.
pub(super) fn ask(database: AccountDatabase, key: &str) -> Option<String> {
    let nsswitch = std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let has_others = services(&nsswitch).any(|word| word != "files" && !word.starts_with('['));
    if !has_others || key.is_empty() || key.starts_with('-') {
        return None;
    }
    let database = match database {
        AccountDatabase::Users => c"passwd",
        AccountDatabase::Groups => c"group",
    };
    let argv = [c"getent".to_owned(), database.to_owned(), CString::new(key).ok()?];
    let null = File::options().read(true).write(true).open("/dev/null").ok()?;
    let (answer, end) = ready::pipe().ok()?;
    let start = ProgramStart {
        path: c"/usr/bin/getent",
        argv: &argv,
        env: &[c"LC_ALL=C".to_owned()],
        fds: &[null.as_fd(), end.as_fd(), null.as_fd()],
        held: None,
    };
    let child = start.start().ok()?;
    drop(end);
    let bytes = read_all(&answer);
    child.kill();
    let _ = child.reap();
    String::from_utf8(bytes?).ok()
}

/// Reads to the end; `None` if that does not come within the limits.
fn read_all(answer: &std::os::fd::OwnedFd) -> Option<Vec<u8>> {
    let end = Instant::now() + TIME_LIMIT;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > SIZE_LIMIT {
            return None;
        }
        ready::readable(&[answer.as_fd()], Some(left)).ok()?;
        match ready::read_now(answer, &mut buffer).ok()? {
            Some(0) => return Some(bytes),
            Some(count) => bytes.extend_from_slice(&buffer[..count]),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found() {
        let text = "# passwd: ldap\npasswd: files [NOTFOUND=return] sss # x\nhosts: files dns\n group: files\n";
        assert_eq!(services(text).collect::<Vec<_>>(), ["files", "[NOTFOUND=return]", "sss", "files"]);
    }
}

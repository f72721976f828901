//! The system's name service: addresses of hosts, and accounts that are in no file of `/etc`, such as those of a directory
//! service.
//!
//! The C library would load modules for them, which a static executable cannot do safely. getent(1) loads them in a
//! process of its own.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
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

/// Time limit for the addresses of a host, over all name servers.
const HOST_TIME_LIMIT: Duration = Duration::from_secs(30);

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
    let bytes = getent(database, key, TIME_LIMIT).ok()?;
    String::from_utf8(bytes?).ok()
}

/// Returns the addresses of a host, in the order in which they are to be tried. An address stands for itself.
///
/// # Errors
/// The name has no address, or none is known within half a minute.
pub fn host_addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    if host.is_empty() || host.starts_with('-') {
        return Err(io::Error::other("not the name of a host"));
    }
    let Ok(answer) = getent(c"ahosts", host, HOST_TIME_LIMIT) else {
        // Without getent the C library's own way, which needs its modules on this host.
        return Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect());
    };
    let answer = answer.ok_or_else(|| io::Error::other("the name service does not answer"))?;
    let addresses = addresses(&String::from_utf8_lossy(&answer));
    if addresses.is_empty() {
        Err(io::Error::other("the name has no address, or no name server answers"))
    } else {
        Ok(addresses)
    }
}

/// Reads the answer of `getent ahosts`: a line for each address and type of socket.
fn addresses(answer: &str) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in answer.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Asks getent(1) for one entry of a database. `None` if the answer does not come within the time.
///
/// # Errors
/// The program cannot be started.
fn getent(database: &CStr, key: &str, time: Duration) -> io::Result<Option<Vec<u8>>> {
    let argv = [c"getent".to_owned(), database.to_owned(), CString::new(key)?];
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let (answer, end) = ready::pipe()?;
    let start = ProgramStart {
        path: c"/usr/bin/getent",
        argv: &argv,
        env: &[c"LC_ALL=C".to_owned()],
        fds: &[null.as_fd(), end.as_fd(), null.as_fd()],
        held: None,
    };
    let child = start.start()?;
    drop(end);
    let bytes = read_all(&answer, time);
    child.kill();
    let _ = child.reap();
    Ok(bytes)
}

/// Reads to the end; `None` if that does not come within the limits.
fn read_all(answer: &OwnedFd, time: Duration) -> Option<Vec<u8>> {
    let end = Instant::now() + time;
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
    fn addresses_are_read_once_each() {
        let answer = "127.0.0.1       STREAM localhost\n127.0.0.1       DGRAM  \n::1             STREAM\nnone\n";
        let expected: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(addresses(answer), expected);
    }

    #[test]
    fn a_host_of_the_hosts_file_and_an_address_are_found() {
        assert_eq!(host_addresses("192.0.2.7").unwrap(), ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert!(host_addresses("localhost").unwrap().iter().all(IpAddr::is_loopback));
        assert!(host_addresses("-s").is_err() && host_addresses("").is_err() && host_addresses("a b").is_err());
    }

    #[test]
    fn services_are_found() {
        let text = "# passwd: ldap\npasswd: files [NOTFOUND=return] sss # x\nhosts: files dns\n group: files\n";
        assert_eq!(services(text).collect::<Vec<_>>(), ["files", "[NOTFOUND=return]", "sss", "files"]);
    }
}

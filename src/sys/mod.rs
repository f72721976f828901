//! Operating system: files, processes, locks, signals, time. Knows nothing of mail.
//!
//! All unsafe code, all raw system calls and all file locks of the crate are here.

pub mod boot_time;
pub mod clock;
pub mod dir;
pub mod distrust;
pub mod error;
pub mod file_stat;
pub mod filesystem;
pub mod hidden_line;
pub mod identity;
pub mod lock;
pub mod name_service;
pub mod presence;
pub mod private_copy;
pub mod process;
pub mod ready;
pub mod signals;
pub mod space;
pub mod trust;

use rustix::fs::OFlags;

use crate::sys::name_service::AccountDatabase;

/// True if standard input was closed when this program started. Rust opens `/dev/null` in its place then, for reading and
/// writing; a caller that means an empty input opens it for reading only.
pub fn stdin_was_closed() -> bool {
    let stdin = std::io::stdin();
    let is_null = |path: &str| {
        let (own, null) = (rustix::fs::fstat(&stdin), rustix::fs::stat(path));
        matches!((own, null), (Ok(own), Ok(null)) if own.st_rdev == null.st_rdev && own.st_mode == null.st_mode)
    };
    let is_for_both = rustix::fs::fcntl_getfl(&stdin).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR);
    is_for_both && is_null("/dev/null")
}

/// Returns the name of this host, as `uname -n` does.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns random bits from the kernel; the process id where it has none.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.is_err() {
        return std::process::id().into();
    }
    u64::from_ne_bytes(bytes)
}

/// Returns random bytes from the kernel, for a key: never anything less.
pub fn random_bytes() -> std::io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

/// Returns the width of a terminal in columns, `None` for a descriptor that is no terminal.
pub fn terminal_columns(fd: impl std::os::fd::AsFd) -> Option<usize> {
    rustix::termios::tcgetwinsize(fd).ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0)
}

/// Returns the name of the user we act as: from the password file or the name service, else from the environment,
/// else the number.
pub fn user_name() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let known = password_field(PasswordField::Name).or_else(|| variable("LOGNAME")).or_else(|| variable("USER"));
    known.unwrap_or_else(|| identity::user().to_string())
}

/// Returns the full name of the user we act as: the comment in the password file up to the first comma.
pub fn full_name() -> Option<String> {
    let name = password_field(PasswordField::Comment)?.split(',').next()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Returns the home directory of the user we act as, from the password file.
pub fn home_of_user() -> Option<std::path::PathBuf> {
    password_field(PasswordField::Home).map(std::path::PathBuf::from)
}

/// Field of a line in the password file, by its position; see passwd(5).
#[derive(Clone, Copy)]
enum PasswordField {
    Name = 0,
    Comment = 4,
    Home = 5,
}

/// Returns a field of our line in the password file, or in what the name service answers. Not through the C library,
/// which loads modules for other sources of users and then cannot be linked statically.
fn password_field(field: PasswordField) -> Option<String> {
    let user = identity::user().to_string();
    let own = |text: String| {
        let line = text.lines().find(|line| line.split(':').nth(2) == Some(user.as_str()))?;
        Some(line.to_owned())
    };
    let in_file = std::fs::read_to_string("/etc/passwd").ok().and_then(own);
    let line = in_file.or_else(|| name_service::ask(AccountDatabase::Users, &user).and_then(own))?;
    line.split(':').nth(field as usize).filter(|text| !text.is_empty()).map(str::to_owned)
}

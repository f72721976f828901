//! Floor 0: the operating system, without a word about mail.
//!
//! Everything unsafe, every raw system call and every file lock of the crate is in here.

pub mod clock;
pub mod dir;
pub mod distrust;
pub mod error;
pub mod file_stat;
pub mod identity;
pub mod lock;
pub mod locks_held;
pub mod process;
pub mod ready;
pub mod signals;
pub mod space;
pub mod trust;

/// The name of this host, as `uname -n` gives it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Bits that nobody can guess.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.is_err() {
        return std::process::id().into();
    }
    u64::from_ne_bytes(bytes)
}

/// The text columns of the terminal that this descriptor is, `None` when it is none.
pub fn terminal_columns(fd: impl std::os::fd::AsFd) -> Option<usize> {
    rustix::termios::tcgetwinsize(fd).ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0)
}

/// The name of the user we act as: by the password file, then by the environment, then the number.
pub fn user_name() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let known = password_field(0).or_else(|| variable("LOGNAME")).or_else(|| variable("USER"));
    known.unwrap_or_else(|| identity::user().to_string())
}

/// The name of the user we act as, as people write it: the password file's comment up to the first comma.
pub fn full_name() -> Option<String> {
    let name = password_field(4)?.split(',').next()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The home directory that the password file gives the user we act as.
pub fn home_of_user() -> Option<std::path::PathBuf> {
    password_field(5).map(std::path::PathBuf::from)
}

/// A field of our own line in the password file. Read by hand: asking the C library would load whatever else this
/// host keeps its users in, and could not be linked statically.
fn password_field(index: usize) -> Option<String> {
    let user = identity::user().to_string();
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    let own = text.lines().find(|line| line.split(':').nth(2) == Some(user.as_str()))?;
    own.split(':').nth(index).filter(|field| !field.is_empty()).map(str::to_owned)
}

//! User we act as, and rights that the program's file gave us.

use rustix::process;

/// Returns the user we act as.
pub fn user() -> u32 {
    process::geteuid().as_raw()
}

/// True when the program's file gave this process rights: setuid, setgid or file capabilities.
pub fn is_privileged_by_file() -> bool {
    // SAFETY: reads a value that the kernel gave the process at its start.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    secure || process::getuid() != process::geteuid() || process::getgid() != process::getegid()
}

/// True when a user id stands for users whom this user namespace does not know: root of the host, or any other.
pub fn is_unmapped(id: u32) -> bool {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let overflow = text("/proc/sys/kernel/overflowuid").trim().parse().unwrap_or(65_534);
    id == overflow && !is_in_map(&text("/proc/self/uid_map"), id)
}

/// True for an id in one of the lines `FIRST OUTSIDE COUNT`. Without any line nothing is known, and no id is foreign.
fn is_in_map(map: &str, id: u32) -> bool {
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
    let mut lines = map.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((number(words.next())?, number(words.nth(1))?))
    });
    map.trim().is_empty() || lines.any(|(first, count)| (first..first + count).contains(&u64::from(id)))
}

#[cfg(test)]
mod tests {
    use crate::sys::identity::is_in_map;

    #[test]
    fn only_ids_beyond_the_map_are_unmapped() {
        assert!(is_in_map("         0          0 4294967295\n", 65_534));
        assert!(is_in_map("0 1000 1\n1 100000 65536\n", 65_534));
        assert!(!is_in_map("         0       1000          1\n", 65_534));
        assert!(is_in_map("", 65_534));
    }
}

//! File locks that are held now, read from the kernel without taking any.

use std::collections::HashSet;

/// Files that any process had locked with flock(2) at one moment.
#[derive(Debug, Default)]
pub struct LocksHeld(HashSet<u64>);

impl LocksHeld {
    /// Reads `/proc/locks`. Empty if that cannot be read: only reports depend on it.
    ///
    /// The kernel gives the list out a page at a time, by position: a lock that is released between two pages hides one
    /// that is held. On a machine with many locks two readings together are therefore nearer to the truth than one.
    pub fn now() -> LocksHeld {
        let texts = [(); 2].map(|()| std::fs::read_to_string("/proc/locks").unwrap_or_default());
        LocksHeld(texts.iter().flat_map(|text| text.lines()).filter_map(inode_of).collect())
    }

    /// True for the inode of a locked file. Devices are not compared: filesystems with subvolumes report other numbers
    /// here than in stat(2).
    pub fn contains(&self, inode: u64) -> bool {
        self.0.contains(&inode)
    }
}

/// Reads the inode from a line such as `1: FLOCK  ADVISORY  WRITE 412 08:01:131077 0 EOF`.
/// Lines of waiters have `->` after the number.
fn inode_of(line: &str) -> Option<u64> {
    let mut words = line.split_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    words.nth(3)?.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::sys::locks_held::inode_of;

    #[test]
    fn reads_the_kernels_lines() {
        assert_eq!(inode_of("1: FLOCK  ADVISORY  WRITE 412 08:01:131077 0 EOF"), Some(131_077));
        assert_eq!(inode_of("1: -> FLOCK  ADVISORY  WRITE 412 08:01:131077 0 EOF"), None);
        assert_eq!(inode_of("2: POSIX  ADVISORY  WRITE 412 08:01:7 0 EOF"), None);
        assert_eq!(inode_of(""), None);
    }
}

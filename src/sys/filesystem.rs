//! Kinds of filesystems, and whether several machines can use one at the same time.

use rustix::fs;

use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};

/// Kind of the filesystem that holds a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Usual name, or `unknown`.
    pub name: &'static str,
    /// True if several machines can have it mounted. Locks and renames of one may be unknown to another then, or known too
    /// late.
    pub reaches_other_hosts: bool,
}

/// Number of statfs(2), name, and whether several machines can have it mounted.
const KNOWN: [(u64, &str, bool); 26] = [
    (0xef53, "ext4", false),
    (0x5846_5342, "xfs", false),
    (0x9123_683e, "btrfs", false),
    (0x0102_1994, "tmpfs", false),
    (0x794c_7630, "overlay", false),
    (0x2fc1_2fc1, "zfs", false),
    (0xf2f5_2010, "f2fs", false),
    (0xca45_1a4e, "bcachefs", false),
    (0x4d44, "vfat", false),
    (0x2011_bab0, "exfat", false),
    (0x6969, "nfs", true),
    (0x517b, "smb", true),
    (0xff53_4d42, "cifs", true),
    (0xfe53_4d42, "smb2", true),
    (0x6573_5546, "fuse", true),
    (0x00c3_6400, "ceph", true),
    (0x0102_1997, "9p", true),
    (0x5346_414f, "afs", true),
    (0x0bd0_0bd0, "lustre", true),
    (0x4750_4653, "gpfs", true),
    (0x0116_1970, "gfs2", true),
    (0x7461_636f, "ocfs2", true),
    (0x786f_4256, "vboxsf", true),
    (0x1983_0326, "beegfs", true),
    (0x7375_7245, "coda", true),
    (0x2003_0528, "orangefs", true),
];

/// Returns the kind of the filesystem that holds a directory.
pub fn of(dir: &Dir) -> Result<Filesystem, PathError> {
    let stat = fs::fstatfs(dir.fd()).at("ask the filesystem of", dir.path())?;
    // The type of the number differs between machines; the numbers have 32 bits.
    Ok(by_number(stat.f_type as u64 & 0xffff_ffff))
}

fn by_number(number: u64) -> Filesystem {
    let known = KNOWN.iter().find(|(known, ..)| *known == number);
    known.map_or(Filesystem { name: "unknown", reaches_other_hosts: false }, |(_, name, reaches_other_hosts)| {
        Filesystem { name, reaches_other_hosts: *reaches_other_hosts }
    })
}

#[cfg(test)]
mod tests {
    use crate::sys::dir::Dir;
    use crate::sys::filesystem::{by_number, of};

    #[test]
    fn network_filesystems_reach_other_hosts() {
        for (number, name, reaches) in [(0x6969, "nfs", true), (0x6573_5546, "fuse", true), (0xef53, "ext4", false)] {
            let found = by_number(number);
            assert_eq!((found.name, found.reaches_other_hosts), (name, reaches));
        }
        assert_eq!(by_number(1).name, "unknown");
    }

    #[test]
    fn proc_is_on_this_host() {
        let found = of(&Dir::open(std::path::Path::new("/proc")).unwrap()).unwrap();
        assert!(!found.reaches_other_hosts);
    }
}

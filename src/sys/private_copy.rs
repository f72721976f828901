//! Private copies: files for the standard input of programs, which no other process has.
//!
//! A program can open its standard input again (`/dev/stdin`), read it from the start, and even write there. It must see
//! exactly the message then, and must not reach the file that the message was copied from.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, openat};
use rustix::io::Errno;

use crate::sys::dir::{self, Dir};

/// Size in bytes up to which a copy is kept in memory. A memory file can be sealed, and can be opened again where a
/// program may not open files of the spool.
const MAX_IN_MEMORY: u64 = 1 << 20;

/// Size of the pieces in which a copy is made, in bytes.
const PIECE: usize = 64 << 10;

/// Makes a copy of bytes in memory, positioned at its start.
pub fn of_bytes(bytes: &[u8]) -> io::Result<File> {
    let mut file = memory_file()?;
    file.write_all(bytes)?;
    sealed(file)
}

/// Makes a copy of `head` and of `size` bytes from this offset of a file, positioned at its start. A large copy is a file without a name
/// in `large`, or in memory if the disk is full: mail must be able to leave a full disk.
///
/// # Errors
///
/// An error of a call; [`io::ErrorKind::UnexpectedEof`] if the file has fewer bytes.
pub fn of_file(head: &[u8], source: BorrowedFd<'_>, at: u64, size: u64, large: &Dir) -> io::Result<File> {
    if head.len() as u64 + size > MAX_IN_MEMORY {
        match nameless_file(large).and_then(|file| fill(file, head, source, at, size)) {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {}
            answer => {
                let mut file = answer?;
                file.seek(SeekFrom::Start(0))?;
                return Ok(file);
            }
        }
    }
    sealed(fill(memory_file()?, head, source, at, size)?)
}

/// Returns a path that opens a copy at its start, for programs of this user, while this process has it open.
pub fn path_while_open(copy: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), copy.as_raw_fd())
}

fn fill(mut file: File, head: &[u8], source: BorrowedFd<'_>, mut at: u64, size: u64) -> io::Result<File> {
    file.write_all(head)?;
    let end = at + size;
    let mut buffer = vec![0; PIECE.min(size as usize)];
    while at < end {
        let wanted = PIECE.min((end - at) as usize);
        let count = dir::read_at(source, &mut buffer[..wanted], at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&buffer[..count])?;
        at += count as u64;
    }
    Ok(file)
}

fn memory_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Some systems refuse memory files that could be executed; old kernels do not know that flag.
    let file: OwnedFd = match memfd_create("message", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("message", flags)?,
        answer => answer?,
    };
    Ok(file.into())
}

/// Forbids every change, also through a file that a program opens again.
fn sealed(mut file: File) -> io::Result<File> {
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn nameless_file(dir: &Dir) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    match openat(dir.fd(), ".", flags, Mode::RUSR) {
        Ok(file) => Ok(file.into()),
        // Some filesystems have no such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let name = format!(".copy.{:016x}", crate::sys::random());
            let file = dir.create_new(&name).map_err(|error| error.source)?;
            dir.remove_if_there(&name).map_err(|error| error.source)?;
            Ok(file)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use crate::sys::dir::Dir;
    use crate::sys::private_copy::{MAX_IN_MEMORY, of_bytes, of_file};

    fn source(size: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"envelope\n").unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn a_copy_has_exactly_those_bytes() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        for size in [0, 1, 65_536, 65_537, MAX_IN_MEMORY as usize, MAX_IN_MEMORY as usize + 1] {
            let (file, bytes) = source(size);
            let mut copied = Vec::new();
            of_file(b"", file.as_fd(), 9, size as u64, &dir).unwrap().read_to_end(&mut copied).unwrap();
            assert!(copied == bytes, "{size}");
            let mut with_head = Vec::new();
            of_file(b"head ", file.as_fd(), 9, size as u64, &dir).unwrap().read_to_end(&mut with_head).unwrap();
            assert!(with_head == [b"head ", &bytes[..]].concat(), "{size}");
            assert!(of_file(b"", file.as_fd(), 9, size as u64 + 1, &dir).is_err(), "{size}");
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "a large copy has no name");
    }

    #[test]
    fn a_copy_in_memory_cannot_be_changed() {
        let mut copy = of_bytes(b"Hello.\n").unwrap();
        assert!(copy.write_all(b"x").is_err() && copy.set_len(0).is_err());
        let mut text = String::new();
        copy.read_to_string(&mut text).unwrap();
        assert_eq!(text, "Hello.\n");
    }
}

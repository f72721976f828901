//! Open directories, and durable operations on the files in them.
//!
//! Every operation goes through the descriptor of the directory and never follows a symbolic link in its last
//! component, so a name that is replaced by a link cannot redirect a write. Files get mode 0600, directories 0700,
//! less what the umask takes away.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::sys::distrust::{DistrustReason, refusal};
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::random;
use crate::sys::trust::ownership;

/// Open directory, with the path that it was opened by, for messages.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

const OPEN_DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const PRIVATE_DIR: Mode = Mode::RWXU;

impl Dir {
    /// Opens a directory by path. Follows a symbolic link there, since spools and mailboxes may be links.
    pub fn open(path: &Path) -> Result<Dir, PathError> {
        let fd = fs::open(path, OPEN_DIR, Mode::empty()).at("open", path)?;
        Ok(Dir { fd, path: path.to_owned() })
    }

    /// Makes the directory and all missing parents, durably, and opens it.
    pub fn make(path: &Path) -> Result<Dir, PathError> {
        match Dir::open(path) {
            Err(error) if error.is_not_found() => {}
            answer => return answer,
        }
        let mut missing: Vec<&Path> = path.ancestors().take_while(|part| !part.exists()).collect();
        while let Some(part) = missing.pop() {
            if part.as_os_str().is_empty() {
                continue;
            }
            match fs::mkdir(part, PRIVATE_DIR) {
                Err(Errno::EXIST) => {}
                answer => {
                    answer.at("make", part)?;
                    let above = part.parent().filter(|above| !above.as_os_str().is_empty());
                    Dir::open(above.unwrap_or(Path::new(".")))?.sync()?;
                }
            }
        }
        Dir::open(path)
    }

    /// Opens a directory inside this one. A symbolic link there is refused, and so is a path of several components:
    /// the kernel would follow a link in the first of them.
    pub fn open_in(&self, name: &str) -> Result<Dir, PathError> {
        let path = self.path.join(name);
        debug_assert!(!name.contains('/'), "{name} has several components");
        match fs::openat(&self.fd, name, OPEN_DIR | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) if self.stat_name(name)?.is_some_and(|stat| stat.link) => {
                Err(refusal(&path, DistrustReason::Link).into())
            }
            answer => Ok(Dir { fd: answer.at("open", &path)?, path }),
        }
    }

    /// Opens a directory inside this one, made first if it is missing.
    pub fn make_in(&self, name: &str) -> Result<Dir, PathError> {
        debug_assert!(!matches!(name, "" | "." | ".."), "{name} names a directory inside this one");
        match fs::mkdirat(&self.fd, name, PRIVATE_DIR) {
            Err(Errno::EXIST) => {}
            answer => answer.at("make", self.path.join(name))?,
        }
        self.open_in(name)
    }

    /// Opens a directory inside this one, made durably first if it is missing: a power cut must not take away a directory
    /// in which mail was synced.
    pub fn make_durable_in(&self, name: &str) -> Result<Dir, PathError> {
        match self.open_in(name) {
            Err(error) if error.is_not_found() => {
                let made = self.make_in(name)?;
                self.sync()?;
                Ok(made)
            }
            answer => answer,
        }
    }

    /// Returns the path that this directory was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a name in this directory.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates a new file for reading and writing. An existing name is an error.
    pub fn create_new(&self, name: &str) -> Result<File, PathError> {
        self.open_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, "create")
    }

    /// Opens a file for appending, created if missing.
    pub fn append_to(&self, name: &str) -> Result<File, PathError> {
        self.open_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND, "open")
    }

    /// Opens a file for reading.
    pub fn open_file(&self, name: &str) -> Result<File, PathError> {
        self.open_with(name, OFlags::RDONLY, "open")
    }

    /// Opens a file of ours for reading: regular, with this one name. Anything else there is refused.
    pub fn open_own(&self, name: &str) -> Result<File, PathError> {
        self.open_own_with(name, OFlags::RDONLY)
    }

    /// Opens a file of ours for reading and appending, created if missing. Anything else there is refused.
    pub fn append_to_own(&self, name: &str) -> Result<File, PathError> {
        self.open_own_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)
    }

    /// Opens a file of ours for reading and writing, created empty if missing. Anything else there is refused.
    pub fn open_or_create_own(&self, name: &str) -> Result<File, PathError> {
        self.open_own_with(name, OFlags::RDWR | OFlags::CREATE)
    }

    fn open_own_with(&self, name: &str, how: OFlags) -> Result<File, PathError> {
        let path = self.path.join(name);
        let file = match self.open_with(name, how, "open") {
            Err(error) if error.source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(refusal(&path, DistrustReason::Link).into());
            }
            // A socket, or a device without a driver.
            Err(error) if error.source.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                return Err(refusal(&path, DistrustReason::NotAFile).into());
            }
            answer => answer?,
        };
        ownership::our_only_file(&path, &stat_of(&file, &path)?)?;
        Ok(file)
    }

    /// Never waits, not even for the other end of a pipe that someone put there.
    fn open_with(&self, name: &str, how: OFlags, doing: &'static str) -> Result<File, PathError> {
        debug_assert!(!name.contains('/'), "{name} has several components");
        let how = how | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = fs::openat(&self.fd, name, how, PRIVATE_FILE).at(doing, self.path.join(name))?;
        Ok(File::from(fd))
    }

    /// Returns type and owner of what is at a name, `None` for nothing. Does not follow a symbolic link.
    pub fn stat_name(&self, name: &str) -> Result<Option<FileStat>, PathError> {
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(PathError::new("look at", self.path.join(name), error)),
        }
    }

    /// Returns type and owner of the directory itself.
    pub fn stat(&self) -> Result<FileStat, PathError> {
        Ok(fs::fstat(&self.fd).at("look at", &self.path)?.into())
    }

    /// Moves a file, here or to another directory. Never overwrites an existing name.
    pub fn rename(&self, from: &str, to: &Dir, name: &str) -> Result<(), PathError> {
        let answer = match fs::renameat_with(&self.fd, from, &to.fd, name, RenameFlags::NOREPLACE) {
            // Some filesystems lack the flag. Names are unique by construction, so a plain rename is safe there.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::renameat(&self.fd, from, &to.fd, name),
            answer => answer,
        };
        answer.at("rename", self.path.join(from))
    }

    /// Moves a file, here or to another directory, in place of a file of that name.
    pub fn rename_over(&self, from: &str, to: &Dir, name: &str) -> Result<(), PathError> {
        fs::renameat(&self.fd, from, &to.fd, name).at("rename", self.path.join(from))
    }

    /// Replaces a small file as a whole: writes it under another name, syncs it, and renames it.
    pub fn replace(&self, name: &str, content: &[u8]) -> Result<(), PathError> {
        use std::io::Write;
        // Random, since another container can have a process of the same number.
        let fresh = format!(".{name}.{:016x}", random());
        let mut file = self.create_new(&fresh)?;
        let path = self.path.join(&fresh);
        let written = file.write_all(content).at("write", &path).and_then(|()| sync(&file, &path));
        let moved = written.and_then(|()| {
            fs::renameat(&self.fd, fresh.as_str(), &self.fd, name).at("rename", &path)?;
            self.sync()
        });
        if moved.is_err() {
            let _ = self.remove_if_there(&fresh);
        }
        moved
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> Result<(), PathError> {
        fs::unlinkat(&self.fd, name, AtFlags::empty()).at("remove", self.path.join(name))
    }

    /// Removes a file's name if it is there.
    pub fn remove_if_there(&self, name: &str) -> Result<(), PathError> {
        match self.remove(name) {
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer,
        }
    }

    /// Makes the names in this directory durable.
    ///
    /// XFS reports success for a directory whose changes it has thrown away, if its log failed before the call. It
    /// refuses to stat files from then on, so the second call tells such a success from a true one. Elsewhere that call
    /// costs a fraction of a microsecond and says nothing.
    pub fn sync(&self) -> Result<(), PathError> {
        fs::fsync(&self.fd).and_then(|()| fs::fstat(&self.fd)).map(|_| ()).at("sync", &self.path)
    }

    /// Returns the descriptor, for system calls of other modules.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

/// Reads at an offset and leaves the position of the descriptor alone. Zero is the end of the file.
pub fn read_at(fd: impl std::os::fd::AsFd, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
    loop {
        match rustix::io::pread(&fd, &mut *buffer, at) {
            Err(Errno::INTR) => {}
            answer => return Ok(answer?),
        }
    }
}

/// Reads at the position of the descriptor. Zero is the end of the file.
pub fn read_next(fd: impl std::os::fd::AsFd, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match rustix::io::read(&fd, &mut *buffer) {
            Err(Errno::INTR) => {}
            answer => return Ok(answer?),
        }
    }
}

/// Moves the position of the descriptor.
pub fn seek(fd: impl std::os::fd::AsFd, at: u64) -> std::io::Result<()> {
    Ok(fs::seek(fd, fs::SeekFrom::Start(at)).map(|_| ())?)
}

/// Reserves space on the disk for the first `bytes` of a file, and leaves its size alone. On filesystems that cannot do so
/// this does nothing.
pub fn reserve(file: &File, bytes: u64) -> std::io::Result<()> {
    match fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks the kernel to begin writing a file's content, without waiting. A hint only: [`sync`] reports whether it worked.
pub fn begin_writing(file: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: a plain system call on a descriptor that is open for as long as `file` lives.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Makes a file's content and size durable. A failure is final: the kernel may have dropped the dirty pages, so a
/// second call on the same file could report success for lost data.
pub fn sync(file: &File, path: &Path) -> Result<(), PathError> {
    fs::fsync(file).at("sync", path)
}

/// Makes a file's content and size durable, but not its times.
pub fn sync_data(file: &File, path: &Path) -> Result<(), PathError> {
    fs::fdatasync(file).at("sync", path)
}

//! Opening a spool: judged, created on first use, and carried over from the version before.

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use crate::sys::dir::Dir;
use crate::sys::error::PathError;
use crate::sys::filesystem;
use crate::sys::trust::{Trust, ownership};

use crate::spool::error::SpoolError;
use crate::spool::program_register::ProgramRegister;
use crate::spool::spare_log::SpareLogs;
use crate::spool::{PLACES, Spool, SpoolSharing, names};

/// Version of the layout, as in the `version` file.
const VERSION: &str = "2";

/// Version before: without marks in names. A spool of it becomes one of this version when it is opened.
const EARLIER_VERSION: &str = "1";

impl Spool {
    /// Opens the spool at this absolute path. Creates it if the path does not exist.
    ///
    /// # Errors
    /// The path is writable for other users, on a filesystem of several machines, not a spool, or of another version; or
    /// it cannot be created or opened.
    pub fn open(path: &Path, trust: &Trust, sharing: SpoolSharing) -> Result<Spool, SpoolError> {
        trust.check_directories(path)?;
        let root = match Dir::open(path) {
            Ok(root) => root,
            Err(error) if error.is_not_found() => Dir::make(path).map_err(SpoolError::CannotMake)?,
            Err(error) => return Err(error.into()),
        };
        ownership::ours(path, &root.stat()?)?;
        let filesystem = filesystem::of(&root)?;
        if filesystem.reaches_other_hosts && sharing == SpoolSharing::No {
            return Err(SpoolError::SharedFilesystem(path.to_owned(), filesystem.name));
        }
        let spool = Spool {
            root,
            parents: Default::default(),
            dirs: Default::default(),
            report_key: OnceLock::new(),
            spare_logs: SpareLogs::default(),
            programs: ProgramRegister::default(),
        };
        match spool.version()?.as_deref() {
            Some(VERSION) => {}
            Some(EARLIER_VERSION) => spool.carry_over()?,
            Some(other) => return Err(SpoolError::Version(spool.root.path_of("version"), other.to_owned())),
            None => spool.lay_out()?,
        }
        Ok(spool)
    }

    /// Makes a spool of the earlier version one of this version, before the first mark is in a name: a program of that
    /// version refuses the spool from now on. It does not know marks, so none may be at work.
    fn carry_over(&self) -> Result<(), SpoolError> {
        let runner = self.runner_of_earlier_version()?;
        // Another process may have carried the spool over since the version was read, and run on it.
        if self.version()?.as_deref() == Some(VERSION) {
            return Ok(());
        }
        if let Some(runner) = runner {
            return Err(SpoolError::EarlierVersionAtWork(self.root.path().to_owned(), runner.word()));
        }
        Ok(self.root.replace("version", format!("{VERSION}\n").as_bytes())?)
    }

    fn version(&self) -> Result<Option<String>, PathError> {
        let file = match self.root.open_own("version") {
            Err(error) if error.is_not_found() => return Ok(None),
            file => file?,
        };
        let mut text = String::new();
        let read = file.take(100).read_to_string(&mut text);
        read.map_err(|error| PathError::new("read", self.root.path_of("version"), error))?;
        Ok(Some(text.trim().to_owned()))
    }

    /// Creates the directories. The version file is written last: if it is missing after a crash, the next run repeats
    /// this. Several processes can do so at the same time.
    fn lay_out(&self) -> Result<(), SpoolError> {
        let stranger = names::names(self.root.path())?.into_iter().find(|name| {
            let name = name.to_string_lossy();
            !["out", "log", "state", "inbox", "in", "work"].contains(&name.as_ref()) && !name.starts_with(".version.")
        });
        if stranger.is_some() && self.version()?.is_none() {
            return Err(SpoolError::NotASpool(self.root.path().to_owned()));
        }
        let make = || -> Result<(), PathError> {
            for place in PLACES {
                self.make(place)?;
            }
            for parent in ["out", "in"] {
                self.root.open_in(parent)?.sync()?;
            }
            self.root.replace("version", format!("{VERSION}\n").as_bytes())
        };
        make().map_err(SpoolError::CannotMake)
    }
}

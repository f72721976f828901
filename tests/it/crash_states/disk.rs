//! What a disk may hold after a power cut: each legal subset of the changes that were not synced.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::crash_states::image::{Change, Image, Inode};
use crate::crash_states::trace::{Operation, WritePosition};
use crate::world::Seeded;

/// Bytes that become durable together.
const BLOCK: u64 = 4096;

/// What a filesystem promises about names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameModel {
    /// Only the sync of a directory makes its names durable.
    DirectorySync,
    /// The sync of a file makes its name durable, too, as on ext4, xfs and btrfs.
    FileSync,
}

#[derive(Clone, Debug)]
enum Step {
    Change(Change),
    SyncFile(Inode),
    SyncDirectory(PathBuf),
    Told(Operation),
}

/// Run of a program as changes, syncs, and what it told meanwhile.
pub struct Recording {
    base: Image,
    steps: Vec<Step>,
}

/// State that a power cut can leave, and what had been told before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CrashState {
    pub image: Image,
    /// Number of steps of the recording before the cut.
    pub steps: usize,
}

impl Recording {
    /// Puts the operations of a run into single changes.
    pub fn new(base: Image, operations: &[Operation]) -> Recording {
        let mut recorder = Recorder {
            names: base.names.clone(),
            lengths: base.contents.iter().map(|(inode, content)| (*inode, content.len() as u64)).collect(),
            steps: Vec::new(),
        };
        operations.iter().for_each(|operation| recorder.add(operation));
        Recording { base, steps: recorder.steps }
    }

    /// Returns what was told before a cut.
    pub fn told(&self, steps: usize) -> impl Iterator<Item = &Operation> {
        self.steps[..steps].iter().filter_map(|step| if let Step::Told(told) = step { Some(told) } else { None })
    }

    /// Returns different states that cuts can leave, at most `limit`: first those in which all or nothing of what was not
    /// synced is durable, then others.
    pub fn crash_states(&self, model: NameModel, limit: usize, random: &mut Seeded) -> Vec<CrashState> {
        let (mut extremes, mut others) = (Vec::new(), Vec::new());
        let mut known = HashSet::new();
        let samples = 4 + 4 * limit / (self.steps.len() + 1);
        for steps in 0..=self.steps.len() {
            let (durable, open) = self.durable(steps, model);
            let all: Vec<bool> = vec![true; open.len()];
            let none: Vec<bool> = vec![false; open.len()];
            for kept in [all, none] {
                self.add_state(steps, &durable, &open, &kept, &mut known, &mut extremes);
            }
            for sample in subsets(open.len(), samples, random) {
                self.add_state(steps, &durable, &open, &sample, &mut known, &mut others);
            }
        }
        for states in [&mut extremes, &mut others] {
            for last in (1..states.len()).rev() {
                states.swap(last, random.below(last as u64 + 1) as usize);
            }
        }
        // Half of the states at least are of the second kind, if there are as many.
        let first = extremes.len().min(limit.saturating_sub(others.len().min(limit / 2)));
        extremes.truncate(first);
        extremes.extend(others);
        extremes.truncate(limit);
        extremes
    }

    /// Returns the changes before a cut that are durable, and those that may be.
    fn durable(&self, steps: usize, model: NameModel) -> (BTreeSet<usize>, Vec<usize>) {
        let mut durable = BTreeSet::new();
        for (at, sync) in self.steps[..steps].iter().enumerate() {
            for (index, step) in self.steps[..at].iter().enumerate() {
                if let Step::Change(change) = step
                    && is_synced(change, sync, model)
                {
                    durable.insert(index);
                }
            }
        }
        let durable = self.with_earlier(durable);
        let is_open = |index: &usize| matches!(self.steps[*index], Step::Change(_)) && !durable.contains(index);
        let open = (0..steps).filter(is_open).collect();
        (durable, open)
    }

    /// Adds the earlier changes of the same names, which are durable before.
    fn with_earlier(&self, mut set: BTreeSet<usize>) -> BTreeSet<usize> {
        let mut rest: Vec<usize> = set.iter().copied().collect();
        while let Some(index) = rest.pop() {
            let Step::Change(change) = &self.steps[index] else { continue };
            let names = change.names();
            for (earlier, step) in self.steps[..index].iter().enumerate() {
                let shares =
                    matches!(step, Step::Change(other) if other.names().iter().any(|name| names.contains(name)));
                if shares && set.insert(earlier) {
                    rest.push(earlier);
                }
            }
        }
        set
    }

    fn add_state(
        &self,
        steps: usize,
        durable: &BTreeSet<usize>,
        open: &[usize],
        kept: &[bool],
        known: &mut HashSet<CrashState>,
        states: &mut Vec<CrashState>,
    ) {
        let mut set = durable.clone();
        set.extend(open.iter().zip(kept).filter(|(_, kept)| **kept).map(|(index, _)| *index));
        let set = self.with_earlier(set);
        let changes = set.iter().filter_map(|index| match &self.steps[*index] {
            Step::Change(change) => Some(change),
            _ => None,
        });
        // Lengths first: content beyond the length of a file is not there.
        let (content, others): (Vec<&Change>, Vec<&Change>) =
            changes.partition(|change| matches!(change, Change::Content(..)));
        let mut image = self.base.clone();
        others.iter().chain(&content).for_each(|change| image.apply(change));
        let told = self.told(steps).count();
        let last_told = (0..steps).rev().find(|index| matches!(self.steps[*index], Step::Told(_)));
        // Two cuts between the same things told differ by what is on the disk only.
        let steps = if told == 0 { 0 } else { last_told.map_or(0, |index| index + 1) };
        let state = CrashState { image: image.without_orphans(), steps };
        if known.insert(state.clone()) {
            states.push(state);
        }
    }
}

/// Returns subsets of a set of this size, at most `limit`.
fn subsets(size: usize, limit: usize, random: &mut Seeded) -> Vec<Vec<bool>> {
    if size < 12 && 1 << size <= limit {
        return (0..1usize << size).map(|bits| (0..size).map(|bit| bits >> bit & 1 == 1).collect()).collect();
    }
    let subset = |_| {
        let share = *random.one_of(&[1, 3, 5, 7, 9]);
        (0..size).map(|_| random.below(10) < share).collect()
    };
    (0..limit).map(subset).collect()
}

fn is_synced(change: &Change, sync: &Step, model: NameModel) -> bool {
    match sync {
        Step::SyncFile(inode) => {
            change.content_of() == Some(*inode) || (model == NameModel::FileSync && change.name_of() == Some(*inode))
        }
        Step::SyncDirectory(directory) => {
            // A directory is synced together with those above it that are new.
            let is_above = matches!(change, Change::MakeDirectory(path) if directory.starts_with(path));
            change.names().iter().any(|name| name.parent() == Some(directory))
                || (is_above && model == NameModel::FileSync)
        }
        Step::Change(_) | Step::Told(_) => false,
    }
}

/// Follows names and lengths through a run.
struct Recorder {
    names: BTreeMap<PathBuf, Inode>,
    lengths: BTreeMap<Inode, u64>,
    steps: Vec<Step>,
}

impl Recorder {
    fn change(&mut self, change: Change) {
        self.steps.push(Step::Change(change));
    }

    fn inode(&self, path: &Path) -> Inode {
        *self.names.get(path).unwrap_or_else(|| panic!("{} is changed, and was not made", path.display()))
    }

    fn add(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(path) if self.names.contains_key(path) => {}
            Operation::Create(path) => {
                let inode = self.lengths.last_key_value().map_or(0, |(last, _)| last + 1);
                self.lengths.insert(inode, 0);
                self.names.insert(path.clone(), inode);
                self.change(Change::Add(path.clone(), inode));
            }
            Operation::Write(path, position, bytes) => self.write(path, *position, bytes),
            Operation::Resize(path, len) => {
                let inode = self.inode(path);
                self.lengths.insert(inode, *len);
                self.change(Change::Resize(inode, *len));
            }
            Operation::Extend(path, len) => self.extend(self.inode(path), *len),
            Operation::Rename(from, to) => {
                let inode = self.inode(from);
                self.names.remove(from);
                self.names.insert(to.clone(), inode);
                self.change(Change::Move(from.clone(), to.clone(), inode));
            }
            Operation::Link(from, to) => {
                let inode = self.inode(from);
                self.names.insert(to.clone(), inode);
                self.change(Change::Add(to.clone(), inode));
            }
            Operation::Remove(path) => {
                self.names.remove(path);
                self.change(Change::Remove(path.clone()));
            }
            Operation::MakeDirectory(path) => self.change(Change::MakeDirectory(path.clone())),
            Operation::RemoveDirectory(path) => self.change(Change::RemoveDirectory(path.clone())),
            Operation::Sync(path) => {
                let file = self.names.get(path).copied();
                self.steps.push(file.map_or_else(|| Step::SyncDirectory(path.clone()), Step::SyncFile));
            }
            Operation::Printed(_) | Operation::Delivered(_) | Operation::Exited => {
                self.steps.push(Step::Told(operation.clone()));
            }
        }
    }

    fn extend(&mut self, inode: Inode, len: u64) {
        if len > self.lengths[&inode] {
            self.lengths.insert(inode, len);
            self.change(Change::Extend(inode, len));
        }
    }

    fn write(&mut self, path: &Path, position: WritePosition, bytes: &[u8]) {
        let inode = self.inode(path);
        let mut offset = match position {
            WritePosition::End => self.lengths[&inode],
            WritePosition::At(offset) => offset,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = (BLOCK - offset % BLOCK) as usize;
            let (block, after) = rest.split_at(room.min(rest.len()));
            self.extend(inode, offset + block.len() as u64);
            self.change(Change::Content(inode, offset, Rc::from(block)));
            offset += block.len() as u64;
            rest = after;
        }
    }
}

impl Recording {
    /// Returns the names in a crash state and what was told before, for a person.
    pub fn describe(&self, state: &CrashState) -> String {
        let told: Vec<&Operation> = self.told(state.steps).collect();
        format!("{told:?}, with {}", state.image.difference(&self.base))
    }
}

//! The disk: names and records as programs see them, as a power cut leaves them, and the changes between the two.

use crate::protocol::names::{Directory, LOG, Name, Record};

/// What a filesystem may do with changes of names that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskModel {
    /// Changes become durable in their order; a sync of anything syncs all of them.
    OrderedJournal,
    /// Any subset of renames becomes durable, each as a whole.
    AnyRenames,
    /// As `AnyRenames`, and of a rename the new name may become durable first: both names are there.
    BothNames,
}

pub const DISK_MODELS: [DiskModel; 3] = [DiskModel::OrderedJournal, DiskModel::AnyRenames, DiskModel::BothNames];

/// Addition or removal of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct NameChange {
    name: Name,
    is_added: bool,
    /// Operation to which the change belongs: both halves of a rename have the same.
    operation: u8,
}

/// Set of positions in the list of changes.
type ChangeSet = u32;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    /// Names that programs see, sorted.
    names: Vec<Name>,
    /// Names that survive a power cut, sorted.
    durable: Vec<Name>,
    changes: Vec<NameChange>,
    records: Vec<Record>,
    synced_records: usize,
}

fn insert(names: &mut Vec<Name>, name: Name) {
    if let Err(at) = names.binary_search(&name) {
        names.insert(at, name);
    }
}

impl Disk {
    /// Makes a disk on which these names and records are durable.
    pub fn new(mut names: Vec<Name>, records: Vec<Record>) -> Disk {
        names.sort();
        let synced_records = records.len();
        Disk { durable: names.clone(), names, changes: Vec::new(), records, synced_records }
    }

    /// Returns the names of the message, without that of its log.
    pub fn message_names(&self) -> impl Iterator<Item = Name> + '_ {
        self.names.iter().copied().filter(|name| *name != LOG)
    }

    pub fn has(&self, name: Name) -> bool {
        self.names.contains(&name)
    }

    pub fn has_log(&self) -> bool {
        self.has(LOG)
    }

    /// Returns the records that a reader finds.
    pub fn log(&self) -> &[Record] {
        if self.has_log() { &self.records } else { &[] }
    }

    pub fn has_records(&self) -> bool {
        self.log().iter().any(|record| *record != Record::Unreadable)
    }

    /// Renames; does nothing if the name is not there.
    pub fn rename(&mut self, from: Name, to: Name) {
        if from != to && self.has(from) {
            let operation = self.next_operation();
            self.change(to, true, operation);
            self.change(from, false, operation);
        }
    }

    pub fn unlink(&mut self, name: Name) {
        let operation = self.next_operation();
        self.change(name, false, operation);
    }

    /// Appends records to the log, which is made if it is missing.
    pub fn append(&mut self, records: &[Record]) {
        if !self.has_log() {
            self.records.clear();
            self.synced_records = 0;
            let operation = self.next_operation();
            self.change(LOG, true, operation);
        }
        self.records.extend_from_slice(records);
    }

    fn next_operation(&self) -> u8 {
        self.changes.iter().map(|change| change.operation + 1).max().unwrap_or(0)
    }

    fn change(&mut self, name: Name, is_added: bool, operation: u8) {
        if is_added {
            insert(&mut self.names, name);
        } else {
            self.names.retain(|other| *other != name);
        }
        self.changes.push(NameChange { name, is_added, operation });
    }

    /// Syncs a directory.
    pub fn sync_directory(&mut self, directory: Directory, model: DiskModel) {
        let mut set: ChangeSet = 0;
        for (index, change) in self.changes.iter().enumerate() {
            if model == DiskModel::OrderedJournal || change.name.directory == directory {
                set |= 1 << index;
            }
        }
        self.make_durable(self.closure(set, model));
    }

    /// Syncs the log file; its name only where a journal takes it along.
    pub fn sync_log(&mut self, model: DiskModel) {
        self.synced_records = self.records.len();
        if model == DiskModel::OrderedJournal {
            self.sync_directory(Directory::Log, model);
        }
    }

    /// Adds the changes that cannot be missing if these are durable: earlier ones of the same name, and with the removal
    /// of a name by a rename the new name.
    fn closure(&self, mut set: ChangeSet, model: DiskModel) -> ChangeSet {
        loop {
            let before = set;
            for (index, change) in self.changes.iter().enumerate().filter(|(index, _)| before >> index & 1 == 1) {
                for (other_index, other) in self.changes.iter().enumerate() {
                    let is_earlier = other_index < index && other.name == change.name;
                    let is_other_half = other.operation == change.operation
                        && (model == DiskModel::AnyRenames || (!change.is_added && other.is_added));
                    if is_earlier || is_other_half {
                        set |= 1 << other_index;
                    }
                }
            }
            if set == before {
                return set;
            }
        }
    }

    fn make_durable(&mut self, set: ChangeSet) {
        let changes = std::mem::take(&mut self.changes);
        for (index, change) in changes.into_iter().enumerate() {
            if set >> index & 1 == 0 {
                self.changes.push(change);
            } else if change.is_added {
                insert(&mut self.durable, change.name);
            } else {
                self.durable.retain(|other| *other != change.name);
            }
        }
        // States that differ in numbers only are one state.
        let mut numbers: Vec<u8> = self.changes.iter().map(|change| change.operation).collect();
        numbers.dedup();
        for change in &mut self.changes {
            let number = numbers.iter().position(|number| *number == change.operation);
            change.operation = number.map_or(0, |number| number as u8);
        }
    }

    /// Returns each disk that a power cut can leave.
    pub fn after_power_cut(&self, model: DiskModel) -> Vec<Disk> {
        let mut disks: Vec<Disk> = Vec::new();
        for set in self.possible_change_sets(model) {
            let mut cut = self.clone();
            cut.make_durable(set);
            cut.changes.clear();
            cut.names = cut.durable.clone();
            for kept in self.possible_records(model) {
                let mut disk = cut.clone();
                disk.keep_records(kept);
                if !disks.contains(&disk) {
                    disks.push(disk);
                }
            }
        }
        disks
    }

    fn possible_change_sets(&self, model: DiskModel) -> Vec<ChangeSet> {
        let count = self.changes.len();
        assert!(count < 20, "the model lets changes pile up without a sync");
        if model == DiskModel::OrderedJournal {
            let ends_operation = |end: &usize| {
                *end == 0 || *end == count || self.changes[end - 1].operation != self.changes[*end].operation
            };
            return (0..=count).filter(ends_operation).map(|end| (1 << end) - 1).collect();
        }
        (0..1 << count).filter(|set| self.closure(*set, model) == *set).collect()
    }

    fn possible_records(&self, model: DiskModel) -> Vec<u32> {
        let unsynced = self.records.len() - self.synced_records;
        match model {
            DiskModel::OrderedJournal => (0..=unsynced).map(|end| (1 << end) - 1).collect(),
            DiskModel::AnyRenames | DiskModel::BothNames => (0..1 << unsynced).collect(),
        }
    }

    fn keep_records(&mut self, kept: u32) {
        for (bit, record) in self.records[self.synced_records..].iter_mut().enumerate() {
            if kept >> bit & 1 == 0 {
                *record = Record::Unreadable;
            }
        }
        while self.records.last() == Some(&Record::Unreadable) {
            self.records.pop();
        }
        if !self.has_log() {
            self.records.clear();
        }
        self.synced_records = self.records.len();
    }
}

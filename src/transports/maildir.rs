//! Delivery to a Maildir.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::message::folder::Folder;
use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::mail::status::Status;
use crate::sys::dir::{self, Dir};
use crate::sys::error::{AtPath, PathError};
use crate::transports::answer::{BrokenTransport, HandOffResult, ResultKind, TransportResult};
use crate::values::digest::Fingerprint;
use crate::values::table::TableIndex;

use crate::transports::hand_off::{EarlierAttempt, HandOff, refused_result};

/// Mark of a filed message for mail programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMark {
    /// New mail, in `new`.
    Unread,
    /// A message that its reader knows, such as a copy of a sent one: in `cur`, with the flag `S`.
    Read,
}

/// Maildir with its three directories open.
#[derive(Debug)]
struct Maildir {
    tmp: Dir,
    new: Dir,
    cur: Dir,
}

impl Maildir {
    fn open(path: &Path) -> Result<Maildir, PathError> {
        Maildir::of(&Dir::make(path)?)
    }

    fn of(root: &Dir) -> Result<Maildir, PathError> {
        let [tmp, new, cur] = ["tmp", "new", "cur"].map(|name| root.make_durable_in(name));
        Ok(Maildir { tmp: tmp?, new: new?, cur: cur? })
    }

    /// Opens a folder of a Maildir (Maildir++), and creates it if it does not exist. A symbolic link in its place is an
    /// error: mail must stay in the store.
    fn folder(path: &Path, folder: &Folder) -> Result<Maildir, PathError> {
        let root = Dir::make(path)?;
        let Some(name) = folder.directory() else { return Maildir::of(&root) };
        let is_new = root.stat_name(name)?.is_none();
        let inside = root.make_in(name)?;
        let maildir = Maildir::of(&inside)?;
        if is_new {
            // Maildir++: this file marks the directory as a folder for other programs.
            inside.append_to("maildirfolder")?;
            inside.sync()?;
            root.sync()?;
        }
        Ok(maildir)
    }

    /// True if a mail program has moved a message of this name into `cur`, with any flags. The name that a message with this
    /// mark is filed under does not count: [`Maildir::file`] judges what has it.
    /// Nor does a file of fewer bytes than the message has, which is what a power failure left of it.
    fn has(&self, name: &str, mark: ReadMark, bytes: u64) -> Result<bool, PathError> {
        let is_whole =
            |name: &str| Ok::<bool, PathError>(self.cur.stat_name(name)?.is_some_and(|facts| facts.size >= bytes));
        if is_whole(name)? {
            return Ok(true);
        }
        let own = self.target(name, mark).1;
        for entry in std::fs::read_dir(self.cur.path()).at("list", self.cur.path())? {
            let entry = entry.at("list", self.cur.path())?.file_name();
            let entry = entry.to_string_lossy();
            if entry != own && entry.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')) && is_whole(&entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the directory and the file name of a message with this mark.
    fn target(&self, name: &str, mark: ReadMark) -> (&Dir, String) {
        match mark {
            ReadMark::Unread => (&self.new, name.to_owned()),
            ReadMark::Read => (&self.cur, format!("{name}:2,S")),
        }
    }

    /// Files a message: writes it in `tmp`, renames it into `new` or `cur`, then syncs file and directory.
    ///
    /// Names are unique per message and recipient: if the name is there, an attempt whose end was not recorded has filed the
    /// message. It stays, unless a power failure took away some of its bytes.
    fn file(
        &self,
        name: &str,
        mark: ReadMark,
        bytes: u64,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), PathError> {
        let (target, target_name) = self.target(name, mark);
        let earlier = match target.stat_name(&target_name)? {
            Some(_) => Some(target.open_file(&target_name)?),
            None => None,
        };
        // The process id keeps this from replacing a file that another process is still writing. A file that a dead
        // process left is removed by mail programs, which clean `tmp` of every Maildir.
        // The name of a file that another program put into `new` may have a colon.
        debug_assert!(!name.starts_with('.') && !name.contains('/'), "{name} is a name of a new message");
        let draft = format!("{name}.{}", std::process::id());
        self.tmp.remove_if_there(&draft)?;
        let mut file = self.tmp.create_new(&draft)?;
        let written = write(&mut file).at("write", self.tmp.path_of(&draft));
        let placed = written.and_then(|()| match earlier {
            None => self.tmp.rename(&draft, target, &target_name),
            Some(earlier) if is_torn(&earlier, &file, bytes).at("read", target.path_of(&target_name))? => {
                self.tmp.rename_over(&draft, target, &target_name)
            }
            Some(earlier) => {
                file = earlier;
                self.tmp.remove_if_there(&draft).map(|_| ())
            }
        });
        if placed.is_err() {
            let _ = self.tmp.remove_if_there(&draft);
        }
        placed?;
        let synced = dir::sync(&file, &target.path_of(&target_name)).and_then(|()| target.sync());
        if synced.is_err() {
            let _ = target.remove_if_there(&target_name);
        }
        synced
    }
}

/// Files one copy per recipient, with `Return-Path` (RFC 5321 section 4.4) and `Delivered-To` (as qmail does) before
/// the submitted message, which loses a `Return-Path` of its own.
pub(super) fn deliver(path: &Path, hand_off: &HandOff<'_>) -> HandOffResult {
    let opened = Maildir::open(path).and_then(|maildir| {
        let head = read_header(hand_off.input, hand_off.body_at).at("read", path)?;
        Ok((maildir, head))
    });
    let (maildir, head) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let text = error.to_string();
            let outcome = TransportResult::new(ResultKind::Broken, Status::BROKEN, text.clone());
            let results = vec![outcome; hand_off.recipients.len()];
            let broken = BrokenTransport::shown_by(&ResultKind::Broken, &text);
            return HandOffResult { results, broken, remote_id: None };
        }
    };
    let header = Header::scan(&head, InputSupply::End);
    let one = |(recipient, address): &(RecipientIndex, &Address)| -> TransportResult {
        if header.as_ref().is_some_and(|header| has_delivered_to(header, address)) {
            return refused_result(
                Status::LOOP,
                "mail loop: the message already has a Delivered-To field with this address",
            );
        }
        match file_for(&maildir, hand_off, *recipient, address, header.as_ref()) {
            Ok(()) => TransportResult::new(ResultKind::Accepted, Status::DONE, ""),
            Err(error) => TransportResult::new(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, error.to_string()),
        }
    };
    HandOffResult { results: hand_off.recipients.iter().map(one).collect(), broken: None, remote_id: None }
}

fn has_delivered_to(header: &Header<'_>, address: &Address) -> bool {
    header.all("Delivered-To").any(|field| Address::parse(&field.value()).is_ok_and(|to| to.key() == address.key()))
}

fn file_for(
    maildir: &Maildir,
    hand_off: &HandOff<'_>,
    recipient: RecipientIndex,
    address: &Address,
    header: Option<&Header<'_>>,
) -> Result<(), PathError> {
    let name = file_name(hand_off.id, recipient, hand_off.part);
    let kept = header.and_then(|header| Some((header.marker, header.fields_without("Return-Path")?, header.len)));
    let own_from = hand_off.body_at + kept.as_ref().map_or(0, |(_, _, len)| *len as u64);
    let bytes = bytes_from(hand_off.input, own_from).at("look at", maildir.new.path())?;
    if hand_off.earlier_attempt == EarlierAttempt::MaybeDelivered && maildir.has(&name, ReadMark::Unread, bytes)? {
        return Ok(());
    }
    let sender = hand_off.sender.as_str();
    let line_end = header.map_or("\n", Header::line_end);
    let trace = format!("Return-Path: <{sender}>{line_end}Delivered-To: {}{line_end}", address.text());
    maildir.file(&name, ReadMark::Unread, bytes, |file| {
        file.write_all(trace.as_bytes())?;
        let Some((marker, fields, len)) = kept else { return copy(hand_off.input, hand_off.body_at, file) };
        file.write_all(marker)?;
        file.write_all(&fields)?;
        copy(hand_off.input, hand_off.body_at + len as u64, file)
    })
}

/// Message that is filed in a store.
#[derive(Clone, Copy, Debug)]
pub struct FiledMessage<'a> {
    /// Name of the file, without the flags.
    pub name: &'a str,
    /// State of the message for mail programs.
    pub mark: ReadMark,
    /// Bytes that are written before the message.
    pub head: &'a [u8],
    /// File with the message.
    pub input: BorrowedFd<'a>,
    /// Offset of what is written of that file, in bytes.
    pub body_at: u64,
    /// Whether an earlier run may have filed the message.
    pub earlier_attempt: EarlierAttempt,
}

/// Files a message in a folder of a store. A message of this name that exists is not filed again, so that a retry after a
/// crash makes no second copy. After an earlier attempt it is looked for in `cur` as well, where a mail program may have
/// moved it. Returns the path.
pub fn file_message(store: &Path, folder: &Folder, message: &FiledMessage<'_>) -> Result<PathBuf, PathError> {
    let maildir = Maildir::folder(store, folder)?;
    let bytes = bytes_from(message.input, message.body_at).at("look at", store)?;
    if message.earlier_attempt == EarlierAttempt::NotDelivered || !maildir.has(message.name, message.mark, bytes)? {
        maildir.file(message.name, message.mark, bytes, |file| {
            file.write_all(message.head)?;
            copy(message.input, message.body_at, file)
        })?;
    }
    let (target, name) = maildir.target(message.name, message.mark);
    Ok(target.path_of(&name))
}

/// True unless it is certain that no message of this name is in `new` of a folder of a store.
pub fn may_have(store: &Path, folder: &Folder, name: &str) -> bool {
    let place = folder.directory().map_or(store.to_owned(), |directory| store.join(directory));
    let found = Dir::open(&place.join("new")).and_then(|new| new.stat_name(name));
    match found {
        Ok(found) => found.is_some(),
        Err(error) => !error.is_not_found(),
    }
}

/// Returns the number of bytes of a file from an offset on.
fn bytes_from(input: BorrowedFd<'_>, offset: u64) -> io::Result<u64> {
    Ok(File::from(input.try_clone_to_owned()?).metadata()?.len().saturating_sub(offset))
}

/// True if a file is another one in part: shorter, or with zeros in place of bytes that were not written. The last `bytes`
/// of the whole are the message; the trace before it may be different each time.
fn is_torn(file: &File, whole: &File, bytes: u64) -> io::Result<bool> {
    let (have, want) = (file.metadata()?.len(), whole.metadata()?.len());
    Ok(have < bytes || is_part(file, 0, whole, 0)? || is_part(file, have - bytes, whole, want - bytes.min(want))?)
}

/// True if a file, from an offset on, has some but not all of the bytes of another one from its offset on.
fn is_part(file: &File, file_at: u64, whole: &File, whole_at: u64) -> io::Result<bool> {
    let (mut bytes, mut expected) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut at = 0;
    let mut differs = false;
    loop {
        let count = dir::read_at(whole.as_fd(), &mut expected, whole_at + at)?;
        let there = dir::read_at(file.as_fd(), &mut bytes[..count.max(1)], file_at + at)?;
        if there > count || bytes[..there].iter().zip(&expected).any(|(byte, whole)| byte != whole && *byte != 0) {
            return Ok(false);
        }
        differs |= bytes[..there] != expected[..count];
        if there < count || count == 0 {
            return Ok(differs);
        }
        at += count as u64;
    }
}

fn copy(input: BorrowedFd<'_>, mut at: u64, file: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = dir::read_at(input, &mut buffer, at)?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..count])?;
        at += count as u64;
    }
}

/// Returns the file name for a message and a recipient. It is the same in every attempt, so that a retry finds the copy
/// of an attempt whose end was not recorded.
fn file_name(id: &QueueId, recipient: RecipientIndex, part: &str) -> String {
    let mut print = Fingerprint::default();
    print.add(part.as_bytes());
    let part = if part.is_empty() { String::new() } else { format!("S{}", &print.finish()[..16]) };
    id.maildir_name(&format!("D{}{part}", recipient.position()))
}

fn read_header(input: BorrowedFd<'_>, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while bytes.len() < MAX_HEADER_BYTES {
        let count = dir::read_at(input, &mut buffer, at + bytes.len() as u64)?;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
        if Header::scan(&bytes, InputSupply::More).is_some() {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use crate::mail::envelope::id::QueueId;
    use crate::mail::envelope::recipient::RecipientIndex;
    use crate::values::table::TableIndex;

    use crate::transports::maildir::file_name;

    #[test]
    fn each_recipient_has_a_name_of_its_own() {
        let id = &QueueId::parse("1xUk0d-0W7E0000007-0000").unwrap();
        assert_eq!(file_name(id, RecipientIndex::new(3), ""), format!("{}.{id}D3.mspool", id.seconds()));
        assert_ne!(file_name(id, RecipientIndex::new(3), "1"), file_name(id, RecipientIndex::new(3), "2"));
    }
}

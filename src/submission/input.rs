//! Reading messages: in pieces, so that memory does not grow with them, and until somebody says stop.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use crate::exit::{RefusalKind, refuse};
use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::sys::dir;
use crate::sys::ready;
use crate::sys::signals::Signals;

use crate::submission::options::HeaderUse;

/// Somewhere messages come from.
pub trait MessageInput {
    /// Reads some bytes; zero is the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// Standard input. A request to stop ends the reading, however long the next byte would take.
#[derive(Debug)]
pub struct StandardInput<'a> {
    signals: &'a Signals,
}

impl<'a> StandardInput<'a> {
    /// Nothing is read ahead.
    pub fn new(signals: &'a Signals) -> StandardInput<'a> {
        StandardInput { signals }
    }
}

impl MessageInput for StandardInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let stdin = io::stdin();
        loop {
            let ready = ready::readable(&[stdin.as_fd(), self.signals.stop_fd()], None);
            if let Some(signal) = self.signals.stop_requested() {
                return refuse(RefusalKind::Interrupted(signal), "interrupted while reading; nothing was queued");
            }
            ready.context("cannot wait for standard input")?;
            match dir::read_next(stdin.as_fd(), buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                answer => return answer.context("cannot read standard input"),
            }
        }
    }
}

impl MessageInput for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        Ok(Read::read(self, buffer)?)
    }
}

/// Bytes read before a message is looked at.
const FIRST: usize = 64 << 10;

/// Reads the beginning of a message: its header, where that is used, and most small messages as a whole. Shorter than
/// a piece means that there is no more.
#[derive(Debug)]
pub struct MessageHead {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether more may follow.
    pub supply: InputSupply,
}

/// Reads as much of the beginning as is needed.
pub fn head(input: &mut dyn MessageInput, header: HeaderUse) -> Result<MessageHead> {
    let mut bytes = vec![0; FIRST];
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            let enough = header == HeaderUse::None || Header::scan(&bytes, InputSupply::More).is_some();
            if enough {
                return Ok(MessageHead { bytes, supply: InputSupply::More });
            }
            if bytes.len() >= MAX_HEADER_BYTES {
                return refuse(RefusalKind::BadData, "the header does not end within 1 MiB; nothing was queued");
            }
            bytes.resize(bytes.len() * 2, 0);
        }
        let count = input.read(&mut bytes[filled..])?;
        if count == 0 {
            bytes.truncate(filled);
            return Ok(MessageHead { bytes, supply: InputSupply::End });
        }
        filled += count;
    }
}

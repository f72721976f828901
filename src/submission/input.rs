//! Message input, read in pieces so that memory use does not depend on the size of a message.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use anyhow::Result;

use crate::exit::{RefusalKind, refuse};
use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::sys::dir;
use crate::sys::error::AtPath;
use crate::sys::ready;
use crate::sys::signals::Signals;

use crate::submission::options::HeaderUse;

/// Input that contains one message.
pub trait MessageInput {
    /// Reads bytes into `buffer`. Returns their number; 0 means the end of the message.
    ///
    /// # Errors
    ///
    /// An error of the input, or a refusal with [`RefusalKind::Interrupted`] after a signal.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// Standard input. A stop signal ends a read that waits.
#[derive(Debug)]
pub struct StandardInput<'a> {
    signals: &'a Signals,
}

impl<'a> StandardInput<'a> {
    /// Creates the input. Does not read.
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
                return refuse(
                    RefusalKind::Interrupted(signal),
                    format!("interrupted by signal {signal} while reading; nothing was queued"),
                );
            }
            ready.at("wait for", "standard input")?;
            match dir::read_next(stdin.as_fd(), buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Ok(result.at("read", "standard input")?),
            }
        }
    }
}

impl MessageInput for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        Ok(Read::read(self, buffer)?)
    }
}

/// Number of bytes that are read before a message is examined.
const HEAD_BYTES: usize = 64 << 10;

/// Size of the buffer at first: most messages fit, and each page of it costs the process time.
const FIRST_BYTES: usize = 8 << 10;

/// Beginning of a message: at least its header, if that is used; usually all of a small message.
#[derive(Debug)]
pub struct MessageHead {
    /// First bytes of the message.
    pub bytes: Vec<u8>,
    /// End of the input, or more bytes to read.
    pub supply: InputSupply,
}

/// Reads the beginning of a message: 64 KiB, or more if the header is used and longer.
///
/// # Errors
///
/// A refusal with [`RefusalKind::BadData`] if a header that is used does not end within 1 MiB; an error of the input.
pub fn head(input: &mut dyn MessageInput, header: HeaderUse) -> Result<MessageHead> {
    let mut bytes = vec![0; FIRST_BYTES];
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            let has_header = || header == HeaderUse::None || Header::scan(&bytes, InputSupply::More).is_some();
            if bytes.len() >= HEAD_BYTES && has_header() {
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

//! mspool, a store-and-forward mail spooler: when a messaging system is away it keeps the mail, and forwards it later.
//!
//! # The idea
//!
//! 1. **Directories are facts, locks are activities.** Where a message file lies says what is durably true of it;
//!    whether it is flock'ed says whether someone is at work on it now. There is nothing to recover after a crash:
//!    every state is one that the next run can start from.
//! 2. **A message file is never edited.** It moves, and what happened to it is appended to a log of the same name.
//! 3. **Nobody moves what he has not claimed.** Every transition consumes a [`spool::claim::Claim`]; one file renames.
//! 4. **Unknown means owed.** Only a clear answer settles a recipient.
//! 5. **The same word on disk, in code, in the manual.**
//!
//! # The spool
//!
//! ```text
//! SPOOL/version     "1"
//! SPOOL/out/tmp     being written; not yet a message
//! SPOOL/out/new     queued, never attempted
//! SPOOL/out/cur     attempted, some recipient still owed
//! SPOOL/out/hold    set aside by the operator
//! SPOOL/out/sent    finished, every recipient has it
//! SPOOL/out/failed  finished, some recipient does not have it
//! SPOOL/out/corrupt cannot be read; kept for inspection
//! SPOOL/log/ID      what happened to ID, one JSON object a line
//! SPOOL/state/      one small file a transport: pause, breaker, last probe; locks of runs and resources
//! SPOOL/inbox/      the built-in Maildir
//! ```
//!
//! A name is `ID`, with `,P=u` or `,P=n` for mail that is more or less urgent, and `,T=SECONDS` for what is not due at
//! once: a pass reads names only. Line 1 of a file is the [envelope](mail::envelope::Envelope), the rest is the
//! message, byte for byte.
//!
//! | move | by | commit instant | after a crash before it |
//! |:--|:--|:--|:--|
//! | stdin → `tmp` → `new`, `hold` | enqueue | rename, file sync, directory sync | swept from `tmp`; torn in `new`, and never acknowledged |
//! | `new`, `cur` → `cur` | flush | the synced log line | one delivery twice at worst, shown as "maybe delivered" |
//! | → `sent`, → `failed` | flush | rename, after the log's sync | the next run reads the log and renames |
//! | `new`, `cur` ↔ `hold`; → `failed` by cancel | operator | rename and sync | as it was |
//! | any → `corrupt` | whoever cannot read it | rename | as it was |
//!
//! # The floors
//!
//! Lower floors never import higher ones; [`agents`] and [`spool`] never see each other. A test reads the tree and
//! keeps it so, and keeps every third-party crate in its one home.
//!
//! ```text
//! 5 door    cli (clap) · config (toml) · exit (errors → exit status)
//! 4 verbs   enqueue · flush · report · watch (notify) · operate · init     one room a verb
//! 3 agents  transports: command, maildir; child: one run of a program
//! 2 spool   the only room that knows paths: draft, claim, log, listing (walkdir), gate, sweep
//! 1 mail    values: address, envelope, id, status, schedule, route, answer, history, header, mime (mail-parser), bounce
//! 0 sys     dir, lock (fs2), process, signals, clock, trust
//! ```
//!
//! # Inside a flush
//!
//! Threads take jobs from a [board](verbs::flush::board): look at the next message, prepare a transport, hand a
//! message over. A message is looked at only when some transport could take one, so memory does not grow with the
//! queue; what waits for a busy transport is a number in its backlog, not an open file. Results are written to the
//! log at once and synced in groups by the [committer](verbs::flush::committer), beside the deliveries.

pub mod agents;
pub mod door;
pub mod mail;
pub mod spool;
pub mod sys;
pub mod verbs;

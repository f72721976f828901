//! mspool, a store-and-forward mail spooler: when a messaging system is away it keeps the mail, and forwards it later.
//!
//! # The idea
//!
//! 1. **Directories are facts, locks are activities.** Where a message file lies says what is durably true of it;
//!    whether it is flock'ed says whether someone is at work on it now. There is nothing to recover after a crash:
//!    every state is one that the next run can start from.
//! 2. **A message file is never edited.** It moves, and what happened to it is appended to a log of the same name.
//! 3. **Nobody moves what he has not claimed.** Every transition consumes a [`spool::claim::Claim`]; one file renames.
//! 4. **A report is durable before the message it reports on is finished.** At worst a second report, never none.
//! 5. **Unknown means owed.** Only a clear answer settles a recipient.
//! 6. **The same word on disk, in code, in the manual.**
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
//! SPOOL/in/tmp      being received
//! SPOOL/in/new      received, not yet filed in the store
//! SPOOL/work        what filters make of a message while it is handed over
//! SPOOL/state/      one small file a transport: pause, breaker, last probe; locks of runs and resources
//! SPOOL/inbox/      the built-in Maildir: the default store
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
//! | → `sent`, → `failed` | flush | report durable and noted, hooks and copy done, then rename | the next run reads the log and does the rest |
//! | `new`, `cur` ↔ `hold`; → `failed` by cancel | operator | rename and sync | as it was |
//! | `sent` → `failed` | whoever files a report from elsewhere | the log line, then rename | as it was |
//! | stdin, fetch → `in/tmp` → `in/new` | receive | as enqueue; only then exit 0, or ack | as enqueue; or it comes again and is known |
//! | `in/new` → the store | receive, flush, watch: hooks, class, folder | link in the store; then `in/new` forgets it | the same name there means done |
//! | any → `corrupt` | whoever cannot read it | rename | as it was |
//!
//! # The floors
//!
//! Lower floors never import higher ones; [`agents`] and [`spool`] never see each other. A test reads the tree and
//! keeps it so, and keeps every third-party crate in its one home.
//!
//! ```text
//! 5 door    cli (clap) · sendmail (its own grammar) · config (toml) · exit (errors → exit status)
//! 4 verbs   enqueue · flush · receive · report · resend · sendmail · smtp · watch (notify) · operate · init
//!           one room a verb; resolve: what becomes of addresses at the door
//! 3 agents  transports: command, maildir, preprocess; hook; inbound; notice; smtp (smtp_proto); child: one run of a program
//! 2 spool   the only room that knows paths: draft, claim, log, listing (walkdir), gate, source, work, sweep
//! 1 mail    values: address, envelope, id, status, schedule, route, answer, record, history, header, mime (mail-parser);
//!           alias, rewrite, submission: what the door makes of mail; dsn: reports that go out; bounce: reports that
//!           come in; class, folder: where received mail goes; digest (sha2)
//! 0 sys     dir, lock (fs2), process, signals, clock, trust
//! ```
//!
//! # Inside a flush
//!
//! Threads take jobs from a [board](verbs::flush::board): look at the next message, prepare a transport, hand a
//! message over. A message is looked at only when some transport could take one, so memory does not grow with the
//! queue; what waits for a busy transport is a number in its backlog, not an open file. Results are written to the
//! log at once and synced in groups by the [committer](verbs::flush::committer), beside the deliveries; reports that
//! are due on a group's messages are made durable in one go, and only then the messages move. Where that takes programs,
//! hooks or undo commands, a thread of its own waits for them.
//!
//! # Receiving
//!
//! What is received is safe in `in/new` before anything else is done with it. [Filing](verbs::receive::filing) it is
//! done by whoever comes by, and a watch, when one runs, does it alone, so that it can tell of it. A report that comes
//! in is [believed](verbs::receive::correlate) only as far as it could not be anybody's invention.

pub mod cli;
pub mod commands;
pub mod config;
pub mod delivery;
pub mod exit;
pub mod inbox;
pub mod mail;
pub mod output;
pub mod session;
pub mod settings;
pub mod spool;
pub mod submission;
pub mod sys;
pub mod transports;
pub mod values;

//! Sessions of one transport, shared by the threads of a run and kept between runs.
//!
//! Until one session has been opened, one thread tries at a time, and those that wait for it share its failure: a server
//! that is down or refuses the login sees one connection, however many messages wait.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::transports::program::ProgramControl;
use crate::transports::smtp::capabilities::Capabilities;
use crate::transports::smtp::channel::TlsKeys;
use crate::transports::smtp::client::{ServerSession, SessionFailure};
use crate::transports::smtp::open::SessionOpener;
use crate::transports::smtp::secret::TokenCache;
use crate::transports::smtp::settings::ClientSettings;
use crate::transports::smtp::transaction::Transaction;
use crate::transports::smtp::turn::Turn;

/// Time for which a failure concerns the hand-offs that begin after it: until the circuit breaker is open.
const FAILURE_SHARED: Duration = Duration::from_secs(2);

/// Pool of the sessions of one transport.
#[derive(Debug)]
pub struct SessionPool {
    settings: ClientSettings,
    /// Most sessions at once.
    limit: usize,
    keys: TlsKeys,
    tokens: TokenCache,
    state: Mutex<PoolState>,
    /// Rung when a session was given back, handed on, opened, or could not be opened.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PoolState {
    idle: Vec<IdleSession>,
    /// Sessions in use or being opened.
    busy: usize,
    opening: usize,
    /// True when the last attempt to open a session succeeded.
    opens: bool,
    /// True when a session could not be opened beside others: the server may take no more at once.
    capped: bool,
    /// Number of failed attempts, and the last failure.
    failures: u64,
    last_failure: Option<(SessionFailure, Instant)>,
    /// What the server offered in the last session.
    capabilities: Option<Capabilities>,
    tickets: VecDeque<Ticket>,
    next_ticket: u64,
    handed_on: Vec<(u64, HandedOn)>,
    /// True while a thread closes sessions that were unused for too long.
    has_closer: bool,
}

#[derive(Debug)]
struct IdleSession {
    session: ServerSession,
    since: Instant,
}

/// Transaction whose thread waits for a session: it may be sent behind the final dot of another one.
#[derive(Debug)]
struct Ticket {
    number: u64,
    transaction: Transaction,
}

/// What a waiting thread gets.
#[derive(Debug)]
enum HandedOn {
    /// Session in which its transaction was begun.
    Begun(Box<ServerSession>),
    /// The session broke before its transaction was reached.
    Lost,
}

/// Session that a thread was given.
#[derive(Debug)]
pub enum CheckedOut {
    /// New session.
    Fresh(Box<ServerSession>),
    /// Session that was used before: the server may have closed it since.
    Used(Box<ServerSession>),
    /// Session in which the transaction of the thread was begun.
    Begun(Box<ServerSession>),
}

/// Number of a ticket whose transaction was begun in another thread's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketNumber(u64);

/// Conditions under which a thread wants a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionWish {
    /// Any session.
    Any,
    /// A new session: one that was used before broke.
    New,
}

impl SessionPool {
    /// Makes a pool without sessions. `limit` is the most sessions at once.
    pub fn new(settings: ClientSettings, limit: usize) -> SessionPool {
        let (keys, tokens, state) = (TlsKeys::default(), TokenCache::default(), Mutex::default());
        SessionPool { settings, limit, keys, tokens, state, changed: Condvar::new() }
    }

    /// Returns the settings.
    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the server offered in the last session, if there was one.
    pub fn capabilities(&self) -> Option<Capabilities> {
        self.state().capabilities.clone()
    }

    /// Returns a session, and waits for one if as many as allowed are in use. A `transaction` made for the known
    /// capabilities may be begun in a session of another thread, behind its final dot.
    ///
    /// # Errors
    /// No session can be opened.
    pub fn check_out(
        &self,
        wish: SessionWish,
        transaction: Option<&Transaction>,
        control: ProgramControl<'_>,
        turn: &dyn Turn,
    ) -> Result<CheckedOut, SessionFailure> {
        let mut state = self.state();
        let failures_before = state.failures;
        let mut ticket = None;
        // One that had a session before, or was promised one, goes before those that wait for their first.
        let mut is_first = wish == SessionWish::New;
        loop {
            if let Some(at) = state.handed_on.iter().position(|(number, _)| Some(*number) == ticket) {
                match state.handed_on.swap_remove(at).1 {
                    HandedOn::Begun(session) => return Ok(CheckedOut::Begun(session)),
                    HandedOn::Lost => (ticket, is_first) = (None, true),
                }
            }
            let is_begun = ticket.is_some_and(|number| !state.tickets.iter().any(|ticket| ticket.number == number));
            let is_next = is_first || state.tickets.front().is_none_or(|first| Some(first.number) == ticket);
            if !is_begun && is_next {
                if wish == SessionWish::Any
                    && let Some(session) = self.take_idle(&mut state)
                {
                    self.withdraw(&mut state, ticket);
                    state.busy += 1;
                    return Ok(CheckedOut::Used(Box::new(session)));
                }
                if let Some(failure) = state.shared_failure(failures_before) {
                    self.withdraw(&mut state, ticket);
                    return Err(failure);
                }
                if state.may_open(self.limit) {
                    self.withdraw(&mut state, ticket.take());
                    let opened = self.open(state, control);
                    state = self.state();
                    match opened {
                        // Others are open: one of them does.
                        Err(SessionFailure::Trouble(_)) if state.busy > 0 => state.capped = true,
                        opened => return opened,
                    }
                    continue;
                }
            }
            if ticket.is_none()
                && !is_first
                && let Some(transaction) = transaction
            {
                ticket = Some(state.add_ticket(transaction.clone()));
                drop(state);
                // Those that come after it stand behind it now.
                turn.end();
                state = self.state();
                continue;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Withdraws a ticket, and wakes the threads behind it: one of them is the next now.
    fn withdraw(&self, state: &mut PoolState, ticket: Option<u64>) {
        state.tickets.retain(|waiting| Some(waiting.number) != ticket);
        if !state.tickets.is_empty() {
            self.changed.notify_all();
        }
    }

    /// Takes a session that the server has not closed; others are dropped.
    fn take_idle(&self, state: &mut PoolState) -> Option<ServerSession> {
        while let Some(IdleSession { session, since }) = state.idle.pop() {
            if since.elapsed() < self.settings.idle && session.is_alive() {
                return Some(session);
            }
            session.close();
        }
        None
    }

    fn open(
        &self,
        mut state: MutexGuard<'_, PoolState>,
        control: ProgramControl<'_>,
    ) -> Result<CheckedOut, SessionFailure> {
        // A session that is idle counts as one of the allowed ones.
        if state.busy + state.idle.len() >= self.limit
            && let Some(unused) = state.idle.pop()
        {
            unused.session.close();
        }
        (state.busy, state.opening) = (state.busy + 1, state.opening + 1);
        drop(state);
        let opener = SessionOpener { settings: &self.settings, keys: &self.keys, tokens: &self.tokens, control };
        let opened = opener.open();
        let mut state = self.state();
        state.opening -= 1;
        state.opens = opened.is_ok();
        match &opened {
            Ok(session) => {
                state.capped = false;
                state.capabilities = Some(session.capabilities().clone());
            }
            Err(failure) => {
                state.busy -= 1;
                state.note_failure(failure);
            }
        }
        drop(state);
        self.changed.notify_all();
        opened.map(|session| CheckedOut::Fresh(Box::new(session)))
    }

    /// Begins the transaction of a waiting thread in a session whose final dot is about to leave.
    pub fn begin_next(&self, session: &mut ServerSession) -> Option<TicketNumber> {
        let may_go_on = session.capabilities().pipelining && session.messages < self.settings.max_messages;
        let mut state = self.state();
        if !may_go_on || state.capabilities.as_ref() != Some(session.capabilities()) {
            return None;
        }
        let ticket = state.tickets.pop_front()?;
        drop(state);
        self.changed.notify_all();
        session.begin(ticket.transaction);
        Some(TicketNumber(ticket.number))
    }

    /// Hands a session on to the thread whose transaction was begun in it.
    pub fn hand_on(&self, ticket: TicketNumber, session: ServerSession) {
        self.state().handed_on.push((ticket.0, HandedOn::Begun(Box::new(session))));
        self.changed.notify_all();
    }

    /// Tells the thread whose transaction was begun in a session that the session broke.
    pub fn tell_lost(&self, ticket: TicketNumber) {
        self.state().handed_on.push((ticket.0, HandedOn::Lost));
        self.changed.notify_all();
    }

    /// Takes a session back. One that can be used again is kept for a while.
    pub fn check_in(self: &Arc<Self>, session: ServerSession) {
        let keeps = session.is_reusable()
            && session.messages < self.settings.max_messages
            && self.settings.idle > Duration::ZERO;
        let mut state = self.state();
        state.busy -= 1;
        if keeps {
            state.idle.push(IdleSession { session, since: Instant::now() });
            self.start_closer(&mut state);
            drop(state);
        } else {
            drop(state);
            session.close();
        }
        self.changed.notify_all();
    }

    /// Notes that a session that was checked out is over. A `failure` of the server is shared with the threads that wait.
    pub fn discard(&self, session: ServerSession, failure: Option<&SessionFailure>) {
        drop(session);
        let mut state = self.state();
        state.busy -= 1;
        if let Some(failure) = failure {
            state.opens = false;
            state.note_failure(failure);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Closes all unused sessions.
    pub fn close_idle(&self) {
        let idle = std::mem::take(&mut self.state().idle);
        idle.into_iter().for_each(|unused| unused.session.close());
        self.changed.notify_all();
    }

    /// Starts the thread that closes sessions when they were unused for too long. Without it, they are closed when the
    /// next one is wanted.
    fn start_closer(self: &Arc<Self>, state: &mut PoolState) {
        if state.has_closer {
            return;
        }
        let pool = Arc::clone(self);
        state.has_closer = std::thread::Builder::new().spawn(move || pool.close_when_unused()).is_ok();
    }

    fn close_when_unused(&self) {
        let mut state = self.state();
        loop {
            let longest = self.settings.idle;
            let (expired, kept) =
                std::mem::take(&mut state.idle).into_iter().partition(|idle| idle.since.elapsed() >= longest);
            state.idle = kept;
            let expired: Vec<IdleSession> = expired;
            if !expired.is_empty() {
                drop(state);
                expired.into_iter().for_each(|unused| unused.session.close());
                state = self.state();
                continue;
            }
            let Some(first) = state.idle.iter().map(|idle| idle.since).min() else {
                state.has_closer = false;
                return;
            };
            let left = longest.saturating_sub(first.elapsed());
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl PoolState {
    /// True if one more session may be opened now.
    fn may_open(&self, limit: usize) -> bool {
        let is_capped = self.capped && self.busy > 0;
        self.busy < limit && (self.opens || self.opening == 0) && !is_capped
    }

    fn note_failure(&mut self, failure: &SessionFailure) {
        self.failures += 1;
        self.last_failure = Some((failure.clone(), Instant::now()));
    }

    /// Returns the failure of another thread that concerns this one as well: it came while this one waited, or a moment
    /// before, when the circuit breaker was not open yet. Not while a session works.
    fn shared_failure(&self, failures_before: u64) -> Option<SessionFailure> {
        let (failure, at) = self.last_failure.as_ref()?;
        let concerns = self.failures > failures_before || at.elapsed() < FAILURE_SHARED;
        (concerns && !self.opens && self.busy == 0).then(|| failure.clone())
    }

    fn add_ticket(&mut self, transaction: Transaction) -> u64 {
        self.next_ticket += 1;
        self.tickets.push_back(Ticket { number: self.next_ticket, transaction });
        self.next_ticket
    }
}

//! Pools of all transports that mspool's own client serves, kept for as long as the program runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::transports::smtp::pool::SessionPool;
use crate::transports::smtp::settings::ClientSettings;
use crate::transports::smtp::turn::Turn;

/// Pools, by the names of their transports.
#[derive(Debug, Default)]
pub struct SessionPools(Mutex<HashMap<String, PoolOfTransport>>);

/// Access of a hand-off to servers.
#[derive(Clone, Copy, Debug)]
pub struct ServerAccess<'a> {
    /// Pools of sessions, which outlive a run.
    pub sessions: &'a SessionPools,
    /// Turn of the hand-off.
    pub turn: &'a dyn Turn,
}

#[derive(Debug)]
struct PoolOfTransport {
    /// Fingerprint of the configuration that the pool was made for.
    fingerprint: String,
    pool: Arc<SessionPool>,
}

impl SessionPools {
    /// Returns the pool of a transport. A changed configuration gets a new one; the sessions of the old one are closed.
    pub fn pool(
        &self,
        transport: &str,
        fingerprint: &str,
        settings: &ClientSettings,
        limit: usize,
    ) -> Arc<SessionPool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pools.get(transport).filter(|known| known.fingerprint == fingerprint) {
            return Arc::clone(&known.pool);
        }
        let pool = Arc::new(SessionPool::new(settings.clone(), limit));
        let known = PoolOfTransport { fingerprint: fingerprint.to_owned(), pool: Arc::clone(&pool) };
        if let Some(old) = pools.insert(transport.to_owned(), known) {
            old.pool.close_idle();
        }
        pool
    }
}

impl Drop for SessionPools {
    fn drop(&mut self) {
        let pools = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        pools.into_values().for_each(|known| known.pool.close_idle());
    }
}

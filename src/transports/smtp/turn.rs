//! Turn of a hand-off among those that are under way.

/// Turn of a hand-off: while several are under way, their messages reach the server in the order of submission.
pub trait Turn: std::fmt::Debug {
    /// Waits until the hand-offs that began earlier have had their turns.
    fn wait(&self);

    /// Ends the turn: the message has a session, or a place in the order in which sessions are given.
    fn end(&self);
}

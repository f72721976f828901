//! Tests through the binary: what a user, a script or another program can see.
//!
//! Every test has a world of its own: a home, a spool, a configuration, and transports that write down what they were
//! given. Nothing here sleeps for a fixed time, and no deadline depends on the machine's clock.

mod addresses;
mod answers;
mod architecture;
mod batch;
mod bombs;
mod bounces;
mod callers;
mod children;
mod concurrency;
mod config;
mod corpus;
mod crash;
mod crash_reports;
mod disk;
mod documents;
mod dsn;
mod enqueue;
mod faults;
mod flush;
mod gates;
mod heard;
mod hostile;
mod injection;
mod intruders;
mod loops;
mod maildir;
mod manual;
mod mda;
mod members;
mod messages;
mod modules;
mod operate;
mod outgoing;
mod poll;
mod power;
mod preprocess;
mod readme;
mod receive;
mod recipients;
mod report;
mod resend;
mod retry;
mod round_trip;
mod routing;
mod sendmail;
mod smtp;
mod spool;
mod time;
mod transcript;
mod trust;
mod usage;
mod watch;
mod world;

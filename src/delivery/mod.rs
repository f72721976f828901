//! Delivery: what a run does with queued messages.

mod admit;
pub mod age;
pub mod claiming;
mod commit;
pub mod context;
mod decision;
mod dsn_writer;
pub mod final_steps;
mod hand_off;
pub mod message;
pub mod plan;
mod planning;
mod recorded_history;
pub mod remaining;
pub mod reports_due;
pub mod run;
mod scheduler;
pub mod selection;
pub mod settle;
#[cfg(test)]
mod simulation;
pub mod transport_control;
pub mod transport_queue;
mod worker;

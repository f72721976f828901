//! The client of SMTP and LMTP, through the binary, against scripted servers.

mod delivery;
mod init;
mod login;
pub mod server;
#[cfg(feature = "tls")]
mod tls;
mod trouble;

use crate::relay::server::Server;
use crate::world::World;

/// Begin of every configuration: retries that the tests can foresee.
pub const QUEUE: &str = "hostname = \"host.example\"\nsender = \"joe@example.org\"\n[queue]\nreserve = \"0B\"\n\
                         retry = { first = \"5m\", factor = 2.0, max = \"4h\", jitter = 0.0 }\n";

/// A world whose transport `relay` is this server, with these further keys.
pub fn world(server: &Server, keys: &str) -> World {
    let world = World::at_noon();
    configure(&world, server, keys);
    world
}

pub fn configure(world: &World, server: &Server, keys: &str) {
    world.config(&format!("{QUEUE}[transport.relay]\nsmtp = \"smtp://127.0.0.1:{}\"\n{keys}\n", server.port));
}

/// State of the transport, as `report status` shows it: its word and its text.
pub fn status(world: &World) -> (String, String) {
    let rows = world.json(&["report", "status", "--json"]);
    let row = rows.iter().find(|row| row["transport"] == "relay").unwrap();
    (row["state"].as_str().unwrap().to_owned(), row["text"].as_str().unwrap().to_owned())
}

/// Attempts that were charged to a recipient.
pub fn attempts(world: &World, id: &str) -> u64 {
    world.report(id)["recipients"][0]["attempts"].as_u64().unwrap()
}

//! Rules that a module graph is held against.

use std::collections::BTreeMap;

use super::{Edge, Graph};

/// Layers from low to high. Each row holds layers that never see each other; a layer is one or more words, the names
/// of modules at the top of the crate.
pub type Layers<'a> = &'a [&'a [&'a str]];

/// Row and place of the layer that a file belongs to.
fn place_of(layers: Layers<'_>, file: &str) -> Option<(usize, usize)> {
    let first = file.split(['/', '.']).next()?;
    layers.iter().enumerate().find_map(|(row, peers)| {
        let place = peers.iter().position(|words| words.split(' ').any(|word| word == first))?;
        Some((row, place))
    })
}

/// Returns every edge to a higher layer or to one beside, and every file without a layer.
pub fn upward(graph: &Graph, layers: Layers<'_>) -> Vec<String> {
    let homeless = graph.files.iter().filter(|file| place_of(layers, file).is_none());
    let mut found: Vec<String> = homeless.map(|file| format!("{file} belongs to no layer")).collect();
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (place_of(layers, &edge.from), place_of(layers, &edge.to)) else { continue };
        if to.0 > from.0 {
            found.push(sentence(edge, "of a higher layer"));
        } else if to.0 == from.0 && to.1 != from.1 {
            found.push(sentence(edge, "of a layer beside it"));
        }
    }
    found
}

/// Returns every edge between two parts of a directory whose parts must not use each other. A part is a file or a
/// directory in it; its `mod.rs` belongs to all parts.
pub fn between_siblings(graph: &Graph, directory: &str) -> Vec<String> {
    let part = |file: &'_ str| {
        let rest = file.strip_prefix(directory)?.strip_prefix('/')?;
        let first = rest.split(['/', '.']).next()?.to_owned();
        (first != "mod").then_some(first)
    };
    let is_between = |edge: &&Edge| match (part(&edge.from), part(&edge.to)) {
        (Some(from), Some(to)) => from != to,
        _ => false,
    };
    graph
        .edges
        .iter()
        .filter(is_between)
        .map(|edge| sentence(edge, &format!("of another part of {directory}")))
        .collect()
}

/// Returns every use of a crate outside its home, every crate without one, and every home without a use.
pub fn beyond_home(graph: &Graph, crates: &[String], homes: &[(&str, &[&str])]) -> Vec<String> {
    let is_at =
        |file: &str, home: &str| file == home || file.starts_with(&format!("{home}/")) || file == format!("{home}.rs");
    let homes_of = |krate: &str| homes.iter().find(|(known, _)| *known == krate).map(|(_, homes)| *homes);
    let mut found = Vec::new();
    for krate in crates.iter().filter(|krate| homes_of(krate).is_none()) {
        found.push(format!("{krate} is a dependency without a home"));
    }
    for (krate, _) in homes.iter().filter(|(krate, _)| !crates.iter().any(|known| known == krate)) {
        found.push(format!("{krate} has a home, but is no dependency"));
    }
    // The first use in each file says enough.
    let firsts: BTreeMap<_, _> = graph.foreign.iter().rev().map(|used| ((&used.from, &used.krate), used)).collect();
    for used in firsts.values() {
        let Some(homes) = homes_of(&used.krate) else { continue };
        if !homes.iter().any(|home| is_at(&used.from, home)) {
            found.push(format!("{}:{} uses {}, whose home is {}", used.from, used.line, used.krate, homes.join(", ")));
        }
    }
    for (krate, home) in homes.iter().flat_map(|(krate, homes)| homes.iter().map(move |home| (krate, home))) {
        if !graph.foreign.iter().any(|used| used.krate == **krate && is_at(&used.from, home)) {
            found.push(format!("{home} is a home of {krate}, but does not use it"));
        }
    }
    found
}

fn sentence(edge: &Edge, what: &str) -> String {
    format!("{}:{} uses {} of {}, {what}", edge.from, edge.line, edge.name, edge.to)
}

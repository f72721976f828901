//! Circles: files that use each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use super::Graph;

/// Returns every largest circle, one text each: a line with its files, then a line for each pair that ties it.
pub fn circles(graph: &Graph) -> Vec<String> {
    let uses = graph.uses();
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in uses.keys() {
        next.entry(from).or_default().insert(to);
    }
    let reachable: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|file| (*file, reachable_from(file, &next))).collect();
    let reaches = |from: &str, to: &str| reachable.get(from).is_some_and(|files| files.contains(to));
    let groups: BTreeSet<Vec<&str>> = reachable
        .keys()
        .filter(|file| reaches(file, file))
        .map(|file| reachable[file].iter().copied().filter(|other| reaches(other, file)).collect())
        .collect();
    let text = |group: &Vec<&str>| {
        let inside = |(from, to): &(&str, &str)| group.contains(from) && group.contains(to);
        let ties = uses.iter().filter(|(pair, _)| inside(pair)).map(|((from, to), names)| {
            let names: Vec<&str> = names.iter().copied().collect();
            format!("\n    {from} -> {to}: {}", names.join(", "))
        });
        format!("circle of {} files: {}{}", group.len(), group.join(", "), ties.collect::<String>())
    };
    groups.iter().map(text).collect()
}

/// Files that can be reached from a file in one step or more.
fn reachable_from<'a>(file: &'a str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut left = vec![file];
    while let Some(at) = left.pop() {
        for to in next.get(at).into_iter().flatten() {
            if found.insert(*to) {
                left.push(to);
            }
        }
    }
    found
}

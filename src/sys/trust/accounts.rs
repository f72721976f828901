//! Private groups: groups whose members are only the user we act as, and root.
//!
//! Read from the files in `/etc`, not through the C library, which loads modules for other sources of users and then
//! cannot be linked statically.

use crate::sys::identity::user;

/// Users and groups of this host.
#[derive(Debug)]
pub(super) struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
    /// True when all accounts are in the files that were read.
    complete: bool,
}

#[derive(Debug)]
struct User {
    name: String,
    id: u32,
    primary_group: u32,
}

#[derive(Debug)]
struct Group {
    name: String,
    id: u32,
    members: Vec<String>,
}

impl Accounts {
    /// Reads `/etc/passwd`, `/etc/group` and `/etc/nsswitch.conf`. A file that cannot be read makes no group private.
    pub(super) fn read() -> Accounts {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        Accounts::parse(&text("/etc/passwd"), &text("/etc/group"), &text("/etc/nsswitch.conf"))
    }

    fn parse(passwd: &str, group: &str, nsswitch: &str) -> Accounts {
        let user = |line: &str| {
            let mut fields = line.split(':');
            let (name, id, primary_group) = (fields.next()?, fields.nth(1)?, fields.next()?);
            Some(User { name: name.to_owned(), id: id.parse().ok()?, primary_group: primary_group.parse().ok()? })
        };
        let group_of = |line: &str| {
            let mut fields = line.split(':');
            let (name, id, members) = (fields.next()?, fields.nth(1)?, fields.next()?);
            let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Some(Group { name: name.to_owned(), id: id.parse().ok()?, members })
        };
        Accounts {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(group_of).collect(),
            complete: has_only_local_accounts(nsswitch),
        }
    }

    /// True when only the user we act as and root are in the group. Where accounts also come from the network, their
    /// primary groups are unknown, and the group must have the name of the owner.
    pub(super) fn is_private(&self, group: u32, owner: u32) -> bool {
        let trusted = |id: u32| id == 0 || id == user();
        let member = |name: &String| self.users.iter().any(|known| known.name == *name && trusted(known.id));
        let named_so: Vec<&Group> = self.groups.iter().filter(|known| known.id == group).collect();
        let of_owner = |name: &str| self.users.iter().any(|known| known.name == name && known.id == owner);
        !named_so.is_empty()
            && named_so.iter().all(|known| known.members.iter().all(member))
            && self.users.iter().all(|known| known.primary_group != group || trusted(known.id))
            && (self.complete || named_so.iter().all(|known| of_owner(&known.name)))
    }
}

/// True when `nsswitch.conf` names no other source of users and groups than local files.
fn has_only_local_accounts(nsswitch: &str) -> bool {
    let is_local = |word: &str| word.starts_with('[') || ["files", "compat", "systemd", "db"].contains(&word);
    let sources = nsswitch.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        ["passwd:", "group:", "initgroups:"].iter().find_map(|database| line.strip_prefix(database))
    });
    sources.flat_map(str::split_whitespace).all(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_when_only_we_and_root_are_in_it() {
        let me = user();
        let passwd =
            format!("root:x:0:0::/:/bin/sh\nme:x:{me}:5000::/:/bin/sh\neve:x:4999:5001::/:/bin/sh\nbad line\n");
        let group =
            "me:x:5000:\neve:x:5001:\nteam:x:5002:me,eve\nstaff:x:5003:\nours:x:5004:me,root\nfar:x:5005:ghost\n";
        let of = |nsswitch| Accounts::parse(&passwd, group, nsswitch);
        let private = |accounts: &Accounts| -> Vec<u32> {
            (5000..5007).filter(|group| accounts.is_private(*group, me)).collect()
        };
        assert_eq!(private(&of("passwd: files systemd\ngroup: files [SUCCESS=merge] systemd")), [5000, 5003, 5004]);
        assert_eq!(private(&of("passwd: files sss # remote\n")), [5000]);
        assert_eq!(private(&Accounts::parse("", "", "")), [0; 0]);
    }
}

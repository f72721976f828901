//! Private groups: groups whose members are only the user we act as, and root.
//!
//! Read from the files in `/etc`, not through the C library, which loads modules for other sources of users and then
//! cannot be linked statically. Where `nsswitch.conf` names such sources, getent(1) is asked for single accounts.

use crate::sys::identity::user;
use crate::sys::name_service::{AccountDatabase, ask, services};

/// Users and groups of this host.
#[derive(Debug)]
pub(super) struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
    /// True when all accounts are in the files that were read.
    complete: bool,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    id: u32,
    primary_group: u32,
}

#[derive(Clone, Debug)]
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
        Accounts { users: users(passwd), groups: groups(group), complete: has_only_local_accounts(nsswitch) }
    }

    /// True when only the user we act as and root are in the group. Asks for what the files do not say.
    pub(super) fn is_private(&self, group: u32, owner: u32) -> bool {
        if self.complete {
            return self.is_known_private(group, owner);
        }
        let lines = |database, key: &str| ask(database, key).unwrap_or_default();
        let mut all = Accounts { users: self.users.clone(), groups: self.groups.clone(), complete: false };
        all.groups.extend(groups(&lines(AccountDatabase::Groups, &group.to_string())));
        let members = all.groups.iter().filter(|known| known.id == group).flat_map(|known| known.members.clone());
        let unknown: Vec<String> = members.filter(|name| all.users.iter().all(|user| user.name != *name)).collect();
        for name in unknown {
            all.users.extend(users(&lines(AccountDatabase::Users, &name)));
        }
        if all.users.iter().all(|user| user.id != owner) {
            all.users.extend(users(&lines(AccountDatabase::Users, &owner.to_string())));
        }
        all.is_known_private(group, owner)
    }

    /// True when only the user we act as and root are in the group, as far as is known. Where accounts also come from the network, their
    /// primary groups are unknown, and the group must have the name of the owner.
    fn is_known_private(&self, group: u32, owner: u32) -> bool {
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

/// Returns the users in lines of passwd(5), without lines that are not of this form.
fn users(passwd: &str) -> Vec<User> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let (name, id, primary_group) = (fields.next()?, fields.nth(1)?, fields.next()?);
        Some(User { name: name.to_owned(), id: id.parse().ok()?, primary_group: primary_group.parse().ok()? })
    };
    passwd.lines().filter_map(user).collect()
}

/// Returns the groups in lines of group(5), without lines that are not of this form.
fn groups(group: &str) -> Vec<Group> {
    let group_of = |line: &str| {
        let mut fields = line.split(':');
        let (name, id, members) = (fields.next()?, fields.nth(1)?, fields.next()?);
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Group { name: name.to_owned(), id: id.parse().ok()?, members })
    };
    group.lines().filter_map(group_of).collect()
}

/// True when `nsswitch.conf` names no other source of users and groups than local files.
fn has_only_local_accounts(nsswitch: &str) -> bool {
    let is_local = |word: &str| word.starts_with('[') || ["files", "compat", "systemd", "db"].contains(&word);
    services(nsswitch).all(is_local)
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
            (5000..5007).filter(|group| accounts.is_known_private(*group, me)).collect()
        };
        assert_eq!(private(&of("passwd: files systemd\ngroup: files [SUCCESS=merge] systemd")), [5000, 5003, 5004]);
        assert_eq!(private(&of("passwd: files sss # remote\n")), [5000]);
        assert_eq!(private(&Accounts::parse("", "", "")), [0; 0]);
    }
}

//! Other sendmails, as Debian packages them, unpacked in the directory MSPOOL_PEERS: `$MSPOOL_PEERS/dma/usr/sbin/dma`.
//! Each runs in a root of its own, in a mount namespace of its own, for their paths and rights are compiled in.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::world::{World, binary, can_run, is_root, wait_for};

use super::{flushed, relayed, sendmail, world};

/// What a sendmail made of arguments and a message.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    sender: String,
    recipients: BTreeSet<String>,
    /// Names and values of the fields that the message came with.
    kept: Vec<String>,
    body: String,
}

fn made(sender: &str, recipients: impl IntoIterator<Item = String>, message: &str, given: &str) -> Made {
    let message = message.replace("\r\n", "\n");
    let (header, body) = message.split_once("\n\n").unwrap_or((message.trim_end(), ""));
    let given = given.replace("\r\n", "\n");
    let kept = header.lines().filter(|line| given.lines().any(|other| other == *line));
    Made {
        sender: sender.to_owned(),
        recipients: recipients.into_iter().collect(),
        kept: kept.map(str::to_owned).collect(),
        body: body.trim_end().to_owned(),
    }
}

const JAIL: &str = r#"peer=$1 root=$2; shift 2; set -e
for d in usr etc dev tmp run var/run var/spool/cron/crontabs root; do mkdir -p "$root/$d"; done
for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
mount -t overlay overlay -o "lowerdir=$peer/usr:/usr" "$root/usr"
touch "$root/dev/null"; mount --bind /dev/null "$root/dev/null"
exec chroot "$root" "$@""#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Postfix,
    Nullmailer,
    Dma,
}

impl Peer {
    fn package(self) -> &'static str {
        match self {
            Peer::Postfix => "postfix",
            Peer::Nullmailer => "nullmailer",
            Peer::Dma => "dma",
        }
    }

    fn prepare(self, root: &Path) {
        let dir = |name: &str, owner: Option<(u32, u32)>, mode: u32| {
            let path = root.join(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if let Some((user, group)) = owner {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        };
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        dir("etc", None, 0o755);
        dir("tmp", None, 0o1777);
        write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nmail:x:8:8:mail:/:/bin/false\npostfix:x:990:990::/:/bin/false\n",
        );
        write("etc/group", "root:x:0:\nmail:x:8:\npostfix:x:990:\npostdrop:x:991:\n");
        write("etc/mailname", "host.example.org\n");
        match self {
            Peer::Postfix => {
                dir("etc/postfix", None, 0o755);
                dir("var/lib/postfix", Some((990, 990)), 0o755);
                dir("var/spool/postfix/public", None, 0o755);
                dir("var/spool/postfix/maildrop", Some((990, 991)), 0o1730);
                write("etc/postfix/main.cf", "compatibility_level = 3.6\nmyhostname = host.example.org\n");
            }
            Peer::Nullmailer => {
                dir("etc/nullmailer", None, 0o755);
                dir("var/spool/nullmailer/queue", Some((8, 8)), 0o755);
                dir("var/spool/nullmailer/tmp", Some((8, 8)), 0o755);
            }
            Peer::Dma => {
                dir("etc/dma", None, 0o755);
                dir("var/spool/dma", Some((8, 8)), 0o2775);
                dir("var/mail", None, 0o755);
                write("etc/dma/dma.conf", "DEFER\nMAILNAME host.example.org\nSMARTHOST 127.0.0.1\n");
            }
        }
    }

    /// The status, and what lies in the peer's queue.
    fn run(self, world: &World, args: &[&str], input: &str) -> (i32, Option<Made>) {
        let root = world.path("root");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        self.prepare(&root);
        let tree = Path::new(&std::env::var_os("MSPOOL_PEERS").unwrap()).join(self.package());
        let program = match self {
            Peer::Postfix => &["/usr/bin/env", "LD_LIBRARY_PATH=/usr/lib/postfix", "/usr/sbin/sendmail"][..],
            Peer::Nullmailer => &["/usr/sbin/sendmail"],
            Peer::Dma => &["/usr/sbin/dma"],
        };
        let jail = ["-m", "sh", "-c", JAIL, "jail", tree.to_str().unwrap(), root.to_str().unwrap()];
        let ran = world.program(Path::new("unshare"), &[&jail, program, args].concat()).input(input).run();
        (ran.code, self.queue(&root, input))
    }

    fn queue(self, root: &Path, given: &str) -> Option<Made> {
        let files = |name: &str| -> Vec<PathBuf> {
            fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        match self {
            Peer::Nullmailer => {
                let text = fs::read_to_string(files("var/spool/nullmailer/queue").first()?).unwrap();
                let mut lines = text.lines();
                let sender = lines.next().unwrap();
                let recipients: Vec<String> = lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect();
                // An empty sender is an empty line, and the first of two.
                let message = text.split_once('\n').unwrap().1.split_once("\n\n").unwrap().1;
                Some(made(sender, recipients, message, given))
            }
            Peer::Dma => {
                let (mut sender, mut recipients, mut message) = (String::new(), Vec::new(), String::new());
                let all = files("var/spool/dma");
                for path in &all {
                    let text = fs::read_to_string(path).unwrap();
                    if path.file_name()?.to_str()?.starts_with('M') {
                        message = text;
                        continue;
                    }
                    for line in text.lines() {
                        if let Some(found) = line.strip_prefix("Sender: ") {
                            found.clone_into(&mut sender);
                        }
                        recipients.extend(line.strip_prefix("Recipient: ").map(str::to_owned));
                    }
                }
                (!recipients.is_empty()).then(|| made(&sender, recipients, &message, given))
            }
            Peer::Postfix => {
                let bytes = fs::read(files("var/spool/postfix/maildrop").first()?).unwrap();
                let (mut sender, mut recipients, mut message) = (String::new(), Vec::new(), String::new());
                let mut rest = bytes.as_slice();
                // Records: a type, a length in pieces of seven bits, and so many bytes.
                while let Some((kind, mut tail)) = rest.split_first() {
                    let (mut length, mut shift) = (0usize, 0);
                    while let Some((byte, more)) = tail.split_first() {
                        tail = more;
                        length |= usize::from(byte & 127) << shift;
                        shift += 7;
                        if byte & 128 == 0 {
                            break;
                        }
                    }
                    let (data, more) = tail.split_at(length);
                    rest = more;
                    let data = String::from_utf8_lossy(data);
                    match kind {
                        b'S' => sender = data.into_owned(),
                        b'R' => recipients.push(data.into_owned()),
                        b'N' => message.push_str(&format!("{data}\n")),
                        b'L' => message.push_str(&data),
                        _ => {}
                    }
                }
                Some(made(&sender, recipients, &message, given))
            }
        }
    }
}

fn ours(world: &World, args: &[&str], input: &str) -> (i32, Option<Made>) {
    let ran = sendmail(world, args, input);
    let sent = flushed(world).pop();
    (ran.code, sent.map(|sent| made(&sent.sender, sent.recipients.clone(), &sent.text(), input)))
}

/// One call, and the peers that do something else with the reason why that is right.
struct Call {
    args: &'static [&'static str],
    input: &'static str,
    others: &'static [(Peer, &'static str)],
}

const F: &str = "From: joe@y.org\nTo: hdr@x.org\nSubject: s\n\nbody\n";

const CALLS: [Call; 22] = [
    Call { args: &["-i", "-f", "a@y.org", "b@x.org"], input: F, others: &[] },
    Call { args: &["-i", "-fa@y.org", "--", "b@x.org", "c@x.org"], input: F, others: &[] },
    Call {
        args: &["-t", "-i", "-f", "a@y.org"],
        input: "From: joe@y.org\nTo: B <b@x.org>, c@x.org\nCc: d@x.org\nBcc: e@x.org\nSubject: s\n\nbody\n",
        others: &[(Peer::Postfix, "its cleanup(8) takes Bcc out, which does not run here")],
    },
    Call { args: &["-t", "-i", "-f", "a@y.org"], input: "To: b@x.org, B@x.org\nCc: b@x.org\n\nbody\n", others: &[] },
    Call { args: &["-t", "-i", "-f", "a@y.org", "z@x.org"], input: F, others: &[] },
    Call {
        args: &["-t", "-i", "-f", "a@y.org"],
        input: "To: friends: b@x.org, c@x.org;\nCc: D <d@x.org> (a, comment), (x) f@x.org\n\nbody\n",
        others: &[(Peer::Nullmailer, "it writes fields of addresses anew")],
    },
    Call {
        args: &["-t", "-i", "-f", "a@y.org"],
        input: "Cc: \"d,e\"@x.org\n\nbody\n",
        others: &[
            (Peer::Postfix, "its queue has addresses without quotes"),
            (Peer::Nullmailer, "its queue has addresses without quotes"),
        ],
    },
    Call {
        args: &["-t", "-i", "-f", "a@y.org"],
        input: "From: joe@y.org\nTo: b@x.org\nSubject: s\nResent-To: r@x.org\nResent-From: q@y.org\n\nbody\n",
        others: &[(Peer::Dma, "it knows no Resent fields")],
    },
    Call {
        args: &["-t", "-i", "-f", "a@y.org"],
        input: "To:\n b@x.org,\n\tc@x.org\nSubject: s\n\nbody\n",
        others: &[
            (Peer::Nullmailer, "it writes fields of addresses anew"),
            (Peer::Dma, "it does not look behind a fold that comes first"),
        ],
    },
    Call { args: &["-i", "-f", "", "b@x.org"], input: F, others: &[(Peer::Dma, "it puts a domain behind nothing")] },
    Call { args: &["-i", "-f", "<>", "b@x.org"], input: F, others: &[(Peer::Dma, "it puts a domain behind nothing")] },
    Call {
        args: &["-f", "a@y.org", "b@x.org"],
        input: "From: joe@y.org\n\nbody\n.\nlost\n",
        others: &[(Peer::Nullmailer, "it knows no dot that ends a message")],
    },
    Call {
        args: &["-oi", "-f", "a@y.org", "b@x.org"],
        input: "From: joe@y.org\n\nbody\n.\nkept\n",
        others: &[(Peer::Dma, "it does not know -oi")],
    },
    Call {
        args: &["-i", "-f", "a@y.org", "b@x.org"],
        input: "From: joe@y.org\r\nSubject: s\r\n\r\none\r\ntwo\r\n",
        others: &[],
    },
    Call {
        args: &["-i", "-f", "a@y.org", "b@x.org"],
        input: "just text\nmore\n",
        others: &[
            (Peer::Postfix, "its cleanup(8) puts the blank line in, which does not run here"),
            (Peer::Nullmailer, "it drops what is no field"),
            (Peer::Dma, "it puts no blank line in"),
        ],
    },
    Call {
        args: &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-f", "a@y.org", "root"],
        input: "From: root (Cron Daemon)\nTo: root\nSubject: c\n\nout\n",
        others: &[(Peer::Nullmailer, "it always puts a domain behind a name")],
    },
    Call {
        args: &["-i", "-f", "a@y.org", "b@x.org, C <c@x.org>"],
        input: F,
        others: &[(Peer::Dma, "an argument is one address to it")],
    },
    Call { args: &["-i", "-f", "a@y.org", "<b@x.org>"], input: F, others: &[(Peer::Dma, "it keeps the brackets")] },
    Call {
        args: &["-i", "-f", "a@y.org", "b@x.org"],
        input: "From joe Fri Jan  1 00:00:00 2021\nFrom: joe@y.org\nSubject: s\n\nFrom here\n",
        others: &[],
    },
    Call {
        args: &["-t", "-i", "-f", "a@y.org"],
        input: "To: undisclosed-recipients:;\nBcc: b@x.org\n\nbody\n",
        others: &[
            (Peer::Postfix, "its cleanup(8) takes Bcc out, which does not run here"),
            (Peer::Nullmailer, "it writes fields of addresses anew"),
        ],
    },
    Call {
        args: &["-i", "-f", "a@y.org", "$(touch canary)@x.org"],
        input: F,
        others: &[(Peer::Dma, "it knows no comments")],
    },
    Call { args: &["-i", "-f", "a@y.org", "b@x.org"], input: "From: joe@y.org\nSubject: s\n\nno end", others: &[] },
];

fn compare(peer: Peer) {
    let tree = std::env::var_os("MSPOOL_PEERS").map(|peers| Path::new(&peers).join(peer.package()));
    if !tree.is_some_and(|tree| tree.is_dir()) {
        eprintln!("skipped: MSPOOL_PEERS has no {}", peer.package());
        return;
    }
    if !is_root() || !can_run("unshare", &["-m", "true"]) {
        eprintln!("skipped: only root can give {} its own files", peer.package());
        return;
    }
    let world = world();
    if peer.run(&world, &["-i", "-f", "a@y.org", "b@x.org"], F).1.is_none() {
        eprintln!("skipped: {} takes nothing here", peer.package());
        return;
    }
    for call in &CALLS {
        let ((code, ours), (other, theirs)) =
            (ours(&world, call.args, call.input), peer.run(&world, call.args, call.input));
        let reason = call.others.iter().find(|(one, _)| *one == peer).map(|(_, reason)| reason);
        match reason {
            Some(reason) => assert_ne!(ours, theirs, "{:?} {:?}: no longer true: {reason}", call.args, call.input),
            None => assert_eq!((code, ours), (other, theirs), "{:?} {:?}", call.args, call.input),
        }
    }
}

#[test]
fn postfix_makes_the_same_of_the_same() {
    compare(Peer::Postfix);
}

#[test]
fn nullmailer_makes_the_same_of_the_same() {
    compare(Peer::Nullmailer);
}

#[test]
fn dma_makes_the_same_of_the_same() {
    compare(Peer::Dma);
}

/// A program that is ended with the test, and all that it started.
struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn cron_itself_sends_what_its_jobs_print() {
    let Some(tree) = std::env::var_os("MSPOOL_PEERS").map(|peers| Path::new(&peers).join("cron")) else {
        eprintln!("skipped: MSPOOL_PEERS has no cron");
        return;
    };
    if !tree.is_dir() || !is_root() || !can_run("unshare", &["-m", "-p", "-f", "true"]) {
        eprintln!("skipped: cron cannot be used here");
        return;
    }
    let world = world();
    let (root, own) = (world.path("root"), world.path("own"));
    for dir in [own.join("usr/sbin"), root.join("etc/pam.d"), root.join("etc/cron.d"), root.join("tmp")] {
        fs::create_dir_all(dir).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    for name in ["cron", "other"] {
        let all = ["auth", "account", "session"].map(|kind| format!("{kind} required pam_permit.so\n")).concat();
        write(&format!("etc/pam.d/{name}"), &all);
    }
    write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    write("etc/group", "root:x:0:\n");
    write("etc/crontab", "MAILTO=bob@example.org\n@reboot root echo out; echo .; echo more\n");
    fs::copy(binary(), own.join("usr/sbin/mspool")).unwrap();
    // Nothing of our environment comes through cron.
    let front = "#!/bin/sh\nexec mspool --spool /tmp/spool --config /etc/mspool.toml sendmail \"$@\"\n";
    fs::write(own.join("usr/sbin/sendmail"), front.replace("exec mspool", "exec /usr/sbin/mspool")).unwrap();
    fs::set_permissions(own.join("usr/sbin/sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(world.path("config.toml"), root.join("etc/mspool.toml")).unwrap();
    let jail = JAIL.replace("lowerdir=", &format!("lowerdir={}/usr:", own.display()));
    let args = [
        "-m",
        "-p",
        "-f",
        "--kill-child=KILL",
        "sh",
        "-c",
        &jail,
        "jail",
        tree.to_str().unwrap(),
        root.to_str().unwrap(),
    ];
    let mut cron = world.program(Path::new("unshare"), &[&args[..], &["/usr/sbin/cron", "-f"]].concat()).command();
    let null = std::process::Stdio::null;
    let _cron = Served(cron.stdin(null()).stdout(null()).stderr(null()).spawn().unwrap());
    let queue = root.join("tmp/spool/out/new");
    wait_for("the mail of the job", || fs::read_dir(&queue).is_ok_and(|entries| entries.count() == 1));
    let spool = root.join("tmp/spool");
    let ran = world.mspool(&["flush"]).env("MSPOOL_SPOOL", &spool).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = relayed(&world).pop().unwrap();
    sent.is_for("root@host.example.org", &["bob@example.org"]);
    assert_eq!((sent.field("From").as_str(), sent.body().as_str()), ("root (Cron Daemon)", "out\n.\nmore\n"));
}

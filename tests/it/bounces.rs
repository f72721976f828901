//! Real reports, from the folder that MSPOOL_CORPUS names: what is understood of them agrees with other programs that
//! read the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mspool::mail::report::bounce::{
    IncomingReport, IncomingReportKind, ReportedAction, ReportedRecipient, ReturnedOriginal, TextReaders, read_report,
    read_report_with,
};
use serde_json::Value;

/// Python's own parser: the groups of the first delivery status part that is not inside a returned message, and the
/// `Message-ID` of what is returned behind it.
const PYTHON: &str = r"
import email, json, re, sys

def parts(message):
    if message.get_content_maintype() == 'multipart' and message.is_multipart():
        for part in message.get_payload():
            yield from parts(part)
    else:
        yield message

def bare(value):
    kind, semicolon, rest = ' '.join(value.split()).partition(';')
    return (rest if semicolon else kind).strip().strip('<>').strip()

def group(fields):
    address = fields['Final-Recipient'] or fields['Original-Recipient']
    action = (fields['Action'] or '').lower().split()
    status = re.match(r'\s*([245]\.\d{1,3}\.\d{1,3})(?!\d)', fields['Status'] or '')
    return [bare(address), action[0] if action else None, status.group(1) if status else None]

def message_id(part):
    if part.get_content_type() == 'text/rfc822-headers':
        returned = email.message_from_string(part.get_payload())
    else:
        returned = part.get_payload(0)
    return ''.join((returned['Message-ID'] or '').split()).strip('<>')

def read(path):
    message = email.message_from_binary_file(open(path, 'rb'))
    flat = list(parts(message))
    types = [part.get_content_type() for part in flat]
    if 'message/feedback-report' in types:
        return {'kind': 'complaint'}
    if 'message/delivery-status' not in types:
        return {'kind': 'text'}
    at = types.index('message/delivery-status')
    groups = [group(g) for g in flat[at].get_payload() if g['Final-Recipient'] or g['Original-Recipient']]
    returned = [p for p in flat[at:] if p.get_content_type() in ('message/rfc822', 'text/rfc822-headers')]
    return {'kind': 'dsn', 'groups': groups, 'id': message_id(returned[0]) if returned else ''}

print(json.dumps({path: read(path) for path in sys.argv[1:]}))
";

/// The addresses that flufl.bounce, the reader of Mailman, calls delayed and failed.
const FLUFL: &str = r"
import email, json, sys
from flufl.bounce import all_failures

def read(path):
    found = all_failures(email.message_from_binary_file(open(path, 'rb')))
    return [sorted(address.decode('ascii', 'replace').lower() for address in some) for some in found]

print(json.dumps({path: read(path) for path in sys.argv[1:]}))
";

/// Reports of which more is understood than Python gives, or other than flufl.bounce does, and rightly.
const LEGAL: [(&str, &str); 12] = [
    ("lhost-googleworkspace-01.eml", "the status part is empty, the text tells"),
    ("rhost-messagelabs-01.eml", "Python stops at a continuation line that is not indented"),
    ("rhost-aol-03.eml", "no empty line between two recipients: Python has one group"),
    ("lhost-amazonses-09.eml", "a notification in JSON, no mail bounce; flufl.bounce takes all of it for an address"),
    ("lhost-exim-03.eml", "flufl.bounce believes X-Failed-Recipients, which names another than the text"),
    ("lhost-exim-44.eml", "flufl.bounce takes the blanks out of a command"),
    ("lhost-sendmail-41.eml", "flufl.bounce reads the report inside the returned message too"),
    ("lhost-zoho-01.eml", "flufl.bounce takes every address of the quoted header"),
    ("lhost-zoho-02.eml", "flufl.bounce takes every address of the quoted header"),
    ("rfc3464-04.eml", "a command is the recipient; flufl.bounce takes the alias that it came from"),
    ("rhost-franceptt-03.eml", "flufl.bounce adds the address that the recipient was made from"),
    ("rfc3464-34.eml", "only a warning; flufl.bounce calls it failed"),
];

/// Why a file may differ. The same report with other line ends may differ in the same way.
fn legal(name: &str) -> Option<&'static str> {
    let plain = name.trim_start_matches("dos-").trim_start_matches("mac-");
    LEGAL.iter().find(|(file, _)| *file == plain).map(|(_, reason)| *reason)
}

fn corpus(folder: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("MSPOOL_CORPUS") else {
        eprintln!("skipped: MSPOOL_CORPUS names no folder of mail");
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut stack = vec![Path::new(&root).join(folder)];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => stack.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    files
}

/// The bounces, by file name.
fn bounces() -> BTreeMap<String, (PathBuf, IncomingReport)> {
    let files = corpus("bounces").into_iter().filter(|path| path.extension().is_some_and(|end| end == "eml"));
    let read = |path: PathBuf| {
        let understood = read_report(&fs::read(&path).unwrap());
        (path.file_name().unwrap().to_string_lossy().into_owned(), (path, understood))
    };
    files.map(read).collect()
}

/// What a Python program prints about these files; `None` when it cannot run here.
fn python(script: &str, files: &BTreeMap<String, (PathBuf, IncomingReport)>) -> Option<BTreeMap<String, Value>> {
    let paths = files.values().map(|(path, _)| path);
    let out = Command::new("python3").arg("-c").arg(script).args(paths).stderr(Stdio::null()).output();
    let out = out.ok().filter(|out| out.status.success())?;
    let read: BTreeMap<PathBuf, Value> = serde_json::from_slice(&out.stdout).unwrap();
    Some(
        read.into_iter()
            .map(|(path, value)| (path.file_name().unwrap().to_string_lossy().into_owned(), value))
            .collect(),
    )
}

#[test]
fn no_mail_is_too_odd() {
    for path in corpus("") {
        let bytes = fs::read(&path).unwrap();
        for end in [bytes.len(), bytes.len() / 2, bytes.len() / 3] {
            let understood = read_report(&bytes[..end]);
            if let ReturnedOriginal::Header(range) | ReturnedOriginal::Full(range) = understood.original {
                assert!(range.start < range.end && range.end <= end, "{}", path.display());
            }
            assert!(
                understood.kind != IncomingReportKind::None || understood.recipients.is_empty(),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn delivery_reports_are_read_as_python_reads_them() {
    let files = bounces();
    let Some(python) = python(PYTHON, &files) else {
        eprintln!("skipped: no python3");
        return;
    };
    let mut reports = 0;
    for (name, theirs) in python.iter().filter(|(_, theirs)| theirs["kind"] == "dsn") {
        let understood = &files[name].1;
        reports += 1;
        assert_eq!(understood.kind, IncomingReportKind::Dsn, "{name}");
        assert_eq!(understood.message_id.as_deref().unwrap_or_default(), theirs["id"], "{name}");
        let groups = theirs["groups"].as_array().unwrap();
        if legal(name).is_some() && groups.len() != understood.recipients.len() {
            assert!(understood.recipients.len() > groups.len(), "{name}");
            continue;
        }
        assert_eq!(understood.recipients.len(), groups.len(), "{name}: {understood:?}");
        for (group, heard) in groups.iter().zip(&understood.recipients) {
            let status = heard.status.map(|status| status.to_string());
            let ours = [heard.address.as_str(), heard.action.word(), status.as_deref().unwrap_or_default()];
            for (theirs, ours) in group.as_array().unwrap().iter().zip(ours) {
                assert!(theirs.is_null() || theirs == ours, "{name}: {group} {heard:?}");
            }
        }
    }
    for (name, _) in python.iter().filter(|(_, theirs)| theirs["kind"] == "complaint") {
        assert_eq!(files[name].1.kind, IncomingReportKind::None, "{name}");
    }
    eprintln!("{reports} delivery reports");
}

#[test]
fn most_text_bounces_are_recognised() {
    let files = bounces();
    let Some(python) = python(PYTHON, &files) else {
        eprintln!("skipped: no python3");
        return;
    };
    let texts = python.iter().filter(|(_, theirs)| theirs["kind"] == "text").map(|(name, _)| (name, &files[name].1));
    let (known, unknown): (Vec<_>, Vec<_>) =
        texts.partition(|(_, understood)| understood.kind != IncomingReportKind::None);
    let status = known.iter().filter(|(_, read)| read.recipients.iter().all(|heard| heard.status.is_some())).count();
    let message_id = known.iter().filter(|(_, read)| read.message_id.is_some()).count();
    eprintln!("{} texts recognised, {status} with a status, {message_id} with a Message-ID", known.len());
    eprintln!("not recognised: {:?}", unknown.iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert!(files.is_empty() || known.len() >= 140);
    for (name, understood) in known {
        assert!(!understood.recipients.is_empty(), "{name}");
        for heard in &understood.recipients {
            assert!(matches!(heard.action, ReportedAction::Failed | ReportedAction::Delayed), "{name}: {heard:?}");
        }
    }
    // Vacation notices, complaints without their own part, a list's refusal, a bounce that somebody forwards.
    for plain in
        ["rfc3834-01.eml", "rfc3834-02.eml", "arf-22.eml", "arf-26.eml", "lhost-fml-02.eml", "lhost-sendmail-14.eml"]
    {
        assert!(files.get(plain).is_none_or(|(_, understood)| understood.kind == IncomingReportKind::None), "{plain}");
    }
}

/// Without any known wording, as if each mail system were an unknown one: the addresses must be those that the reader of
/// wordings finds.
#[test]
fn bounces_of_unknown_systems_are_recognised_by_their_structure() {
    let files = bounces();
    let addresses = |read: &IncomingReport| -> BTreeSet<String> {
        read.recipients.iter().map(|recipient| recipient.address.to_lowercase()).collect()
    };
    let mut systems: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (name, (path, known)) in &files {
        let inferred = read_report_with(&fs::read(path).unwrap(), TextReaders::Structure);
        if known.kind != IncomingReportKind::Text {
            assert_eq!(inferred.kind, known.kind, "{name}");
            continue;
        }
        let plain = name.trim_start_matches("dos-").trim_start_matches("mac-");
        let system = plain.rsplit_once('-').map_or(plain, |(system, _)| system).to_owned();
        let (recognised, all) = systems.entry(system).or_default();
        *all += 1;
        if inferred.kind == IncomingReportKind::Text {
            *recognised += 1;
            assert_eq!(addresses(&inferred), addresses(known), "{name}: a wrong address");
        }
    }
    let recognised: usize = systems.values().map(|(recognised, _)| recognised).sum();
    let all: usize = systems.values().map(|(_, all)| all).sum();
    let less: Vec<_> = systems.iter().filter(|(_, (recognised, all))| recognised < all).collect();
    eprintln!(
        "{recognised} of {all} texts of {} systems recognised without wordings; less than all: {less:?}",
        systems.len()
    );
    assert!(recognised * 100 >= all * 93);
}

#[test]
fn ordinary_mail_is_no_bounce() {
    // Bounces among the test mails of MIME parsers.
    let bounces = ["msg_16.txt", "msg_25.txt", "msg_43.txt", "badbound.msg", "badbound.out"];
    for folder in ["python-email", "mime4j", "mail-parser"] {
        for path in corpus(folder) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let kind = read_report(&fs::read(&path).unwrap()).kind;
            let report = matches!(kind, IncomingReportKind::Dsn | IncomingReportKind::Text);
            assert_eq!(report, bounces.contains(&name.as_str()), "{}", path.display());
        }
    }
}

#[test]
fn flufl_bounce_finds_the_same_addresses() {
    let files = bounces();
    let Some(flufl) = python(FLUFL, &files) else {
        eprintln!("skipped: no flufl.bounce in python3");
        return;
    };
    let (mut same, mut silent, mut legally) = (0, 0, 0);
    for (name, theirs) in &flufl {
        let understood = &files[name].1;
        let theirs: [BTreeSet<String>; 2] = serde_json::from_value(theirs.clone()).unwrap();
        // It prefers the original recipient to the final one.
        let original = |heard: &ReportedRecipient| heard.original.clone().unwrap_or_else(|| heard.address.clone());
        if [sets(understood, |heard| heard.address.clone()), sets(understood, original)].contains(&theirs) {
            same += 1;
        } else if theirs.iter().all(BTreeSet::is_empty) {
            silent += 1;
        } else {
            assert!(legal(name).is_some(), "{name}: {theirs:?} {understood:?}");
            legally += 1;
        }
    }
    eprintln!("{same} the same, {silent} where flufl.bounce finds nothing, {legally} legal differences");
}

/// The delayed and the failed addresses in small letters.
fn sets(understood: &IncomingReport, address: impl Fn(&ReportedRecipient) -> String) -> [BTreeSet<String>; 2] {
    [ReportedAction::Delayed, ReportedAction::Failed].map(|action| {
        let heard = understood.recipients.iter().filter(|heard| heard.action == action);
        heard.map(|heard| address(heard).to_lowercase()).collect()
    })
}

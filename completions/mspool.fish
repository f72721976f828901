# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mspool_global_optspecs
    string join \n spool= config= offline q/quiet v/verbose h/help V/version
end

function __fish_mspool_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mspool_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mspool_using_subcommand
    set -l cmd (__fish_mspool_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mspool -n "__fish_mspool_needs_command" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_needs_command" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_needs_command" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_needs_command" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_needs_command" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_needs_command" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_needs_command" -s V -l version -d 'Print the version'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "enqueue" -d 'Queue a message from standard input'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "flush" -d 'Deliver mail that is due, then exit'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "receive" -d 'Receive mail and file it in the store'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "report" -d 'Show the queue, one message, or the state of mspool'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "watch" -d 'Deliver and receive mail until stopped'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "cancel" -d 'Take messages out of the queue'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "hold" -d 'Hold messages until they are released'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "release" -d 'Release held messages'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "resend" -d 'Send a message again to the recipients that failed'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "sendmail" -d 'Act as sendmail(1); see "mspool sendmail --help"'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "mailq" -d 'List the queue as mailq(1) does'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "init" -d 'Write a commented configuration file'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l to -d 'Recipient; repeat for more' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s f -l from -d 'Envelope sender; \'\' is the null sender' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l transport -d 'Use this transport only' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l not-before -d 'Do not deliver before this time' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l delay -d 'Do not deliver for this long; overrides --not-before' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l deliver-by -d 'Give up at this time' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l expires -d 'Fail what is not delivered at this time, because the message is of no use then' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l priority -d 'Order among messages that are due' -r -f -a "urgent\t'Before all others'
normal\t'In order of submission'
nonurgent\t'After all others'"
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l wait -d 'Attempt delivery and wait for the result' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l notify -d 'Events to report: never, or a list of success, failure, delay' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l rcpt-notify -d 'Events to report for one recipient; repeat for more' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l orcpt -d 'Original address of a recipient, for reports; repeat for more' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l report-to -d 'Send reports to this address instead of to the sender' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l ret -d 'Part of the message that a report returns' -r -f -a "full\t'The whole message'
hdrs\t'Its header'"
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l envid -d 'Your own id for the message, for reports' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l mdn-to -d 'Request read receipts to this address' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l sent -d 'File a copy in this Maildir' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l maildir -d 'Queue every message of this Maildir' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s t -l read-recipients -d 'Read recipients from To, Cc and Bcc'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l hold -d 'Hold the message until it is released'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l now -d 'Attempt delivery once before exiting'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l keep -d 'Keep the message in the spool until you remove it'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l delete -d 'Delete the message at once'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l mbox -d 'Queue every message of an mbox on standard input'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l dry-run -d 'Queue nothing; print the transports of each recipient'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l transport -d 'Only mail for this transport' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l to -d 'Only recipients that match, such as \'*@example.org\'' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l limit -d 'Maximum number of messages [default: no limit]' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l jobs -d 'Maximum number of parallel hand-offs' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l pause -d 'Stop delivery to this transport' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l for -d 'Length of the pause [default: until --resume]' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l reason -d 'Reason for the pause, shown by "mspool report status"' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l resume -d 'End the pause of this transport and close its breaker' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l force -d 'Ignore back-off and circuit breakers'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l out -d 'Deliver mail (the default)'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l in -d 'Fetch mail from the configured sources instead'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l both -d 'Deliver mail, then fetch mail'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l strict -d 'Exit with 75 when mail is still queued'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l dry-run -d 'Change nothing; print what would be done, and why'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l progress -d 'Always show a progress bar'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l to -d 'Mailbox of the message [default: your user name at this host]' -r
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s f -l from -d 'Envelope sender; \'\' is the null sender [default: read from the header]' -r
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l limit -d 'Maximum number of messages from each source' -r
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l in-place -d 'Process new mail in this Maildir in place' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l trusted -d 'Believe a bounce or receipt in the message without a proof'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l poll -d 'Fetch mail from the configured sources'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l format -d 'Print the queue in the format of another mail system' -r -f -a "postfix\t'mailq of Postfix'
postfix-json\t'postqueue -j'
exim\t'exim -bp'
nullmailer\t'mailq of nullmailer'
qmail-qstat\t'qmail-qstat'"
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "rewrite" -d 'Show how addresses are rewritten, and their transports'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "status" -d 'Show the state of transports, sources and runs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "types" -d 'Show the transports of each address type'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "log" -d 'Show the log, oldest event first'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "stats" -d 'Show counts by state, domain and age'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "check" -d 'Check the configuration and the spool'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "parse" -d 'Print bounces and receipts as JSON'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "complete" -d 'Set the result of an asynchronous hand-off'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l since -d 'Only events since this time; a span counts back from now' -r
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l probe -d 'Also run the probe of every transport'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l deep -d 'Also read every message and compare it with its checksum'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l rcpt -d 'Recipient; its state must be "async"' -r
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l status -d 'Result as a status code: 2.x.x delivered, 4.x.x retry, 5.x.x failed' -r
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "rewrite" -d 'Show how addresses are rewritten, and their transports'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show the state of transports, sources and runs'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "types" -d 'Show the transports of each address type'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "log" -d 'Show the log, oldest event first'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "stats" -d 'Show counts by state, domain and age'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check the configuration and the spool'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "parse" -d 'Print bounces and receipts as JSON'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "complete" -d 'Set the result of an asynchronous hand-off'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l jobs -d 'Maximum number of parallel hand-offs' -r
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l events -d 'Print only these events [default: all]' -r -f -a "queued\t''
sent\t''
deferred\t''
failed\t''
newmail\t''
status\t''
error\t''
shutdown\t''"
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l json -d 'Print events as JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand release" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand release" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand release" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand release" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand release" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand release" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand release" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l only -d 'Only to this one of the recipients; repeat for more' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l add -d 'Also to this address; repeat for more' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l replace -d 'To a new address instead of a recipient\'s; repeat for more' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s f -l from -d 'Envelope sender [default: as before]' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l again -d 'Include the recipients of an earlier resend'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l dry-run -d 'Queue nothing; print the recipients'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l json -d 'Print JSON Lines, as postqueue -j does'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand init" -l relay -d 'Configure this relay, and connect to it: smtps://HOST, or smtp://HOST with STARTTLS' -r
complete -c mspool -n "__fish_mspool_using_subcommand init" -l user -d 'User name at the relay; the password is asked for, or read from standard input' -r
complete -c mspool -n "__fish_mspool_using_subcommand init" -l from -d 'Envelope sender of messages that name none' -r
complete -c mspool -n "__fish_mspool_using_subcommand init" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand init" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand init" -l json -d 'Print JSON'
complete -c mspool -n "__fish_mspool_using_subcommand init" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand init" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand init" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand init" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -l spool -d 'Spool directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand completions" -l config -d 'Configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand completions" -l offline -d 'Use no network: only deliver to Maildirs'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -s q -l quiet -d 'Print errors and requested output only'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -s v -l verbose -d 'Print every result'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -s h -l help -d 'Print help: a summary with -h, all details with --help'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "enqueue" -d 'Queue a message from standard input'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "flush" -d 'Deliver mail that is due, then exit'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "receive" -d 'Receive mail and file it in the store'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "report" -d 'Show the queue, one message, or the state of mspool'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "watch" -d 'Deliver and receive mail until stopped'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "cancel" -d 'Take messages out of the queue'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "hold" -d 'Hold messages until they are released'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "release" -d 'Release held messages'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "resend" -d 'Send a message again to the recipients that failed'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "sendmail" -d 'Act as sendmail(1); see "mspool sendmail --help"'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "mailq" -d 'List the queue as mailq(1) does'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "init" -d 'Write a commented configuration file'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "completions" -d 'Print shell completions'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "rewrite" -d 'Show how addresses are rewritten, and their transports'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "status" -d 'Show the state of transports, sources and runs'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "types" -d 'Show the transports of each address type'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "log" -d 'Show the log, oldest event first'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "stats" -d 'Show counts by state, domain and age'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "check" -d 'Check the configuration and the spool'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "parse" -d 'Print bounces and receipts as JSON'
complete -c mspool -n "__fish_mspool_using_subcommand help; and __fish_seen_subcommand_from report" -f -a "complete" -d 'Set the result of an asynchronous hand-off'

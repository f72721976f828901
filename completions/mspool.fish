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

complete -c mspool -n "__fish_mspool_needs_command" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_needs_command" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_needs_command" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_needs_command" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_needs_command" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_needs_command" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_needs_command" -s V -l version -d 'Print version'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "enqueue" -d 'Take a message from standard input and print its id once it is safe'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "flush" -d 'Attempt what is due, and end'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "receive" -d 'Take mail in and file it in the store: one message from standard input, or what the inbound transports have'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "report" -d 'Show what is in the spool'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "watch" -d 'Deliver as mail arrives and as attempts fall due, until told to stop'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "cancel" -d 'Take messages out of the queue'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "hold" -d 'Set messages aside'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "release" -d 'Let held messages go on'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "resend" -d 'Send a message again, unchanged, to just those whom it did not reach'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "sendmail" -d 'Take a message, or anything else, as sendmail(1) does; see `mspool sendmail --help`'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "mailq" -d 'List the queue as mailq(1) does'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "init" -d 'Write a commented configuration to start from'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c mspool -n "__fish_mspool_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s f -l from -d 'The envelope sender; \'\' is the null sender' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l to -d 'A recipient; may be given again' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l not-before -d 'Do not attempt before this time' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l delay -d 'Do not attempt for so long; wins over --not-before' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l deliver-by -d 'Give up at this time' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l notify -d 'When to report: never, or a list of success, failure, delay' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l rcpt-notify -d 'When to report on one recipient, if not as on the others' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l orcpt -d 'The address of a recipient as the sender wrote it, for reports' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l mdn-to -d 'Ask readers to tell this address that they have read it' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l ret -d 'How much of the message a report carries' -r -f -a "full\t'All of it'
hdrs\t'Its header'"
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l envid -d 'Your own name for the message, for reports' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l report-to -d 'Where reports go, instead of to the sender' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l priority -d 'Whose turn it is among messages that are due' -r -f -a "urgent\t'Before all others'
normal\t'In order of submission'
nonurgent\t'After all others'"
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l sent -d 'File a copy in this Maildir when all have the message' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l transport -d 'Use this transport and no other' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l wait -d 'Attempt it and wait for the outcome, which becomes the exit status' -r
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l maildir -d 'Take every message of this Maildir' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s t -l read-recipients -d 'Read recipients from To, Cc and Bcc, remove Bcc, add a missing Date and Message-ID'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l keep -d 'Keep the message in the spool when all have it'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l delete -d 'Delete the message when all have it'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l hold -d 'Set the message aside until it is released'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l now -d 'Attempt it at once, in this process'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l mbox -d 'Take every message of an mbox on standard input'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l dry-run -d 'Queue nothing; say who would take each recipient'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand enqueue" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l transport -d 'Only mail for this transport' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l to -d 'Only recipients that match' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l jobs -d 'Hand-offs at once, all transports together' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l limit -d 'Messages at most' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l pause -d 'Let no more mail go to this transport' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l for -d 'Pause for so long' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l reason -d 'Why it is paused' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l resume -d 'End a transport\'s pause and close its breaker' -r
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l out -d 'Send mail out; what flush does anyway'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l in -d 'Fetch mail instead: ask the inbound transports'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l both -d 'Send mail out, then fetch mail'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l force -d 'Ignore back-off and breakers; never hold, not-before or deliver-by'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l dry-run -d 'Do nothing; say what would be done, and why'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l strict -d 'Exit with 75 when mail is still queued'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l progress -d 'Show a progress bar wherever the output goes'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand flush" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l to -d 'The mailbox that the message is for; yours, if it is not given' -r
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s f -l from -d 'The envelope sender; \'\' is the null sender' -r
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l in-place -d 'Run hooks and notices for mail that another program has put into this Maildir' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l limit -d 'Messages from each of them at most' -r
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l poll -d 'Ask the inbound transports for mail'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand receive" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l format -d 'List the queue as another mail system does' -r -f -a "postfix\t'mailq of Postfix'
postfix-json\t'postqueue -j'
exim\t'exim -bp'
nullmailer\t'mailq of nullmailer'
qmail-qstat\t'qmail-qstat'"
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "rewrite" -d 'What becomes of addresses: rules, aliases, and who would take them'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "status" -d 'The transports and the runner'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "types" -d 'The address types, and who takes them'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "log" -d 'What happened, oldest first'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "stats" -d 'Counts by state, domain and age'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "check" -d 'Whether everything is as it should be'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "parse" -d 'What messages say about others: delivery reports, read receipts, bounces'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "complete" -d 'Give the result of a hand-off whose result was to come later'
complete -c mspool -n "__fish_mspool_using_subcommand report; and not __fish_seen_subcommand_from rewrite status types log stats check parse complete help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from rewrite" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from types" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l since -d 'From this time on; a span counts back from now' -r
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l probe -d 'Run the probes of all transports'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from parse" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l rcpt -d 'The recipient' -r
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l status -d 'The result, as an enhanced status code: 2.0.0, 5.1.1' -r
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from complete" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "rewrite" -d 'What becomes of addresses: rules, aliases, and who would take them'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "status" -d 'The transports and the runner'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "types" -d 'The address types, and who takes them'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "log" -d 'What happened, oldest first'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "stats" -d 'Counts by state, domain and age'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "check" -d 'Whether everything is as it should be'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "parse" -d 'What messages say about others: delivery reports, read receipts, bounces'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "complete" -d 'Give the result of a hand-off whose result was to come later'
complete -c mspool -n "__fish_mspool_using_subcommand report; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l jobs -d 'Hand-offs at once, all transports together' -r
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l events -d 'Print only these events: queued, sent, deferred, failed, newmail, status, error, shutdown' -r -f -a "queued\t''
sent\t''
deferred\t''
failed\t''
newmail\t''
status\t''
error\t''
shutdown\t''"
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -l json -d 'Print events as JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand watch" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand cancel" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand hold" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand hold" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand release" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand release" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand release" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand release" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand release" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand release" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l only -d 'Only to these of them' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l add -d 'To this one too' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l replace -d 'To a new address instead of the old one' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s f -l from -d 'The envelope sender, if not the one of the first time' -r
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l again -d 'Even if it was done before'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l dry-run -d 'Do nothing; say to whom it would be sent'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -l json -d 'Print JSON Lines'
complete -c mspool -n "__fish_mspool_using_subcommand resend" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand sendmail" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand mailq" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand init" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand init" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand init" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand init" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand init" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand init" -s h -l help -d 'Print help'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -l spool -d 'The spool\'s directory' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand completions" -l config -d 'The configuration file' -r -F
complete -c mspool -n "__fish_mspool_using_subcommand completions" -l offline -d 'Use nothing that reaches beyond this machine'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -s q -l quiet -d 'Print errors only'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -s v -l verbose -d 'Print everything that is done'
complete -c mspool -n "__fish_mspool_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "enqueue" -d 'Take a message from standard input and print its id once it is safe'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "flush" -d 'Attempt what is due, and end'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "receive" -d 'Take mail in and file it in the store'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "report" -d 'Show what is in the spool'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "watch" -d 'Deliver as mail arrives and as attempts fall due, until told to stop'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "cancel" -d 'Take messages out of the queue'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "hold" -d 'Set messages aside'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "release" -d 'Let held messages go on'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "resend" -d 'Send messages again, unchanged, to just those whom they did not reach'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "sendmail" -d 'Take a message, or anything else, as sendmail(1) does; see `mspool sendmail --help`'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "mailq" -d 'List the queue as mailq(1) does'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "init" -d 'Write a commented configuration to start from'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "completions" -d 'Print shell completions'
complete -c mspool -n "__fish_mspool_using_subcommand help; and not __fish_seen_subcommand_from enqueue flush receive report watch cancel hold release resend sendmail mailq init completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'

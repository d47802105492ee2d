package main

import "github.com/spf13/cobra"

const outputText = `With --output text, which is the default, answers are printed for people, and
their form may change. With --output json they are printed for programs, and
their form stays: members are added at times, never renamed or removed.

    call NAME       the value itself; of a command that streams, each value on
                    a line as it comes, and its last value if that is not null
    call A,B or *   {NODE: OUTCOME, …}
    tree NAME       [PATH, …]
    tree A,B or *   {NODE: OUTCOME, …}, the value being a list of paths
    stats NAME      {"commands": {PATH: FIGURES, …}, "other": FIGURES, …} with
                    more counters of the node; FIGURES is {"calls", "errors",
                    "running", "mean_ms", "p99_ms", "last_error": {"code",
                    "text", "time"}}; other and last_error may be missing
    health NAME     {"status", "checks": {NAME: {"ok", "error", "ms"}}, "time"};
                    status is ok, failing or draining; error may be missing
    stats, health of A,B or *
                    {NODE: OUTCOME, …}
    status          {NODE: {"info", "stats", "health", "peers", "path": PATHINFO,
                    "errors": {QUESTION: ERROR}}, …}, the answers of __info__,
                    __stats__, __health__ and __peers__; what was not answered is
                    missing and stands in errors; with --watch one line each time
    keys list       {"file", "keys": [{"fingerprint", "role"}, …]}; role is
                    active, accept or retired
    keys add, promote, retire, reload
                    as keys list, with "told": [{"node", "ok", "error"}, …], the
                    nodes of this machine, and "next", the next step
    describe        {"path", "doc", "idempotent", "arguments", "input", "output",
                    "streams", "item", "input_item"}; streams is output, input
                    or both; input, output and items are JSON schemas, if they
                    are known; of a group {"commands": [DESCRIPTION, …], "more"}
    subscribe       {"topic", "node", "value", "missed"}, one line per value
    describe        {"path", "doc", "idempotent", "rights", "arguments",
                    "input", "output"}; input and output are JSON schemas, if
                    they are known
    peers           [{"name", "key", "instance", "addresses", "last_seen"}, …]
    ping            {"node", "rtt_ms", "path": PATHINFO}, one line per ping
    watch           {"time", "event", "reason"}, one line per event, and where it
                    applies "node", "key", "path": PATHINFO, and for a renamed
                    node its new "name"
    relay-room      {"relay", "rooms"}
    trust list      [{"name", "key", "pinned", "first", "of", "file"}, …]; first is
                    missing of pinned names; of is callers, or the node's name
    trust forget, trust pin
                    {"name", "files"}
    policy check    {"file", "rules", "errors", "warnings"}, the last two
                    [{"line", "text", "hint"}, …]
    policy explain  {"allowed", "rule", "line", "reason", "rate", "burst",
                    "concurrency", "passed", "rights"}; passed is [{"rule",
                    "line", "text", "why"}, …]
    call --dry-run  {"would_run", "command", "rule", "rate", "burst",
                    "concurrency", "arguments_checked"}; some may be missing
    init, join      {"config", "key_file", "state_dir", "network", "name",
                    "key_id", "identity", "relays"}
    invite          {"invite", "network", "key_id", "relays"}
    serve           {"name", "network", "address", "port", "key", "instance",
                    "call"}, one line when ready
    expose          what serve prints, without "call"; "services": {SERVICE:
                    ADDRESS, …}, "forward": a command line that reaches one
    forward         {"listen", "port", "node", "service", "network"}, one line
                    when it listens
    demo            [{"what", "node", "path", "ms", "result", "ok"}, …]
    version         {"version", "revision", "protocol", "go", "system"}

    OUTCOME         {"ok": true, "value", "ms", "path": PATHINFO} or
                    {"ok": false, "error": {"code", "message", "executed",
                    "where", "retry_after_ms", "details"}}; the last two may be
                    missing; executed is no, maybe or yes
    PATHINFO        {"kind", "addr"}; kind is lan, relay or self; the address of
                    a relay is its own

Values keep their kind: integers have all their digits, other numbers a point
or an exponent. {"$bytes": "aGk="} stands for bytes (in base64), {"$time":
"2006-01-02T15:04:05Z"} for a time, {"$float": "NaN"} for what is no number;
"call" takes the same forms as arguments. Characters that a terminal would not
show are escaped, as JSON allows.

Errors are text on standard error in either form; the exit code says of what
kind they are (see "fernmesh help exit-codes").
`

// outputTopic is "fernmesh help output".
func outputTopic() *cobra.Command {
	return &cobra.Command{Use: "output", Short: "What --output json prints", Long: outputText}
}

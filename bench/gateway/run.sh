#!/usr/bin/env bash
# What the gateway adds to a tool call: the same calls go to a server directly, through a hop that understands
# nothing, and through Countersign with durable signed receipts, in turn within each round.
#
# The load client, the server and the empty hop are not ours and not in this repository. The yardstick's folder
# holds their release binaries in target/release:
#   fastserver HOST:PORT             an MCP server over Streamable HTTP with the tool `echo`
#   passproxy HOST:PORT UPSTREAM     an HTTP hop that understands nothing
#   mcpbench --host H --path P --mode legacy --sessions N --secs S --warm S --size B --tool T --header 'k: v'
#                                    a closed-loop client; prints {"ok", "err", "rps", "p50_us", "p99_us", ...}
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bench/gateway/run.sh --yardstick DIR [options]

  --yardstick DIR    folder of the yardstick, built with `cargo build --release` (or set YARDSTICK)
  --binary FILE      the countersign binary (default: target/release/countersign of this repository)
  --dir DIR          where the ledger lies (default: a new temporary folder); its disk is what syncs go to
  --callers LIST     how many clients at once (default: 1,16,64)
  --rounds N         rounds (default: 7)
  --secs S           seconds a measurement (default: 1.5)
  --size B           bytes of each message that is echoed (default: 200)

Prints a Markdown table; what goes on is said on standard error.
TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
yardstick=${YARDSTICK:-}
binary=$root/target/release/countersign
dir=
measure=()
while [ $# -gt 0 ]; do
    case $1 in
        --yardstick) yardstick=$2; shift 2 ;;
        --binary) binary=$2; shift 2 ;;
        --dir) dir=$2; shift 2 ;;
        --callers | --rounds | --secs | --size) measure+=("$1" "$2"); shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
tools=$yardstick/target/release
if [ -z "$yardstick" ] || [ ! -x "$tools/mcpbench" ]; then
    echo "there is no mcpbench in '$tools': name the yardstick's folder, and build it there first" >&2
    exit 2
fi
if [ ! -x "$binary" ]; then
    echo "there is no $binary: build it with cargo build --release" >&2
    exit 2
fi

dir=${dir:-$(mktemp -d)}
mkdir -p "$dir"
work=$(mktemp -d "$dir/gateway.XXXXXX")
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits until something listens there.
await() {
    for _ in $(seq 100); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.1
    done
    echo "nothing listens on port $1; see $work" >&2
    exit 1
}

server=$(free_port)
"$tools/fastserver" "127.0.0.1:$server" >"$work/server.log" 2>&1 & pids+=($!)
server_pid=$!
hop=$(free_port)
"$tools/passproxy" "127.0.0.1:$hop" "127.0.0.1:$server" >"$work/hop.log" 2>&1 & pids+=($!)
hop_pid=$!

mkdir -p "$work/policies" "$work/tokens"
python3 -c 'import secrets; print(secrets.token_hex(32))' >"$work/tokens/agent"
chmod -R go-rwx "$work"
gateway=$(free_port)
cat >"$work/policies/bench.yaml" <<'YAML'
version: 1
policy: { id: bench, version: "1" }
default: DENY
rules:
  - id: echo-is-allowed
    match: { tool: up.echo }
    action: ALLOW
    reason: echoing harms nobody
YAML
cat >"$work/countersign.yaml" <<YAML
version: 1
listen: 127.0.0.1:$gateway
store: { sqlite: ./countersign.db }
keys: ./keys
policies: [./policies]
identity:
  tokens:
    - { token_file: ./tokens/agent, human: alice@example.com, service: bench, agent: bench-agent }
upstreams:
  up: { url: "http://127.0.0.1:$server/mcp", shared: true, labels: [INTERNAL] }
YAML
"$binary" --config "$work/countersign.yaml" keys init >"$work/keys.log" 2>&1
"$binary" --config "$work/countersign.yaml" up >"$work/gateway.log" 2>&1 & pids+=($!)
gateway_pid=$!
await "$server"; await "$hop"; await "$gateway"

python3 "$here/measure.py" --client "$tools/mcpbench" --ledger "$work/countersign.db" ${measure[@]+"${measure[@]}"} \
    "direct=127.0.0.1:$server/mcp@$server_pid" \
    "empty hop=127.0.0.1:$hop/mcp@$hop_pid" \
    "countersign=127.0.0.1:$gateway/mcp/up@$gateway_pid" \
    --token-file "$work/tokens/agent"
"$binary" --config "$work/countersign.yaml" --json doctor >/dev/null 2>&1 || true

#!/usr/bin/env python3
"""Drives the load client against several targets in turn and prints one Markdown table.

TARGET = label=host:port/path@pid; the first is the baseline, the last is the gateway. Every round visits every target back to
back, in rotating order, so that ratios compare neighbours in time; the table has medians over rounds. CPU is user and system
time of the target's own process per completed call: the figure to trust on a busy machine.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

WARM = 0.3
TICKS = os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", required=True, help="the load client")
    parser.add_argument("--ledger", required=True, help="the gateway's ledger, to count its receipts afterwards")
    parser.add_argument("--token-file", required=True, help="the bearer token that every target is sent")
    parser.add_argument("--callers", default="1,16,64")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--secs", type=float, default=1.5)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("targets", nargs="+", type=target)
    return parser.parse_args()


def target(text):
    label, rest = text.split("=", 1)
    address, pid = rest.rsplit("@", 1)
    host, _, path = address.partition("/")
    return {"label": label, "host": host, "path": "/" + path, "pid": int(pid)}


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(args, where, callers, token):
    before = cpu_seconds(where["pid"])
    command = [args.client, "--host", where["host"], "--path", where["path"], "--mode", "legacy", "--tool", "echo"]
    command += ["--sessions", str(callers), "--secs", str(args.secs), "--warm", str(WARM), "--size", str(args.size)]
    command += ["--header", f"authorization: Bearer {token}"]
    ran = subprocess.run(command, capture_output=True, text=True)
    used = cpu_seconds(where["pid"]) - before
    if ran.returncode != 0:
        sys.exit(f"{where['label']}: {ran.stderr[:500]}")
    found = json.loads(ran.stdout)
    if found["err"]:
        sys.exit(f"{where['label']} with {callers} callers: {found['err']} calls failed: {ran.stderr[:500]}")
    # The time used covers the warm-up too.
    calls = found["ok"] * (args.secs + WARM) / args.secs
    return {"p50": found["p50_us"], "p99": found["p99_us"], "rps": found["rps"], "cpu": used * 1e6 / max(calls, 1)}


def sync_cost(folder):
    """The median time of a write of 4 KiB and a sync in the ledger's folder, in microseconds."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(100):
            begun = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def main():
    args = arguments()
    token = open(args.token_file).read().strip()
    callers = [int(number) for number in args.callers.split(",")]
    found = {}
    for round_ in range(args.rounds):
        for number in callers:
            turn = round_ % len(args.targets)
            for where in args.targets[turn:] + args.targets[:turn]:
                found.setdefault((number, where["label"]), []).append(measure(args, where, number, token))
        print(f"round {round_ + 1} of {args.rounds} done", file=sys.stderr)
    show(args, callers, found)


def show(args, callers, found):
    median = lambda values: statistics.median(values)
    first = args.targets[0]["label"]
    print(f"Sync of 4 KiB in the ledger's folder: {sync_cost(os.path.dirname(args.ledger)):.0f} µs. ", end="")
    print(f"{args.rounds} rounds of {args.secs} s, messages of {args.size} B, legacy mode, load average {os.getloadavg()[0]:.1f}.")
    print()
    print("| callers | target | p50 µs | p99 µs | calls/s | CPU µs/call | added p50 µs | added CPU µs | p50 × | calls/s × |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for number in callers:
        base = found[number, first]
        for where in args.targets:
            runs = found[number, where["label"]]
            of = lambda key: median([run[key] for run in runs])
            over = lambda key: median([run[key] - ground[key] for run, ground in zip(runs, base)])
            times = lambda key: median([run[key] / ground[key] for run, ground in zip(runs, base)])
            # What a target adds in CPU is its own: the server behind it is another process.
            added = ("", "") if where["label"] == first else (f"{over('p50'):.0f}", f"{of('cpu'):.0f}")
            print(f"| {number} | {where['label']} | {of('p50'):.0f} | {of('p99'):.0f} | {of('rps'):.0f} | {of('cpu'):.0f} | "
                  f"{added[0]} | {added[1]} | {times('p50'):.2f} | {times('rps'):.2f} |")
    print()
    with sqlite3.connect(f"file:{args.ledger}?mode=ro", uri=True) as ledger:
        receipts, actions = ledger.execute("SELECT count(receipt_id), count(DISTINCT action) FROM record").fetchone()
    print(f"Receipts in the ledger afterwards: {receipts}, of {actions} actions: {receipts / max(actions, 1):.2f} each "
          "(the beginnings of sessions included).")


if __name__ == "__main__":
    main()

"""What fails closed: disk, store, upstream, policies. Calls are refused with a reason and never passed; nobody has to help afterwards."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from lab import Agent, Lab, ours, program, ran, refused, sample, text, until

POLICY = """
version: 1
policy: {{ id: faults, version: "{version}" }}
default: {{ action: DENY, reason: Nothing runs that no rule allows }}
rules:
  - id: work
    match: {{ tool: [files.write_file, files.query_customers] }}
    action: ALLOW
"""
FIRST = POLICY.format(version=1)


def write(agent, name, **more):
    return agent.call("files__write_file", {"path": f"{name}.txt", "content": name}, **more)


def executed(made):
    return [one["arguments"].get("path") for one in made.ground_truth()]


def problems(made):
    """What `/readyz` says, when it says 503."""
    status, body = made.api("GET", "/readyz", token=None)
    assert status == (503 if body["problems"] else 200) and body["ready"] == (status == 200), (status, body)
    return {one["name"]: one["why"] for one in body["problems"]}


def unrecorded(agent, name):
    """A call that is refused for want of a ledger: it says why, has no receipt, and is counted."""
    before = agent.lab.metric("countersign_unrecorded_refusals")
    answer = agent.rpc("tools/call", {"name": "files__write_file", "arguments": {"path": f"{name}.txt", "content": name}})
    if answer.status == 503:
        told, reason = answer.message["error"]["data"]["countersign"], answer.message["error"]["message"]
    else:
        result = answer.message["result"]
        assert result["isError"], result
        told, reason = ours(result), text(result)
    assert told["decision"] == "DENY" and told["receipt"] is None, told
    assert "recorded" in reason or "ledger" in reason, reason
    assert agent.lab.metric("countersign_unrecorded_refusals") > before
    return reason


def down_and_up_again(made, agent, name):
    """While the ledger was down nothing passed; now everything goes on, and what is recorded verifies."""
    assert f"{name}.txt" not in executed(made)
    until(lambda: not problems(made), 30)
    ran(write(agent, f"{name}-after"))
    assert executed(made)[-1] == f"{name}-after.txt"
    made.verify()


@pytest.fixture
def made(lab):
    return lab(FIRST, upstreams=sample())


def working(made, **more):
    made.up(**more)
    agent = Agent(made, session=made.session(original_request="work")["token"]).initialize()
    ran(write(agent, "before"))
    return agent


def test_r1_closed_a_file_that_may_not_grow_refuses_every_call(made):
    # What the kernel would do to the process by default is kill it; a full disk is an error, so that is what it gets.
    agent = working(made, wrapper=["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"])
    pid, (_, most) = made.daemon.pid, resource.prlimit(made.daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, most))
    for n in range(3):
        unrecorded(agent, f"full-{n}")
    assert "ledger" in problems(made)
    status, body = made.api("POST", "/v1/actions", {"tool": "files.write_file", "arguments": {}}, token="agent")
    assert status == 503 and body["error"]["receipt"] is None and body["error"]["message"], body
    status, body = made.api("POST", "/v1/sessions", {"human": "alice@example.com", "agent": "desk-agent-1"}, token="host")
    assert status == 503, body
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
    assert not [one for one in executed(made) if one.startswith("full")]
    down_and_up_again(made, agent, "full-0")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(disk)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this user may not mount a disk of its own: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def leave(disk, free):
    """Fills a disk until so many bytes are free."""
    with open(disk / "filler", "ab") as filler:
        left = shutil.disk_usage(disk).free - free
        if left > 0:
            os.posix_fallocate(filler.fileno(), filler.tell(), left)


def test_r1_closed_a_full_disk_refuses_calls_and_keeps_room_for_outcomes(lab, small_disk):
    made = lab(FIRST, upstreams=sample(), store=str(small_disk / "countersign.db"))
    agent = working(made)
    results, ruled = [], made.metric("countersign_rulings_total")
    slow = {"filter": "C-0001", "delay_ms": 2500}
    running = threading.Thread(target=lambda: results.append(agent.call("files__query_customers", slow)))
    running.start()
    # The ruling is on record once it is counted.
    until(lambda: made.metric("countersign_rulings_total") == ruled + 1)
    # Less than the margin: nothing new, but what runs gets its outcome on record, and only then its answer.
    leave(small_disk, 32 * 1024 * 1024)
    unrecorded(agent, "margin")
    assert "ledger" in problems(made)
    running.join()
    assert made.receipt(ours(ran(results[0]))["outcome"]["id"])["outcome"]["status"] == "ok"
    leave(small_disk, 0)
    unrecorded(agent, "full")
    (small_disk / "filler").unlink()
    down_and_up_again(made, agent, "full")
    assert "margin.txt" not in executed(made)
    made.down()


def test_r1_closed_an_answer_that_cannot_be_recorded_is_withheld(made):
    agent = working(made)
    results, ruled = [], made.metric("countersign_rulings_total")
    slow = {"filter": "C-0001", "delay_ms": 1500}
    running = threading.Thread(target=lambda: results.append(agent.call("files__query_customers", slow)))
    running.start()
    # The ruling is on record once it is counted.
    until(lambda: made.metric("countersign_rulings_total") == ruled + 1)
    with locked(made):
        running.join()
    result = results[0]
    assert result["isError"] and "withheld" in text(result), result
    assert "iban" not in str(result).lower()
    until(lambda: not problems(made), 30)


class locked:
    """The store held by another program."""

    def __init__(self, made):
        self.path = made.folder / "countersign.db"

    def __enter__(self):
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


def test_r1_closed_a_store_that_another_program_locks_refuses_every_call(made):
    agent = working(made)
    with locked(made):
        reason = unrecorded(agent, "locked")
        assert "locked" in reason or "busy" in reason, reason
        assert "ledger" in problems(made)
        # Several at once are all refused, none waits for ever.
        began, results = time.monotonic(), []
        callers = [threading.Thread(target=lambda n=n: results.append(write(agent, f"locked-{n}"))) for n in range(8)]
        for one in callers:
            one.start()
        for one in callers:
            one.join()
        assert all(one["isError"] and ours(one)["receipt"] is None for one in results) and time.monotonic() - began < 30
    down_and_up_again(made, agent, "locked")


def test_r1_closed_a_second_daemon_on_the_same_store_does_not_start(made):
    agent = working(made)
    second = made.run("up", ok=False)
    assert second.returncode in (3, 5), second
    ran(write(agent, "still-here"))


@pytest.fixture
def fragile(lab):
    """A server that is a file in the folder, so that a test can take it away."""
    script = '  files: { command: [./server], labels: [INTERNAL] }'
    made = lab(FIRST, upstreams=script)
    server = made.folder / "server"
    server.write_text(f'#!/bin/sh\nexec "{program()}" sample-server --root ./desk --log ./calls.jsonl\n')
    server.chmod(0o755)
    return made


def children(pid):
    """Processes that a process has started, by `/proc`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def kill_servers(made):
    servers = children(made.daemon.pid)
    assert servers
    for one in servers:
        os.kill(one, signal.SIGKILL)


def test_r1_closed_an_upstream_that_is_dead_refuses_with_the_reason_and_comes_back_by_itself(fragile):
    agent = working(fragile)
    server = fragile.folder / "server"
    server.rename(fragile.folder / "server.away")
    kill_servers(fragile)
    result = until(lambda: (lambda one: one if one["isError"] else None)(write(agent, "dead")))
    assert "files" in text(result) and ours(result)["outcome"], result
    outcome = fragile.receipt(ours(result)["outcome"]["id"])["outcome"]
    assert outcome["status"] == "nothing_sent"
    assert until(lambda: problems(fragile).get("upstream files"))
    again = write(agent, "dead-again")
    assert again["isError"] and ours(again)["outcome"], again
    assert executed(fragile) == ["before.txt"]
    # Nobody calls and nobody restarts anything: it is tried again until it is there.
    (fragile.folder / "server.away").rename(server)
    until(lambda: not problems(fragile), 30)
    ran(write(agent, "alive"))
    fragile.verify()


def test_an_upstream_killed_in_the_middle_of_a_call_leaves_an_unknown_outcome(fragile):
    agent = working(fragile)
    results, ruled = [], fragile.metric("countersign_rulings_total")
    slow = {"filter": "C-0001", "delay_ms": 20000}
    running = threading.Thread(target=lambda: results.append(agent.call("files__query_customers", slow)))
    running.start()
    # The ruling is on record once it is counted.
    until(lambda: fragile.metric("countersign_rulings_total") == ruled + 1)
    time.sleep(0.3)
    kill_servers(fragile)
    running.join(30)
    result = results[0]
    assert result["isError"] and "unknown" in text(result), result
    assert fragile.receipt(ours(result)["outcome"]["id"])["outcome"]["status"] == "unknown"
    fragile.verify()


FAULTY = FIRST + "\n  - { id: work, match: {}, action: PERHAPS }\n"


def test_r3_reload_up_refuses_to_start_without_a_policy_that_loads(made):
    policy = made.folder / "policies"
    made.write_policy(FAULTY)
    faulty = made.run("up", ok=False)
    assert faulty.returncode == 3 and "desk.yaml" in faulty.stderr and "PERHAPS" in faulty.stderr, faulty
    policy.rename(made.folder / "policies.away")
    away = made.run("up", ok=False)
    assert away.returncode == 3 and "policies" in away.stderr, away
    policy.mkdir()
    empty = made.run("up", ok=False)
    assert empty.returncode == 3, empty
    unreadable = policy / "desk.yaml"
    unreadable.mkdir()
    assert made.run("up", ok=False).returncode == 3
    assert not (made.folder / "countersign.db").exists(), "nothing was decided and nothing recorded"


def test_r3_reload_a_policy_that_goes_bad_keeps_the_old_set_and_readyz_says_so(made: Lab):
    agent = working(made)
    policy = made.folder / "policies"
    first = [one for one in made.receipts() if one["kind"] == "ruling"][-1]["policy"]["digest"]

    def spoil():
        made.write_policy(FAULTY)

    def take_away():
        policy.rename(made.folder / "policies.away")

    def give_back():
        (made.folder / "policies.away").rename(policy)

    for n, (bad, good) in enumerate([(spoil, lambda: made.write_policy(FIRST)), (take_away, give_back)]):
        bad()
        why = until(lambda: problems(made).get("policies"))
        assert "not in force" in why, why
        result = ran(write(agent, f"old-set-{n}"))
        assert made.receipt(ours(result)["receipt"]["id"])["policy"]["digest"] == first
        good()
        until(lambda: not problems(made))

    made.write_policy(POLICY.format(version=2).replace("files.write_file, ", ""))
    result = until(lambda: (lambda one: one if one["isError"] else None)(write(agent, "new-set")))
    ruling = made.receipt(ours(refused(result))["receipt"]["id"])
    assert ruling["policy"]["version"] == "2" and ruling["policy"]["digest"] != first
    assert problems(made) == {}

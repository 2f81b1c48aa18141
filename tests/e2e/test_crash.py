"""`kill -9` of the daemon at any moment under sixteen callers, many times over: nothing that mattered is lost.

What the sample server executed stands in its own log, what callers were told in this process; both are compared with the
store after every restart. `COUNTERSIGN_CRASH_ROUNDS` sets how many times the daemon is killed.
"""

import http.client
import json
import os
import random
import signal
import threading
import time
from hashlib import sha256

import pytest
import rfc8785
from lab import HUMAN, Agent, independently_verified, sample

ROUNDS = int(os.environ.get("COUNTERSIGN_CRASH_ROUNDS", "25"))
# Each store lives through so many kills, so that verifying all of it each time stays cheap.
PER_STORE = 5

POLICY = """
version: 1
policy: { id: crash, version: "1" }
default: { action: DENY, reason: Nothing runs that no rule allows }
rules:
  - id: work
    match: { tool: [files.write_file, files.read_file] }
    action: ALLOW
  - id: small-queries
    match: { tool: files.query_customers }
    action: MODIFY
    modifications: { parameters: { limit: { max: 1 } } }
  - id: deletions-are-approved
    match: { tool: files.delete_file }
    action: STEP_UP
    approvers: [security-team]
"""

# What a connection to a process that was just killed may do.
CUT_OFF = (OSError, http.client.HTTPException, json.JSONDecodeError)


class Callers:
    """Sixteen callers in four sessions, an approver and a host, until the daemon is gone."""

    def __init__(self, lab, sessions, round_):
        self.lab, self.round = lab, round_
        self.told = []  # (session, arguments, result): what an agent saw
        self.recorded = []  # receipts that people and hosts were told of
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.call, args=(n, sessions[n % 4])) for n in range(16)]
        self.threads += [threading.Thread(target=self.approve), threading.Thread(target=self.open)]
        for thread in self.threads:
            thread.start()

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()

    def call(self, n, session):
        agent = Agent(self.lab, session=session["token"], accept="application/json")
        for turn in range(1_000_000):
            name = f"{self.round}-{n}-{turn}"
            tool, arguments = [
                ("write_file", {"path": f"{name}.txt", "content": name * 20}),
                ("read_file", {"path": f"{self.round}-{n}-{turn - 1}.txt"}),
                ("query_customers", {"filter": "C-", "limit": 50 + turn}),
                ("send_mail", {"to": f"{name}@elsewhere.example", "subject": name, "body": ""}),
                ("write_file", {"path": f"{name}.txt", "content": name}),
                ("delete_file", {"path": f"{self.round}-{n}-{turn - 1}.txt"}),
                # The same call again: it attaches, and runs once if it was approved by now.
                ("delete_file", {"path": f"{self.round}-{n}-{turn - 2}.txt"}),
            ][turn % 7]
            try:
                result = agent.call(f"files__{tool}", arguments)
            except CUT_OFF:
                if self.stop.wait(0.02):
                    return
                continue
            self.told.append((session["id"], arguments, result))

    def approve(self):
        while not self.stop.wait(0.05):
            try:
                for asked in self.lab.api("GET", "/v1/approvals")[1]["approvals"][:4]:
                    status, body = self.lab.api("POST", f"/v1/approvals/{asked['id']}", {"decision": "approve"}, token="bob")
                    if status == 200:
                        self.recorded.append(body["receipt"])
            except CUT_OFF:
                pass

    def open(self):
        while not self.stop.wait(0.1):
            try:
                self.recorded.append(self.lab.session(original_request="again")["receipt"])
            except CUT_OFF:
                pass


class Store:
    """Every receipt of a store, by what it is asked for."""

    def __init__(self, lab):
        self.all = lab.receipts()
        self.by_id = {one["id"]: one for one in self.all}
        self.permits, self.outcomes = {}, {}
        for one in self.all:
            if one["kind"] == "ruling" and one["decision"]["verdict"] in ("ALLOW", "MODIFY"):
                self.permits[one["action"]["id"]] = one
            elif one["kind"] == "outcome":
                self.outcomes.setdefault(one["action"]["id"], []).append(one)

    def told(self, reference):
        """The receipt that somebody was told of, unchanged."""
        receipt = self.by_id.get(reference["id"])
        assert receipt, f"{reference} was answered and is lost"
        signed = {name: value for name, value in receipt.items() if name not in ("signature", "disclosures")}
        assert "sha256:" + sha256(rfc8785.dumps(signed)).hexdigest() == reference["digest"]
        return receipt


def forwarded(permit):
    """The arguments that a permit let through, after edits."""
    told = permit["disclosures"]
    return json.loads(told.get("/action/edited_parameters", told["/action/parameters"])["value"])


def without_ours(result):
    seen = json.loads(json.dumps(result))
    del seen["_meta"]["countersign"]
    if not seen["_meta"]:
        del seen["_meta"]
    return seen


def key(tool, arguments):
    return tool, json.dumps(arguments, sort_keys=True)


def check_executed(lab, store):
    """(a) Every executed call has its ruling receipt, and none ran twice on one permit."""
    permitted = [key(one["action"]["operation"], forwarded(one)) for one in store.permits.values()]
    for call in lab.ground_truth():
        done = key(call["tool"], call["arguments"])
        assert done in permitted, f"executed without a permit on record: {done}"
        permitted.remove(done)


def check_answered(store, callers):
    """(c), (d) What was answered is on record, and an output that an agent saw is in its session's context, to the byte."""
    for session, arguments, result in callers.told:
        told = result["_meta"]["countersign"]
        if told.get("outcome"):
            outcome = store.told(told["outcome"])
            # What is found in an output comes on top of what its source declares.
            assert outcome["chain"] == f"session:{session}" and "INTERNAL" in outcome["outcome"]["labels"]
            seen = json.loads(outcome["disclosures"]["/outcome/output"]["value"])
            assert seen == without_ours(result)
            assert outcome["outcome"]["status"] == ("error" if result.get("isError") else "ok")
        else:
            assert result["isError"]
        # A refusal for want of a ledger would say so with null; there was a ledger until the end.
        ruling = store.told(told["receipt"])
        assert ruling["chain"] == f"session:{session}"
        assert json.loads(ruling["disclosures"]["/action/parameters"]["value"]) == arguments
    for reference in callers.recorded:
        store.told(reference)


def check_open(lab, store):
    """Permits without an outcome became `unknown`; what waited goes on waiting."""
    for action in store.permits:
        outcomes = store.outcomes.get(action, [])
        assert len(outcomes) == 1, (action, [one["outcome"] for one in outcomes])
    ended = {one["action"]["id"] for one in store.all if one["kind"] in ("expiry", "outcome", "approval", "resolution")}
    asked = {one["action"]["id"] for one in store.all if one["kind"] == "ruling" and one["decision"]["verdict"] == "STEP_UP"}
    waiting = {one["id"] for one in lab.api("GET", "/v1/approvals")[1]["approvals"]}
    assert waiting == asked - ended


def check_context(lab, store, sessions):
    """The context that policy reads after the restart knows what the sessions did and saw."""
    for session in sessions:
        status, context = lab.api("GET", f"/v1/sessions/{session['id']}")
        assert status == 200, context
        done = [one for one in store.permits.values() if one["chain"] == f"session:{session['id']}"]
        assert sum(context["actions"].values()) == len(done)
        assert {one["state"] for one in context["open"]} <= {"waiting_for_person", "authorised", "unknown"}, context["open"]
        if any(one["outcome"]["status"] == "ok" for action in done for one in store.outcomes[action["action"]["id"]]):
            assert "INTERNAL" in context["labels"]


@pytest.mark.parametrize("life", range(-(-ROUNDS // PER_STORE)))
def test_r1_closed_kill_9_loses_nothing_that_was_executed_answered_or_seen(lab, life):
    chance = random.Random(life)
    made = lab(POLICY, upstreams=sample(), extra="hold: 0").up()
    sessions = [made.session(human=HUMAN, original_request=f"life {life}") for _ in range(4)]
    answered = unknown = 0
    for round_ in range(min(PER_STORE, ROUNDS - life * PER_STORE)):
        callers = Callers(made, sessions, f"{life}-{round_}")
        time.sleep(chance.uniform(0.05, 1.2))
        made.down(signal.SIGKILL)
        callers.join()
        if chance.random() < 0.4:
            # Once more while it recovers.
            made.up(wait=False)
            time.sleep(chance.uniform(0.0, 0.3))
            made.down(signal.SIGKILL)
        made.up()
        store = Store(made)
        check_executed(made, store)
        check_answered(store, callers)
        check_open(made, store)
        check_context(made, store, sessions)
        made.verify()
        answered += len(callers.told)
        unknown = sum(one["outcome"]["status"] == "unknown" for many in store.outcomes.values() for one in many)
    assert answered > 0
    print(f"life {life}: {answered} answers, {len(store.all)} receipts, {len(made.ground_truth())} executed, {unknown} unknown")
    assert independently_verified(made.export(), made.folder / "keys" / "signing.pub").returncode == 0

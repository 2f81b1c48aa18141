"""Three wrapped servers under one client share one session: what is read through one is known when another is to send."""

import json
import os
import subprocess

from lab import AGENT, HUMAN, Lab, program, ran, refused, text

POLICY = """
version: 1
policy: { id: wrapped, version: "1" }
internal_domains: [example.com]
default: { action: DENY, reason: Nothing runs that no rule allows }
rules:
  - id: work
    match: { tool: [crm.get_customer, mail.send_mail, files.write_file, files.read_file] }
    action: ALLOW
  - id: customer-data-stays-inside
    match: { tool: mail.send_mail, parameters: { to: { external: true } }, context: { data_classification: CONFIDENTIAL } }
    action: DENY
    priority: 10
    reason: Customer data does not leave the company
"""

UPSTREAMS = """\
  crm: { wrapped: true, labels: [CONFIDENTIAL] }
  mail: { wrapped: true, labels: [INTERNAL] }
  files: { wrapped: true, labels: [INTERNAL] }"""

PARTS = {"crm": "database", "mail": "mail", "files": "files"}


def wrapped(made: Lab, name):
    """The command that a client starts instead of the server."""
    server = [program(), "sample-server", "--root", str(made.folder / "desk"), "--only", PARTS[name]]
    log = ["--log", str(made.folder / "calls.jsonl")]
    return [program(), "--config", str(made.configuration), "wrap", "--name", name, "--", *server, *log]


def office(lab):
    made = lab(POLICY, upstreams=UPSTREAMS, scope="[]", extra="socket: ./countersign.sock")
    local = f"  local: [{{ uid: {os.getuid()}, human: {HUMAN}, service: desk, agent: {AGENT} }}]\nhosts:"
    made.configuration.write_text(made.configuration.read_text().replace("hosts:", local, 1))
    return made


def letter(to):
    return {"to": to, "subject": "report", "body": "as asked"}


def test_a_read_through_one_wrapped_server_blocks_a_send_through_another(lab, client):
    made = office(lab).up()
    agent = client({name: {"command": wrapped(made, name)} for name in PARTS})
    assert "send_mail" in agent.list("mail") and "get_customer" not in agent.list("mail")
    # Before anything confidential was read, a mail may leave.
    ran(agent.call("mail", "send_mail", letter("friend@elsewhere.example")))
    customer = ran(agent.call("crm", "get_customer", {"id": "C-0001"}))
    assert "iban" in text(customer)
    blocked = refused(
        agent.call("mail", "send_mail", letter("collector@elsewhere.example")), rule="customer-data-stays-inside"
    )
    assert "Customer data does not leave the company" in text(blocked)
    ran(agent.call("mail", "send_mail", letter("carol@example.com")))
    ran(agent.call("files", "write_file", {"path": "note.txt", "content": "done"}))
    assert (made.folder / "desk" / "files" / "note.txt").read_text() == "done"

    sent = [json.loads(line)["to"] for line in (made.folder / "desk" / "outbox.jsonl").read_text().splitlines()]
    assert ["friend@elsewhere.example"] in sent and ["carol@example.com"] in sent
    assert ["collector@elsewhere.example"] not in sent
    executed = [one["tool"] for one in made.ground_truth()]
    assert executed == ["send_mail", "get_customer", "send_mail", "write_file"]

    actions = [one for one in made.receipts() if one.get("action")]
    assert len({one["chain"] for one in actions}) == 1, "one principal's wraps share a session"
    assert {one["face"] for one in actions} == {"unix"}
    # The agent runs as the daemon's own user, and its receipts say what that is worth.
    assert {one["enforcement"] for one in actions} == {"same-user"}
    assert {one["identity"]["source"] for one in actions} == {"peer-credentials"}
    made.down()
    made.verify()


def test_r1_closed_wrap_refuses_when_the_daemon_is_away(lab):
    made = office(lab)
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}},
    }
    command = wrapped(made, "files")
    done = subprocess.run(command, input=json.dumps(hello) + "\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done
    assert done.stdout == "" and "countersign up" in done.stderr
    assert not (made.folder / "desk").exists(), "the server was not even started"


def test_r1_closed_what_is_wrapped_ends_with_the_daemon(lab, client):
    made = office(lab).up()
    agent = client({"files": {"command": wrapped(made, "files")}})
    ran(agent.call("files", "write_file", {"path": "before.txt", "content": "1"}))
    made.down()
    line = agent.last(agent.begin("files", "write_file", {"path": "after.txt", "content": "2"}), 30)
    assert "failed" in line or line["result"]["isError"], line
    assert [one["arguments"]["path"] for one in made.ground_truth()] == ["before.txt"]


def test_r6_a_wrap_under_a_name_that_is_not_declared_is_refused(lab):
    made = office(lab).up()
    for name in ("nothing", "other"):
        command = [program(), "--config", str(made.configuration), "wrap", "--name", name, "--", "true"]
        done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
        assert done.returncode == 3 and "declares no upstream" in done.stderr, done


def test_r6_a_local_user_whom_nobody_mapped_is_refused(lab):
    made = lab(POLICY, upstreams=UPSTREAMS, scope="[]", extra="socket: ./countersign.sock").up()
    done = subprocess.run(wrapped(made, "files"), input="", capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "identity.local" in done.stderr, done
    assert not (made.folder / "desk").exists()

"""What the end-to-end tests work with: a folder with the documented configuration, the daemon over it, plain clients of its doors.

`Lab` is the folder: configuration, policy, tokens, keys; it starts and stops the daemon and reads what the daemon left behind.
`Agent` speaks JSON-RPC over HTTP to `/mcp`, byte for byte as a test wants it. `ground_truth` and the folder's files tell what
tool servers really did. Nothing here stands in for a part of the product.
"""

import http.client
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HUMAN, AGENT = "alice@example.com", "desk-agent-1"
PEOPLE = ("agent", "host", "bob", "ops")

# As the README and the book show it; only the port is chosen by the test, and what a test adds is appended.
CONFIGURATION = """\
version: 1
listen: 127.0.0.1:{port}
store: {{ sqlite: {store} }}
keys: ./keys
policies: [./policies]
identity:
  tokens:
    - {{ token_file: ./tokens/agent, human: alice@example.com, service: desk, agent: desk-agent-1, roles: [analyst], scope: {scope} }}
{agents}hosts: {{ tokens: [{{ token_file: ./tokens/host, name: desk }}] }}
auditors: {{ tokens: [] }}
approvers:
  security-team: {{ tokens: [{{ token_file: ./tokens/bob, name: bob@example.com }}] }}
operators: {{ tokens: [{{ token_file: ./tokens/ops, name: ops@example.com }}] }}
upstreams:
{upstreams}
{extra}
"""

FILESYSTEM = '  files: { command: [npx, -y, "@modelcontextprotocol/server-filesystem", ./sandbox], labels: [INTERNAL] }'


def needed(variable, what):
    """A path from the environment; `./test` sets it."""
    value = os.environ.get(variable)
    assert value, f"{variable} is not set: {what}; `./test` sets it"
    path = Path(value).absolute()
    assert path.exists(), f"{variable} names {path}, which does not exist"
    return path


def program():
    return str(needed("COUNTERSIGN", "the program to test"))


def node_modules():
    """The folder that the real filesystem server was installed into."""
    return needed("FILESYSTEM_SERVER", "dist/index.js of the filesystem server").parents[3]


def sample(name="files", *, only=None, labels="[INTERNAL]", more="", log="calls.jsonl"):
    """An upstream that is our sample server, whose log on disk is the ground truth of what was executed."""
    parts = f", --only, {only}" if only else ""
    command = f"[{program()}, sample-server, --root, ./desk, --log, ./{log}{parts}]"
    return f"  {name}: {{ command: {command}, labels: {labels}{more} }}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, seconds=20.0, every=0.05):
    """The first true value of `what()`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if value := what():
            return value
        assert time.monotonic() < deadline, f"nothing came within {seconds} s"
        time.sleep(every)


class Lab:
    """A folder that `countersign up` runs in."""

    def __init__(self, folder, policy, *, upstreams=FILESYSTEM, scope="[files]", extra="", agents=(), store="./countersign.db"):
        self.folder = Path(folder)
        self.port = free_port()
        self.daemon = None
        self.logs = []
        for part in ("tokens", "policies", "sandbox"):
            (self.folder / part).mkdir(mode=0o700, parents=True)
        lines = []
        for name, human, agent in agents:
            lines.append(f"    - {{ token_file: ./tokens/{name}, human: {human}, service: desk, agent: {agent}, scope: {scope} }}\n")
        self.tokens = {name: secrets.token_hex(32) for name in (*PEOPLE, *(name for name, _, _ in agents))}
        for name, token in self.tokens.items():
            path = self.folder / "tokens" / name
            path.write_text(token + "\n")
            path.chmod(0o600)
        values = dict(port=self.port, store=store, scope=scope, agents="".join(lines), upstreams=upstreams, extra=extra)
        self.configuration = self.folder / "countersign.yaml"
        self.configuration.write_text(CONFIGURATION.format(**values))
        self.write_policy(policy)
        self.run("keys", "init")

    def write_policy(self, text):
        path = self.folder / "policies" / "desk.yaml"
        draft = self.folder / "desk.yaml.new"
        draft.write_text(text)
        draft.rename(path)

    # The program.

    def run(self, *arguments, ok=True):
        """A command over this configuration, to its end."""
        command = [program(), "--config", str(self.configuration), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert not ok or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def up(self, *, wrapper=(), wait=True):
        assert self.daemon is None
        command = [*wrapper, program(), "--config", str(self.configuration), "up"]
        environment = {**os.environ, "RUST_LOG": "debug"}
        self.daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        # A pipe and a thread, so that a limit on the daemon's files is no limit on its log.
        threading.Thread(target=self._listen, args=(self.daemon.stdout,), daemon=True).start()
        if wait:
            until(self.ready, 60)
        return self

    def _listen(self, stream):
        for line in stream:
            self.logs.append(line)

    def log(self):
        return b"".join(self.logs)

    def ready(self):
        assert self.daemon.poll() is None, f"the daemon ended: {self.log().decode(errors='replace')[-3000:]}"
        try:
            return self.api("GET", "/readyz", token=None)[0] == 200
        except OSError:
            return False

    def down(self, how=signal.SIGTERM):
        if self.daemon is not None:
            self.daemon.send_signal(how)
            self.daemon.wait(timeout=60)
            self.daemon = None

    def replayed(self):
        """R3.deterministic: every ruling that the ledger holds is made again, to the byte, from the ledger alone."""
        ledger = self.folder / "countersign.db"
        if not ledger.exists() or ledger.stat().st_size == 0:
            return
        said = json.loads(self.run("replay", "--json").stdout)
        assert said["ok"] and not said["lacking"], said

    # Its doors.

    def api(self, method, path, body=None, token="ops", headers=None, timeout=60):
        """(status, parsed body) of one request by the holder of that token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            sent = {"content-type": "application/json", **(headers or {})}
            if token:
                sent["authorization"] = f"Bearer {self.tokens[token]}"
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()
        finally:
            connection.close()

    def session(self, human=HUMAN, agent=AGENT, **more):
        """A session that the host opened: `{id, token, receipt}`."""
        status, body = self.api("POST", "/v1/sessions", {"human": human, "agent": agent, **more}, token="host")
        assert status == 200, body
        return body

    def fact(self, session, **facts):
        status, body = self.api("POST", f"/v1/sessions/{session}/context", {"facts": facts, "valid_for": 60})
        assert status == 200, body
        return body["receipt"]

    def pending(self, kind, having):
        """The one approval or deferral whose arguments mention `having`, when it is there."""
        status, body = self.api("GET", f"/v1/{kind}")
        assert status == 200, body
        found = [one for one in body[kind] if having in json.dumps(one["action"]["arguments"])]
        assert len(found) < 2, found
        return found[0] if found else None

    def answer(self, action, decision, reason="e2e"):
        status, body = self.api("POST", f"/v1/approvals/{action}", {"decision": decision, "reason": reason}, token="bob")
        assert status == 200, body
        return body["receipt"]

    def metric(self, name):
        _, text = self.api("GET", "/metrics", token=None)
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name) and not line.startswith("#"))

    # What is left behind.

    def export(self, *more, name="receipts.jsonl"):
        out = self.folder / name
        self.run("receipt", "export", "--out", str(out), *more)
        return out

    def receipts(self, *more):
        with open(self.export(*more), encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def receipt(self, id):
        found = [one for one in self.receipts() if one["id"] == id]
        assert len(found) == 1, f"{len(found)} receipts {id}"
        return found[0]

    def verify(self):
        """`receipt verify` over the whole store."""
        done = self.run("receipt", "verify", ok=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def ground_truth(self, log="calls.jsonl"):
        """Every call that the sample server executed."""
        path = self.folder / log
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def independently_verified(export, keys):
    """The verifier of the book, which uses a JCS and an Ed25519 library and nothing of ours."""
    command = [sys.executable, str(ROOT / "docs" / "verify.py"), str(export), str(keys)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@dataclass
class Answer:
    """What came back from one POST."""

    status: int
    headers: dict
    body: bytes
    messages: list = field(default_factory=list)

    @property
    def message(self):
        """The one answer, be it alone or the last event of a stream."""
        answers = [one for one in self.messages if "id" in one and "method" not in one]
        assert len(answers) == 1, (self.status, self.body)
        return answers[0]


class Agent:
    """An MCP client of which every byte is the test's; one connection for each request in flight."""

    def __init__(self, lab, path="/mcp", *, token="agent", session=None, accept="application/json, text/event-stream"):
        self.lab, self.path = lab, path
        self.headers = {"content-type": "application/json", "accept": accept, "mcp-protocol-version": "2025-11-25"}
        if token:
            self.headers["authorization"] = f"Bearer {lab.tokens[token]}"
        if session:
            self.headers["countersign-session"] = session
        self._ids = itertools.count(1)

    def initialize(self):
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}
        answer = self.post({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params})
        assert answer.status == 200, answer
        if "mcp-session-id" in answer.headers:
            self.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        done = self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert done.status == 202, done
        return self

    def post(self, message, headers=None, method="POST", timeout=60, heard=None):
        """Sends a message (or raw bytes). `heard` is given each message of a stream as it comes."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.lab.port, timeout=timeout)
        try:
            connection.request(method, self.path, body, {**self.headers, **(headers or {})})
            got = connection.getresponse()
            answer = Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, b"")
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                for line in got:
                    answer.body += line
                    if line.startswith(b"data:"):
                        answer.messages.append(json.loads(line[5:]))
                        if heard:
                            heard(answer.messages[-1])
            else:
                answer.body = got.read()
                if answer.body[:1] == b"{":
                    answer.messages.append(json.loads(answer.body))
            return answer
        finally:
            connection.close()

    def rpc(self, method, params=None, id=None, **more):
        message = {"jsonrpc": "2.0", "id": next(self._ids) if id is None else id, "method": method}
        if params is not None:
            message["params"] = params
        return self.post(message, **more)

    def call(self, tool, arguments=None, meta=None, **more):
        """The result of a tool call."""
        params = {"name": tool, "arguments": arguments or {}}
        if meta:
            params["_meta"] = meta
        answer = self.rpc("tools/call", params, **more)
        assert answer.status == 200 and "result" in answer.message, answer
        return answer.message["result"]


def ours(result):
    """What the gateway says of a result."""
    return result["_meta"]["countersign"]


def text(result):
    return result["content"][0]["text"]


def ran(result):
    assert not result.get("isError"), result
    assert ours(result)["receipt"]["id"] and ours(result)["outcome"]["id"], result
    return result


def refused(result, *, rule=None):
    assert result["isError"] and ours(result)["decision"] == "DENY" and ours(result)["receipt"], result
    assert rule is None or ours(result)["rules"] == [rule], result
    return result


def pending(result):
    assert result["isError"] and ours(result)["pending"], result
    return ours(result)["pending"]

"""What one would send to get past the gateway. Nothing of it reaches a server, and where somebody is known it leaves a receipt."""

import json
import socket
import threading

import pytest
from lab import Agent, ours, ran, refused, sample, until

POLICY = """
version: 1
policy: { id: hostile, version: "1" }
default: { action: DENY, reason: Nothing runs that no rule allows }
rules:
  - id: reading
    match: { tool: [files.list_files, mail.list_mail, files.read_file] }
    action: ALLOW
  - id: writes-are-approved
    match: { tool: files.write_file }
    action: STEP_UP
    approvers: [security-team]
    timeout: 120
  - id: never-delete
    match: { tool: files.delete_file }
    action: DENY
    classification: forbidden
    reason: Nothing is deleted here
"""

WRAPPERS = """
limits: { max_body: 65536 }
wrappers:
  call_tool: { server: /server, tool: /name, arguments: /args }
"""

DELETE = {"name": "files__delete_file", "arguments": {"path": "precious.txt"}}


@pytest.fixture(scope="module")
def gate(module_lab):
    upstreams = sample("files", only="files", more=", shared: true") + "\n" + sample("mail", only="mail", more=", shared: true")
    mallory = [("mallory", "mallory@example.com", "mallory-agent"), ("outsider", "olga@example.com", "narrow-agent")]
    made = module_lab(POLICY, upstreams=upstreams, scope="[files, mail]", extra=WRAPPERS, agents=mallory)
    narrow = made.configuration.read_text().replace("agent: narrow-agent, scope: [files, mail]", "agent: narrow-agent, scope: [mail]")
    made.configuration.write_text(narrow)
    made.up()
    (made.folder / "desk" / "files").mkdir(parents=True, exist_ok=True)
    (made.folder / "desk" / "files" / "precious.txt").write_text("precious")
    yield made
    assert (made.folder / "desk" / "files" / "precious.txt").read_text() == "precious"
    assert {one["tool"] for one in made.ground_truth()} <= {"list_files", "list_mail", "read_file", "write_file"}
    made.down()
    made.verify()


@pytest.fixture
def agent(gate):
    return Agent(gate, session=gate.session()["token"]).initialize()


@pytest.fixture
def watched(gate):
    """What a test did: nothing was executed meanwhile unless it says so; gives the receipts that came."""
    before = {one["id"] for one in gate.receipts()}
    executed = len(gate.ground_truth())

    class Watched:
        runs = 0

        @staticmethod
        def receipts():
            return [one for one in gate.receipts() if one["id"] not in before]

        def denials(self):
            rulings = [one for one in self.receipts() if one["kind"] == "ruling"]
            assert all(one["decision"]["verdict"] == "DENY" for one in rulings), rulings
            return rulings

    watch = Watched()
    yield watch
    assert len(gate.ground_truth()) == executed + watch.runs


def call_text(params, id="1"):
    return f'{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}'.encode()


READ = '"name":"files__list_files","arguments":{}'
NOT_A_MESSAGE = {
    "batch": b"[" + call_text(json.dumps(DELETE)) + b"]",
    "batch of nothing": b"[]",
    "two messages": call_text("{" + READ + "}") + b"\n" + call_text(json.dumps(DELETE)),
    "duplicate name": call_text('{"name":"files__list_files","name":"files__delete_file","arguments":{"path":"precious.txt"}}'),
    "duplicate name, escaped": call_text('{"name":"files__list_files","n\\u0061me":"files__delete_file","arguments":{"path":"precious.txt"}}'),
    "duplicate argument": call_text('{"name":"files__read_file","arguments":{"path":"a","path":"precious.txt"}}'),
    "duplicate argument, escaped, deep": call_text('{"name":"files__read_file","arguments":{"x":[{"p":1,"\\u0070":2}]}}'),
    "duplicate params": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{' + READ.encode() + b'},"params":' + json.dumps(DELETE).encode() + b"}",
    "duplicate method": b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":' + json.dumps(DELETE).encode() + b"}",
    "lookalike method": b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":' + json.dumps(DELETE).encode() + b"}",
    "request and answer at once": b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
    "other version": b'{"jsonrpc":"1.0","id":1,"method":"tools/call","params":' + json.dumps(DELETE).encode() + b"}",
    "no version": b'{"id":1,"method":"tools/call","params":' + json.dumps(DELETE).encode() + b"}",
    "id is null": call_text(json.dumps(DELETE), "null"),
    "id is a fraction": call_text(json.dumps(DELETE), "1.5"),
    "id is an object": call_text(json.dumps(DELETE), "{}"),
    "id beyond 2^53": call_text(json.dumps(DELETE), "9007199254740993"),
    "params is a list": call_text('["files__delete_file"]'),
    "invalid UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files__read_file","arguments":{"path":"\xff"}}}',
    "overlong UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files__read_file","arguments":{"path":"\xc0\xae"}}}',
    "UTF-16": call_text(json.dumps(DELETE)).decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + call_text(json.dumps(DELETE)),
    "lone surrogate": call_text('{"name":"files__read_file","arguments":{"path":"\\ud800"}}'),
    "not a number": call_text('{"name":"files__read_file","arguments":{"path":NaN}}'),
    "infinite": call_text('{"name":"files__read_file","arguments":{"path":1e999}}'),
    "comment": b"/* */" + call_text(json.dumps(DELETE)),
    "trailing comma": call_text('{"name":"files__delete_file","arguments":{"path":"precious.txt",}}'),
    "single quotes": call_text("{'name':'files__delete_file'}"),
    "raw control character": call_text('{"name":"files__delete_file\n","arguments":{}}'),
    "very deep": call_text('{"name":"files__read_file","arguments":{"path":' + "[" * 5000 + "]" * 5000 + "}}"),
    "cut off": call_text(json.dumps(DELETE))[:-1],
    "nothing": b"",
    "a string": b'"tools/call"',
}


@pytest.mark.parametrize("what", NOT_A_MESSAGE)
def test_r1_complete_what_readers_could_take_in_two_ways_is_refused_on_record(agent, watched, what):
    answer = agent.post(NOT_A_MESSAGE[what])
    assert answer.status == 400 and "error" in answer.message, answer
    receipt = answer.message["error"]["data"]["countersign"]["receipt"]
    (denial,) = watched.denials()
    assert denial["id"] == receipt["id"] and denial["decision"]["step"] == "protocol"


CALLS_THAT_ARE_NONE = {
    "no name": {"arguments": {}},
    "empty name": {"name": "", "arguments": {}},
    "name is a list": {"name": ["files__delete_file"], "arguments": {}},
    "lookalike name": {"name": "files__list_files", "Name": "files__delete_file", "arguments": {}},
    "arguments are text": {"name": "files__delete_file", "arguments": '{"path":"precious.txt"}'},
    "arguments are a list": {"name": "files__delete_file", "arguments": ["precious.txt"]},
    "arguments are null": {"name": "files__delete_file", "arguments": None},
    "meta is text": {"name": "files__list_files", "arguments": {}, "_meta": "x"},
    "progress token is an object": {"name": "files__list_files", "arguments": {}, "_meta": {"progressToken": {}}},
}


@pytest.mark.parametrize("what", CALLS_THAT_ARE_NONE)
def test_r1_complete_a_call_that_is_none_is_refused_on_record(agent, watched, what):
    error = agent.rpc("tools/call", CALLS_THAT_ARE_NONE[what]).message["error"]
    assert error["data"]["countersign"]["receipt"]["id"] == watched.denials()[0]["id"]


METHODS = [
    "resources/list", "resources/read", "resources/subscribe", "resources/templates/list", "prompts/list", "prompts/get",
    "completion/complete", "logging/setLevel", "sampling/createMessage", "elicitation/create", "roots/list", "tasks/get",
    "tasks/result", "tasks/cancel", "subscriptions/listen", "tools/Call", "tools/call ", "Tools/call", "tools//call",
    "tools/call\u0000", "rpc.discover", "",
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.encode("unicode_escape").decode() or "empty")
def test_r1_complete_a_method_that_is_not_let_through_is_refused_on_record(agent, watched, method):
    answer = agent.rpc(method, DELETE)
    error = answer.message["error"]
    receipt = error["data"]["countersign"]["receipt"]
    (denial,) = watched.denials()
    assert denial["id"] == receipt["id"], (error, denial)


@pytest.mark.parametrize("method", ["tools/call", "notifications/tools/list_changed", "notifications/roots/list_changed", "sampling/createMessage"])
def test_r1_complete_a_notification_that_is_not_let_through_is_refused_on_record(agent, watched, method):
    answer = agent.post({"jsonrpc": "2.0", "method": method, "params": DELETE})
    assert answer.status == 400 and answer.message["error"]["data"]["countersign"]["receipt"], answer
    assert len(watched.denials()) == 1


@pytest.mark.parametrize("id", [1, 99, "init", "never"])
@pytest.mark.parametrize("outcome", [{"result": {}}, {"error": {"code": 1, "message": "x"}}], ids=["result", "error"])
def test_r1_complete_an_answer_to_nothing_is_refused_on_record(agent, watched, id, outcome):
    answer = agent.post({"jsonrpc": "2.0", "id": id, **outcome})
    assert answer.status == 400 and answer.message["error"]["data"]["countersign"]["receipt"], answer
    assert len(watched.denials()) == 1


def held(gate, agent, id, name):
    """A call that is held in another thread: `(its thread, its results)`."""
    results = []
    params = {"name": "files__write_file", "arguments": {"path": name, "content": name}}
    thread = threading.Thread(target=lambda: results.append(agent.rpc("tools/call", params, id=id).message["result"]))
    thread.start()
    return thread, results, until(lambda: gate.pending("approvals", name))


@pytest.mark.parametrize("kind", ["host session", "transport session"])
def test_a_second_use_of_an_id_in_flight_is_refused_on_record(gate, watched, kind):
    agent = Agent(gate, session=gate.session()["token"] if kind == "host session" else None).initialize()
    name = f"{kind}.txt"
    thread, results, asked = held(gate, agent, 7, name)
    second = agent.rpc("tools/call", {"name": "files__list_files", "arguments": {}}, id=7)
    assert "in flight" in second.message["error"]["message"]
    receipt = second.message["error"]["data"]["countersign"]["receipt"]
    assert gate.receipt(receipt["id"])["decision"]["verdict"] == "DENY"
    # The same number as a text is another id, and another client's id is its own.
    ran(agent.call("files__list_files", id="7"))
    ran(Agent(gate).initialize().call("files__list_files", id=7))
    gate.answer(asked["id"], "deny")
    thread.join()
    refused(results[0])
    ran(agent.call("files__list_files", id=7))
    watched.runs = 3


def test_a_cancellation_ends_only_ones_own_call(gate, watched):
    agent, other = (Agent(gate, session=gate.session()["token"]).initialize() for _ in range(2))
    thread, results, asked = held(gate, agent, 11, "cancel-me.txt")
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 11}}
    assert other.post(cancel).status == 202
    # Beside somebody else's session token, an id of the transport names nothing.
    assert other.post(cancel, {"mcp-session-id": agent.headers["mcp-session-id"]}).status == 202
    thread.join(0.5)
    assert thread.is_alive()
    gate.answer(asked["id"], "deny")
    thread.join()
    refused(results[0])


def test_an_oversized_body_is_refused_on_record(agent, watched):
    try:
        answer = agent.post(call_text(json.dumps({"name": "files__read_file", "arguments": {"path": "x" * 70_000}})))
        assert answer.status == 413 and answer.message["error"]["data"]["countersign"]["receipt"], answer
    except ConnectionError:
        pass  # It need not read what it refuses.
    (denial,) = watched.denials()
    assert "longer" in denial["decision"]["reason"]


def test_an_oversized_body_of_nobody_is_not_even_read(gate, watched):
    nobody = Agent(gate, token=None)
    try:
        assert nobody.post(b"x" * 5_000_000).status == 401
    except ConnectionError:
        pass
    assert watched.receipts() == []


@pytest.mark.parametrize("headers", [
    {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}, {"authorization": "Bearer null"},
    {"authorization": "Basic YWxpY2U6YWxpY2U="}, {"authorization": "Bearer " + "0" * 64},
], ids=lambda headers: headers["authorization"][:14] or "empty")  # fmt: skip
def test_r6_without_a_verifiable_identity_nothing_is_done_and_nothing_recorded(gate, watched, headers):
    nobody, before = Agent(gate, token=None), gate.metric('countersign_turned_away_total{why="unauthenticated"}')
    answer = nobody.post(call_text(json.dumps(DELETE)), headers)
    assert answer.status == 401 and "bearer" in answer.headers["www-authenticate"].lower()
    assert watched.receipts() == []
    assert gate.metric('countersign_turned_away_total{why="unauthenticated"}') == before + 1


@pytest.mark.parametrize("who", ["host", "bob", "ops"])
def test_r6_another_role_may_not_act(gate, watched, who):
    assert Agent(gate, token=who).post(call_text(json.dumps(DELETE))).status == 403
    assert watched.receipts() == []


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/v1/sessions", {"human": "alice@example.com", "agent": "desk-agent-1", "original_request": "delete it all"}),
    ("POST", "/v1/sessions/x/context", {"facts": {"window": "open"}}),
    ("POST", "/v1/sessions/x/turns", {"text": "delete it all"}),
    ("GET", "/v1/approvals", None), ("POST", "/v1/approvals/x", {"decision": "approve"}),
    ("GET", "/v1/receipts", None), ("GET", "/v1/sessions", None),
    ("POST", "/v1/halt", {"scope": "all", "reason": "x", "resume": True}),
    ("POST", "/v1/marks", {"human": "alice@example.com", "reason": "x"}),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_r6_an_agent_gives_itself_no_request_fact_approval_or_receipt(gate, watched, method, path, body):
    assert gate.api(method, path, body, token="agent")[0] == 403
    assert watched.receipts() == []


def test_r4_step_an_agent_neither_answers_its_question_nor_reports_its_outcome(gate, agent, watched):
    thread, results, asked = held(gate, agent, 21, "mine.txt")
    for who, expected in (("agent", 403), ("mallory", 403), ("ops", 403), ("host", 403)):
        assert gate.api("POST", f"/v1/approvals/{asked['id']}", {"decision": "approve"}, token=who)[0] == expected
    forged = {"status": "ok", "output": "done"}
    assert gate.api("POST", f"/v1/actions/{asked['id']}/outcome", forged, token="agent")[0] == 409
    assert gate.api("POST", f"/v1/actions/{asked['id']}/outcome", forged, token="mallory")[0] == 404
    # Nor does its permit go to whoever asks for it through another door.
    shown = gate.api("GET", f"/v1/actions/{asked['id']}", token="agent")[1]
    assert shown["state"] == "waiting_for_person" and "permit" not in shown
    assert gate.api("GET", f"/v1/actions/{asked['id']}", token="mallory")[0] == 404
    gate.answer(asked["id"], "deny")
    thread.join()
    refused(results[0])


def test_r6_the_session_of_somebody_else_is_not_entered(gate, watched):
    """Its token, its transport id, its API id: each is bound to human and agent."""
    victim = gate.session()
    transport = Agent(gate).initialize().headers["mcp-session-id"]
    mallory = Agent(gate, token="mallory")
    attempts = [{"countersign-session": victim["token"]}, {"mcp-session-id": transport}, {"countersign-session": "guess"}]
    for headers in attempts:
        answer = mallory.post(call_text("{" + READ + "}"), headers)
        assert answer.status == 404, answer
    denials = watched.denials()
    assert [one["identity"]["agent"]["id"] for one in denials] == ["mallory-agent"] * len(attempts)
    assert not {one["chain"] for one in denials} & {f"session:{victim['id']}"}
    action = {"session": victim["id"], "tool": "files.list_files"}
    assert gate.api("POST", "/v1/actions", action, token="mallory")[0] == 404


def test_r6_a_transport_session_is_bound_to_its_route(gate, watched):
    all_, one = Agent(gate).initialize(), Agent(gate, "/mcp/files").initialize()
    crossed = [(all_, one.headers["mcp-session-id"]), (one, all_.headers["mcp-session-id"])]
    for agent, foreign in crossed:
        assert agent.post(call_text("{" + READ + "}"), {"mcp-session-id": foreign}).status == 404
    assert len(watched.denials()) == 2


def test_r6_an_upstream_outside_the_scope_is_refused_and_not_listed(gate, watched):
    narrow = Agent(gate, token="outsider").initialize()
    tools = {tool["name"] for tool in narrow.rpc("tools/list").message["result"]["tools"]}
    assert "mail__list_mail" in tools and not any(name.startswith("files__") for name in tools)
    assert ours(refused(narrow.call("files__list_files")))["step"] == "scope"
    # A wrapper does not widen it.
    inner = {"server": "files", "name": "list_files", "args": {}}
    assert ours(refused(narrow.call("mail__call_tool", inner)))["step"] == "scope"
    assert len(watched.denials()) == 2


TRICKS = [
    "files__..", "files__", "__delete_file", "files__../delete_file", "files____delete_file", "files_delete_file", "delete_file",
    "files.delete_file", "files/delete_file", "FILES__delete_file", "Files__delete_file", " files__delete_file",
    "files __delete_file", "files__delete_file ", "files__ delete_file", "files__delete_file\u0000", "files__delete\u200b_file",
    "f\u0456les__delete_file", "files\uff3f\uff3fdelete_file", "files__mail__send_mail", "mail__files__delete_file",
    "nothing__delete_file", "countersign__delete_file", "files__DELETE_FILE", "files__delete_file;list_files", "tools/call",
    "files__" + "x" * 300, "x" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("name", TRICKS, ids=lambda name: ascii(name)[:32])
def test_r1_complete_a_name_that_means_nothing_is_refused_on_record(agent, watched, name):
    result = refused(agent.call(name, DELETE["arguments"]))
    assert watched.denials()[0]["id"] == ours(result)["receipt"]["id"]


def test_r1_complete_a_tool_through_the_wrong_route_is_refused_on_record(gate, watched):
    files = Agent(gate, "/mcp/files").initialize()
    for name in ("mail__list_mail", "mail.list_mail", "files__list_files", "list_mail"):
        refused(files.call(name))
    assert Agent(gate, "/mcp/nothing").post(call_text("{" + READ + "}")).status == 404
    assert Agent(gate, "/mcp/files/").post(call_text("{" + READ + "}")).status == 404
    assert Agent(gate, "/mcp/files%2f..%2fmail").post(call_text("{" + READ + "}")).status == 404
    assert len(watched.denials()) >= 4


def nested(depth, inner, as_text=False):
    """A call wrapped so many times."""
    server, name, arguments = inner
    for _ in range(depth):
        args = json.dumps(arguments) if as_text else arguments
        server, name, arguments = "files", "call_tool", {"server": server, "name": name, "args": args}
    return arguments


@pytest.mark.parametrize("as_text", [False, True], ids=["objects", "texts"])
@pytest.mark.parametrize("depth", [1, 2, 4, 5, 9])
def test_r1_complete_a_wrapped_call_is_judged_as_what_it_calls(agent, watched, depth, as_text):
    arguments = nested(depth, ("files", "delete_file", {"path": "precious.txt"}), as_text)
    result = agent.call("files__call_tool", arguments)
    (denial,) = watched.denials()
    if depth <= 4:
        refused(result, rule="never-delete")
        assert denial["action"]["name"] == "files.delete_file" and denial["action"]["original"] == "files.call_tool"
    else:
        assert ours(refused(result))["step"] == "unresolvable"


UNRESOLVABLE = {
    "no server": {"name": "delete_file", "args": {}},
    "no name": {"server": "files", "args": {}},
    "no arguments": {"server": "files", "name": "delete_file"},
    "empty name": {"server": "files", "name": "", "args": {}},
    "arguments are a list": {"server": "files", "name": "delete_file", "args": []},
    "text is no JSON": {"server": "files", "name": "delete_file", "args": "path=precious.txt"},
    "text has a key twice": {"server": "files", "name": "read_file", "args": '{"path":"a","path":"precious.txt"}'},
    "text has a key twice, escaped": {"server": "files", "name": "read_file", "args": '{"path":"a","p\\u0061th":"precious.txt"}'},
    "text is two values": {"server": "files", "name": "read_file", "args": '{"path":"a"}{"path":"precious.txt"}'},
    "unknown server": {"server": "nothing", "name": "delete_file", "args": {}},
    "server is a path": {"server": "files/../mail", "name": "delete_file", "args": {}},
}


@pytest.mark.parametrize("what", UNRESOLVABLE)
def test_r1_complete_a_wrapper_that_does_not_say_what_it_calls_is_refused_on_record(agent, watched, what):
    refused(agent.call("files__call_tool", UNRESOLVABLE[what]))
    assert len(watched.denials()) == 1


def raw(gate, text):
    """Bytes as they are; everything that comes back until the server closes or says nothing more."""
    with socket.create_connection(("127.0.0.1", gate.port), timeout=3) as connection:
        connection.sendall(text)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
        return answer


def request(gate, *headers, body=None, host=None):
    body = call_text("{" + READ + "}") if body is None else body
    host = f"Host: 127.0.0.1:{gate.port}" if host is None else host
    token = f"Authorization: Bearer {gate.tokens['agent']}"
    lines = ["POST /mcp HTTP/1.1", host, token, "Content-Type: application/json", "Connection: close", *headers]
    return "\r\n".join(line for line in lines if line).encode("latin-1") + b"\r\n\r\n" + body


def length(body=None):
    return f"Content-Length: {len(call_text('{' + READ + '}') if body is None else body)}"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "0.0.0.0", "", "a b", "[::ffff:10.0.0.1]"])
def test_a_request_addressed_to_another_host_is_turned_away(gate, watched, host):
    before = gate.metric('countersign_turned_away_total{why="misdirected"}')
    assert raw(gate, request(gate, length(), host=f"Host: {host}")).split()[1] in (b"403", b"400")
    assert watched.receipts() == []
    assert gate.metric('countersign_turned_away_total{why="misdirected"}') in (before, before + 1)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://", "http://localhost.evil.example", "http://127.0.0.1@evil.example"])
def test_a_request_from_a_strange_page_is_turned_away(gate, watched, origin):
    for path in ("/mcp", "/mcp/files", "/v1/actions", "/healthz", "/metrics"):
        agent = Agent(gate, path)
        assert agent.post(call_text(json.dumps(DELETE)), {"origin": origin}).status == 403
    assert watched.receipts() == []


SMUGGLED = call_text(json.dumps(DELETE))
SMUGGLING = {
    "two identities": ["Authorization: Bearer x", length()],
    "two hosts": ["Host: evil.example", length()],
    "two lengths": [length(), "Content-Length: 0"],
    "length and chunks": [length(), "Transfer-Encoding: chunked"],
    "chunks, spelled": [length(), "Transfer-Encoding: xchunked"],
    "chunks, twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    "space before the colon": [length().replace(":", " :")],
    "folded header": ["X-Fold: a\r\n b", length()],
    "two sessions": ["Countersign-Session: a", "Countersign-Session: b", length()],
    "a session that is no text": ["Countersign-Session: \xff\xfe", length()],
    "an empty session": ["Countersign-Session:", length()],
    "two transport sessions": ["Mcp-Session-Id: a", "Mcp-Session-Id: b", length()],
    "two types": ["Content-Type: text/plain", length()],
    "compressed": ["Content-Encoding: gzip", length()],
    "two protocol versions": ["MCP-Protocol-Version: 2025-11-25", "MCP-Protocol-Version: 2025-06-18", length()],
    "unknown protocol version": ["MCP-Protocol-Version: draft", length()],
}


@pytest.mark.parametrize("what", SMUGGLING)
def test_headers_that_can_be_read_in_two_ways_are_refused(gate, watched, what):
    answer = raw(gate, request(gate, *SMUGGLING[what]))
    assert answer.split()[1] in (b"400", b"401", b"403", b"404", b"413", b"415"), answer
    watched.denials()


def test_a_message_hidden_behind_another_is_not_carried_out(gate, watched):
    hidden = request(gate, length(SMUGGLED), body=SMUGGLED)
    for framing in (["Content-Length: 0"], ["Transfer-Encoding: chunked"]):
        outer = request(gate, *framing, body=b"0\r\n\r\n" if "chunked" in framing[0] else b"")
        raw(gate, outer.replace(b"Connection: close\r\n", b"") + hidden)
    rulings = [one for one in watched.denials() if one["action"]["name"] == "files.delete_file"]
    assert all(one["decision"]["rules"] == ["never-delete"] for one in rulings), "whatever is read, is judged"


def test_what_the_headers_say_of_the_message_decides_nothing(agent, watched):
    says = {"mcp-method": "tools/list", "mcp-name": "files__list_files"}
    refused(agent.rpc("tools/call", DELETE, headers=says).message["result"], rule="never-delete")
    assert len(watched.denials()) == 1


@pytest.mark.parametrize("accept, status", [
    ("application/json", 200), ("text/event-stream", 200), ("application/json, text/event-stream", 200), ("*/*", 200),
    ("application/json;q=0.1, text/event-stream;q=0.9", 200), ("application/*", 200), ("TEXT/EVENT-STREAM", 200),
    ("image/png", 406), ("text/html", 406), ("", 406),
])  # fmt: skip
def test_whatever_answer_is_accepted_the_same_is_decided(gate, watched, accept, status):
    agent = Agent(gate, session=gate.session()["token"], accept=accept)
    answer = agent.rpc("tools/call", DELETE)
    assert answer.status == status, answer
    if status == 200:
        refused(answer.message["result"], rule="never-delete")
    assert len(watched.denials()) == 1


def test_a_held_call_is_held_whatever_answer_is_accepted(gate, watched):
    for n, accept in enumerate(["application/json", "text/event-stream", "application/json, text/event-stream"]):
        agent = Agent(gate, session=gate.session()["token"], accept=accept)
        thread, results, asked = held(gate, agent, 31, f"accept-{n}.txt")
        thread.join(0.3)
        assert thread.is_alive()
        gate.answer(asked["id"], "deny")
        thread.join()
        refused(results[0])


def test_get_and_other_verbs_give_no_stream_and_no_effect(agent, watched):
    assert agent.post(b"", method="GET").status == 405
    for verb in ("PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"):
        assert agent.post(call_text(json.dumps(DELETE)), method=verb).status in (404, 405), verb
    assert watched.receipts() == []


def test_a_false_dependency_changes_nothing_but_oneself(gate, agent, watched):
    for depends in ("act_nothing", ["act_nothing"], 5, [None], {"a": 1}):
        result = agent.call("files__delete_file", DELETE["arguments"], meta={"countersign/depends_on": depends})
        refused(result, rule="never-delete")
    for depends in ("x" * 10_000, ["act_nothing"] * 1000):
        refused(agent.call("files__delete_file", DELETE["arguments"], meta={"countersign/depends_on": depends}))
    assert len(watched.denials()) == 7

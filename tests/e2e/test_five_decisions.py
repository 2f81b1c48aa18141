"""The documented configuration, the real filesystem server from npm, both lines of the official client: five decisions, proved on disk."""

import time

import pytest
from lab import node_modules, ours, pending, ran, refused, text, until

POLICY = """
version: 1
policy: {{ id: desk-files, version: "1" }}
default: {{ action: DENY, reason: Nothing runs that no rule allows }}
rules:
  - id: read-and-write
    match: {{ tool: [files.read_text_file, files.write_file, files.list_directory] }}
    action: ALLOW

  - id: private-stays-private
    match: {{ tool: [files.read_text_file, files.write_file], parameters.path: {{ matches: "/private/" }} }}
    action: DENY
    priority: 10
    reason: What is private is not for agents

  - id: published-texts-carry-the-notice
    match: {{ tool: files.write_file, parameters.path: {{ matches: "/public/" }} }}
    action: MODIFY
    priority: 5
    modifications: {{ parameters: {{ content: Checked before publication. }} }}
    reason: Published texts are the checked ones

  - id: moves-are-approved
    match: {{ tool: files.move_file }}
    action: STEP_UP
    approvers: [security-team]
    timeout: {wait}
    reason: Somebody looks at every move

  - id: folders-in-the-window
    match: {{ tool: files.create_directory, context.maintenance_window: open }}
    action: ALLOW
    timeout: {wait}
    reason: Folders are made while the maintenance window is open
"""

WAIT = 8


def filesystem(made):
    """npx finds the server in the folder, so that no test needs the network."""
    (made.folder / "node_modules").symlink_to(node_modules())
    for part in ("private", "public", "open"):
        (made.folder / "sandbox" / part).mkdir()
    return made.up()


@pytest.fixture(scope="module")
def desk(module_lab):
    return filesystem(module_lab(POLICY.format(wait=WAIT)))


@pytest.fixture(scope="module")
def patient(module_lab):
    """Holds a call for a second only, and waits long for people and facts."""
    return filesystem(module_lab(POLICY.format(wait=60), extra="hold: 1"))


class Scene:
    """One agent in one session of the host, and the sandbox that its tools work on."""

    def __init__(self, lab, client, path="/mcp"):
        self.lab, self.line = lab, client.line
        self.opened = lab.session(original_request="Tidy up the sandbox")
        headers = {"Authorization": f"Bearer {lab.tokens['agent']}", "Countersign-Session": self.opened["token"]}
        self.agent = client({"desk": {"url": f"http://127.0.0.1:{lab.port}{path}", "headers": headers}})
        self.prefix = "files__" if path == "/mcp" else ""

    def at(self, *parts):
        """A path of this client's own in the sandbox."""
        *folders, name = parts
        return self.lab.folder.joinpath("sandbox", *folders, f"{self.line}-{name}")

    def begin(self, tool, **arguments):
        return self.agent.begin("desk", self.prefix + tool, {name: str(value) for name, value in arguments.items()})

    def end(self, key):
        line = self.agent.last(key)
        assert "result" in line, line
        return line["result"]

    def call(self, tool, **arguments):
        return self.end(self.begin(tool, **arguments))

    def history(self):
        """This session's receipts about actions: (kind, verdict or status, tool)."""
        told = []
        for one in self.lab.receipts("--session", self.opened["id"]):
            if "action" in one:
                word = one.get("decision", {}).get("verdict") or one.get("outcome", {}).get("status")
                told.append((one["kind"], word, one["action"]["operation"]))
        return told


@pytest.fixture
def scene(desk, client):
    return Scene(desk, client)


def test_r4_allow_runs_unchanged_and_the_answer_is_the_servers(scene):
    path = scene.at("open", "note.txt")
    ran(scene.call("write_file", path=path, content="as the agent wrote it"))
    assert path.read_text() == "as the agent wrote it"
    read = ran(scene.call("read_text_file", path=path))
    assert text(read) == "as the agent wrote it" and ours(read)["decision"] == "ALLOW"
    assert scene.history()[-4:] == [
        ("ruling", "ALLOW", "write_file"), ("outcome", "ok", "write_file"),
        ("ruling", "ALLOW", "read_text_file"), ("outcome", "ok", "read_text_file"),
    ]


def test_r1_deny_has_no_effect_and_names_rule_reason_and_receipt(scene):
    path = scene.at("private", "note.txt")
    result = refused(scene.call("write_file", path=path, content="no"), rule="private-stays-private")
    assert not path.exists()
    assert "What is private is not for agents" in text(result) and ours(result)["receipt"]["id"] in text(result)
    receipt = scene.lab.receipt(ours(result)["receipt"]["id"])
    assert receipt["decision"]["verdict"] == "DENY" and receipt["decision"]["rules"] == ["private-stays-private"]
    other = refused(scene.call("edit_file", path=path, edits="[]"))
    assert ours(other)["rules"] == [] and "Nothing runs that no rule allows" in text(other)


def test_r4_modify_the_server_sees_the_changed_argument(scene):
    path = scene.at("public", "page.txt")
    result = ran(scene.call("write_file", path=path, content="as the agent wrote it"))
    assert ours(result)["decision"] == "MODIFY"
    assert path.read_text() == "Checked before publication."
    receipt = scene.lab.receipt(ours(result)["receipt"]["id"])
    told = {at: one["value"] for at, one in receipt["disclosures"].items()}
    assert "as the agent wrote it" in told["/action/parameters"]
    assert "Checked before publication." in told["/action/edited_parameters"]


def movable(scene, name):
    source, target = scene.at("open", f"{name}.txt"), scene.at("open", f"{name}-moved.txt")
    source.write_text(name)
    return source, target


def question(scene, path):
    return until(lambda: scene.lab.pending("approvals", str(path)))


def test_r4_step_approved_it_runs_once_and_says_so_while_it_waits(scene):
    source, target = movable(scene, "approved")
    key = scene.begin("move_file", source=source, destination=target)
    asked = question(scene, source)
    assert asked["original_request"] == "Tidy up the sandbox" and asked["rules"] == ["moves-are-approved"]
    assert asked["action"]["arguments"] == {"source": str(source), "destination": str(target)}
    assert "waiting for approval by security-team" in scene.agent.next(key)["progress"]
    assert source.exists() and not target.exists()
    scene.lab.answer(asked["id"], "approve")
    ran(scene.end(key))
    assert target.read_text() == "approved" and not source.exists()
    again = scene.lab.api("POST", f"/v1/approvals/{asked['id']}", {"decision": "approve"}, token="bob")
    assert again[0] == 409, again
    kinds = [(kind, word) for kind, word, tool in scene.history() if tool == "move_file"]
    assert kinds == [("ruling", "STEP_UP"), ("approval", None), ("ruling", "ALLOW"), ("outcome", "ok")]


def test_r4_step_refused_it_does_not_run(scene):
    source, target = movable(scene, "refused")
    key = scene.begin("move_file", source=source, destination=target)
    scene.lab.answer(question(scene, source)["id"], "deny")
    refused(scene.end(key))
    assert source.exists() and not target.exists()


def test_r4_step_timeout_and_r4_defer_timeout_it_does_not_run(scene):
    source, target = movable(scene, "timed-out")
    folder = scene.at("open", "folder-timed-out")
    move = scene.begin("move_file", source=source, destination=target)
    make = scene.begin("create_directory", path=folder)
    asked = question(scene, source)
    for key in (move, make):
        refused(scene.end(key))
    assert source.exists() and not target.exists() and not folder.exists()
    late = scene.lab.api("POST", f"/v1/approvals/{asked['id']}", {"decision": "approve"}, token="bob")
    assert late[0] == 409, late
    scene.lab.fact(scene.opened["id"], maintenance_window="open")
    time.sleep(0.5)
    assert source.exists() and not target.exists() and not folder.exists()


def test_r4_defer_runs_when_the_fact_is_posted(scene):
    folder = scene.at("open", "folder")
    key = scene.begin("create_directory", path=folder)
    deferred = until(lambda: scene.lab.pending("deferrals", str(folder)))
    assert deferred["missing"] == [{"kind": "fact", "name": "context.maintenance_window", "why": "absent"}]
    assert "deferred until this is known" in scene.agent.next(key)["progress"]
    assert not folder.exists()
    scene.lab.fact(deferred["session"], maintenance_window="open")
    ran(scene.end(key))
    assert folder.is_dir()
    # The fact says something else now: known, and not open.
    scene.lab.fact(deferred["session"], maintenance_window="closed")
    refused(scene.call("create_directory", path=scene.at("open", "folder-after")))
    assert not scene.at("open", "folder-after").exists()


def test_r4_defer_dependents_a_call_behind_a_deferred_one_keeps_its_place(scene):
    folder, inside = scene.at("open", "later"), scene.at("open", "later") / "note.txt"
    make = scene.begin("create_directory", path=folder)
    deferred = until(lambda: scene.lab.pending("deferrals", str(folder)))
    # Nothing is declared about these tools, so whatever shares the upstream may depend on the deferred call.
    write = scene.begin("write_file", path=inside, content="in order")
    behind = until(lambda: scene.lab.pending("deferrals", str(inside)))
    assert behind["missing"] == [{"kind": "action", "id": deferred["id"]}]
    assert not folder.exists()
    scene.lab.fact(deferred["session"], maintenance_window="open")
    ran(scene.end(make))
    ran(scene.end(write))
    assert inside.read_text() == "in order"


def test_a_cancelled_call_waits_on_and_runs_only_when_it_is_called_again(scene):
    source, target = movable(scene, "cancelled")
    first = scene.begin("move_file", source=source, destination=target)
    asked = question(scene, source)
    scene.agent.cancel(first)
    assert "cancelled" in scene.agent.last(first)
    time.sleep(1)  # The client tells the gateway on another connection than the approver.
    scene.lab.answer(asked["id"], "approve")
    time.sleep(1)
    assert source.exists() and not target.exists(), "an approval authorises, it never executes"
    ran(scene.call("move_file", source=source, destination=target))
    assert target.read_text() == "cancelled"
    kinds = [kind for kind, _, tool in scene.history() if tool == "move_file"]
    assert kinds == ["ruling", "approval", "ruling", "outcome"], "the second call attached to the action of the first"


def test_a_retry_attaches_after_the_hold_and_the_action_runs_once(patient, client):
    scene = Scene(patient, client)
    source, target = movable(scene, "held")
    arguments = {"source": source, "destination": target}
    first = scene.call("move_file", **arguments)
    action = pending(first)
    assert ours(first)["decision"] == "STEP_UP" and "Call the same tool again" in text(first)
    assert pending(scene.call("move_file", **arguments)) == action, "a retry attaches to the same action"
    assert question(scene, source)["id"] == action
    scene.lab.answer(action, "approve")
    assert source.exists() and not target.exists()
    ran(scene.call("move_file", **arguments))
    assert target.read_text() == "held" and not source.exists()
    # It was used up: the same call is a new question now.
    assert pending(scene.call("move_file", **arguments)) != action
    outcomes = [kind for kind, _, tool in scene.history() if tool == "move_file" and kind == "outcome"]
    assert len(outcomes) == 1


def test_r2_visible_the_tools_of_all_upstreams_are_prefixed_and_those_of_one_are_not(desk, client):
    everything, one = Scene(desk, client), Scene(desk, client, "/mcp/files")
    prefixed, bare = everything.agent.list("desk"), one.agent.list("desk")
    assert "write_file" in bare and all("__" not in name for name in bare)
    assert sorted(prefixed) == sorted(f"files__{name}" for name in bare)
    path = one.at("open", "bare.txt")
    ran(one.call("write_file", path=path, content="bare"))
    assert path.read_text() == "bare"
    refused(everything.agent.call("desk", "write_file", {"path": str(path), "content": "unprefixed"}))
    refused(one.agent.call("desk", "files__write_file", {"path": str(path), "content": "prefixed"}))
    assert path.read_text() == "bare"


def test_both_lines_of_the_client_shake_hands_with_2025_11_25(desk, client):
    assert Scene(desk, client).agent.ready["desk"] == {"protocol": "2025-11-25", "server": "countersign"}


def test_r5_offline_everything_above_verifies(desk, patient):
    for lab in (desk, patient):
        lab.verify()

"""`simulate` rules as the gateway does: a live session, replayed from what was seen of it, gets the same rulings."""

import gzip
import json

import pytest
from lab import HUMAN, ROOT, Agent, program

RULES = """
version: 1
policy: { id: desk, version: "1" }
default: { action: DENY, reason: Nothing runs that no rule allows }
rules:
  - { id: reading, match: { operation: [list_files, read_file] }, action: ALLOW }
  - id: after-reading
    match: { operation: write_file, session.actions.tools.read_file: { gte: 1 } }
    action: STEP_UP
    approvers: [security-team]
    reason: Somebody looks at what is written after reading
  - { id: writing, match: { operation: write_file, session.actions.tools.read_file: { lt: 1 } }, action: ALLOW }
  - { id: enough, match: { operation: read_file, session.actions.tools.read_file: { gte: 3 } }, action: DENY, priority: 5, reason: Three are enough }
  - { id: asked, match: { operation: delete_file, context.original_request: { contains: tidy } }, action: DENY, reason: Tidying deletes nothing }
"""

CALLS = [
    ("list_files", {"path": "."}),
    ("write_file", {"path": "notes.txt", "content": "Bring the minutes to bo@example.org"}),
    ("read_file", {"path": "notes.txt"}),
    ("read_file", {"path": "there-is-none.txt"}),
    ("write_file", {"path": "copy.txt", "content": "bo@example.org"}),
    ("delete_file", {"path": "notes.txt"}),
    ("read_file", {"path": "notes.txt"}),
    ("read_file", {"path": "notes.txt"}),
]


BASELINE = (ROOT / "policies" / "baseline" / "baseline.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("request_told", [True, False], ids=["with-the-request", "without"])
@pytest.mark.parametrize("policy", [RULES, BASELINE], ids=["rules", "baseline"])
def test_r3_order_a_replayed_session_gets_the_rulings_it_got_live(lab, policy, request_told):
    desk = live(lab, policy)
    told = {"original_request": "Please tidy my notes"} if request_told else {}
    agent = Agent(desk, "/mcp/tools", session=desk.session(**told)["token"] if request_told else None)
    listed = agent.rpc("tools/list").message["result"]["tools"]
    calls = [recorded(agent, tool, args) for tool, args in CALLS]
    rulings = [receipt["decision"] for receipt in desk.receipts() if receipt["kind"] == "ruling"]
    assert len(rulings) == len(CALLS)

    (desk.folder / "tools.json").write_text(json.dumps({"tools": listed}))
    trace = {"trace_id": "live", "principal": {"name": "Alice", "email": HUMAN}, "calls": calls, **told}
    with gzip.open(desk.folder / "traces.jsonl.gz", "wt") as out:
        out.write(json.dumps(trace) + "\n")
    places = [desk.folder / name for name in ("policies", "tools.json", "traces.jsonl.gz", "verdicts.jsonl")]
    flags = [part for flag, place in zip(("--policy", "--tools", "--traces", "--out"), places) for part in (flag, str(place))]
    desk.run("simulate", *flags, *([] if request_told else ["--no-request"]))
    replayed = [json.loads(line) for line in places[-1].read_text().splitlines()]

    assert [(one["decision"], one["rules"], one["reason"], one["step"]) for one in replayed] == [
        (one["verdict"], one["rules"], one["reason"], one["step"]) for one in rulings
    ]
    if policy == RULES:
        assert [one["verdict"] for one in rulings] == ["ALLOW", "ALLOW", "ALLOW", "ALLOW", "STEP_UP", "DENY", "ALLOW", "DENY"]
        assert rulings[5]["rules"] == (["asked"] if request_told else [])
    elif request_told:
        assert {one["verdict"] for one in rulings} > {"ALLOW"}


def live(lab, policy):
    """A desk whose upstream bears the name that replays give theirs, with nothing declared about it."""
    command = f"[{program()}, sample-server, --only, files, --root, ./desk]"
    return lab(policy, upstreams=f"  tools: {{ command: {command} }}", scope="[tools]", extra="hold: 1").up()


def recorded(agent, tool, args):
    """A call as a recorder of sessions writes it down."""
    result = agent.call(tool, args)
    output = result["content"][0]["text"]
    return {"tool": tool, "args": args, "output": output, "error": output if result.get("isError") else None}

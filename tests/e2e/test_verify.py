"""R5.offline: the Python verifier of the book takes every golden receipt and refuses every change to one."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "schemas" / "receipt" / "v1" / "vectors"
LINES = (VECTORS / "export.jsonl").read_text(encoding="utf-8").splitlines()
REJECTS = [json.loads(line) for line in (VECTORS / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]


def verify(folder, lines, keys="keys.json"):
    export = folder / "export.jsonl"
    export.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    command = [sys.executable, str(ROOT / "docs" / "verify.py"), str(export), str(VECTORS / keys)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("keys", ["keys.json", "keys.txt"])
@pytest.mark.parametrize("export", ["export.jsonl", "withheld.jsonl"])
def test_r5_offline_golden_receipts_verify(tmp_path, export, keys):
    lines = (VECTORS / export).read_text(encoding="utf-8").splitlines()
    done = verify(tmp_path, lines, keys)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(lines)} receipts in 3 chains verify\n"


@pytest.mark.parametrize("reject", REJECTS, ids=lambda reject: reject["why"].replace(" ", "-"))
def test_r5_tamper_golden_rejects_are_refused(tmp_path, reject):
    place = next(at for at, line in enumerate(LINES) if '"id":"r-read-outcome"' in line)
    assert verify(tmp_path, LINES[:place] + [reject["text"]] + LINES[place + 1 :]).returncode != 0


def test_r5_tamper_a_change_to_any_member_of_a_receipt_is_refused(tmp_path):
    place = next(at for at, line in enumerate(LINES) if '"id":"r-query"' in line)
    receipt = json.loads(LINES[place])
    assert receipt["disclosures"]
    for path in leaves(receipt):
        changed = copy.deepcopy(receipt)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = other(inner[path[-1]])
        done = verify(tmp_path, LINES[:place] + [json.dumps(changed)] + LINES[place + 1 :])
        assert done.returncode != 0, path


def test_r2_chain_a_receipt_taken_out_of_a_chain_is_missed(tmp_path):
    place = next(at for at, line in enumerate(LINES) if '"id":"r-query"' in line)
    done = verify(tmp_path, LINES[:place] + LINES[place + 1 :])
    assert done.returncode == 1 and "is broken" in done.stderr


def leaves(value, path=()):
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def other(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value is None:
        return "something"
    return ("B" if value[0] != "B" else "C") + value[1:]

"""Verifies receipts: python3 verify.py EXPORT.jsonl KEYS (signing.pub, or a JWK set). Exits 1 at the first flaw."""
import base64, hashlib, json, sys
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def b64(text): return base64.b64decode(text, validate=True)
def sha256(data): return "sha256:" + hashlib.sha256(data).hexdigest()
def need(holds, why): return holds or sys.exit(f"line {number}: {why}")
def once(pairs): return need(len(dict(pairs)) == len(pairs), "a member is there twice") and dict(pairs)
text, heads, number = open(sys.argv[2]).read(), {}, 0
jwks = text.startswith("{") and {k["kid"]: base64.urlsafe_b64decode(k["x"] + "=") for k in json.loads(text)["keys"]}
keys = jwks or {kid: b64(key) for kid, _, key in map(str.split, text.splitlines())}
for number, line in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    receipt = json.loads(line, object_pairs_hook=once, parse_float=lambda _: need(False, "a float"))
    signature, disclosures = receipt.pop("signature"), receipt.pop("disclosures", {})
    need((receipt["version"], signature["algorithm"]) == ("countersign.receipt/v1-draft", "Ed25519"), "unknown form")
    signed = rfc8785.dumps(receipt)
    Ed25519PublicKey.from_public_bytes(keys[signature["key_id"]]).verify(b64(signature["value"]), signed)
    for at, told in disclosures.items():
        need(sha256(b64(told["salt"]) + told["value"].encode()) == receipt["commitments"].get(at), f"{at} was changed")
    if chain := receipt["chain"]:
        place, link = heads.get(chain, (-1, None))
        need((receipt["sequence"], receipt["previous"]) == (place + 1, link), f"the chain {chain} is broken")
        heads[chain] = (receipt["sequence"], sha256(signed))
print(f"{number} receipts in {len(heads)} chains verify")

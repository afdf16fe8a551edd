"""A second reader of the vault, written from docs/formats/vault.md alone.

    vault_reader.py --vault FOLDER --store FILE < secrets.json

FOLDER has `slots/` and `content/`. FILE is the store's map, one pair after the other as `u32 length, key, u32 length, value`.
Secrets are hex, the PIN is text: `device_secret` and either `export_key` (online slot) or `pin` and `lease_secret` (offline
slot); or `vault_key` and `enrolment` where there is no slot.

Prints what is in the vault as JSON: for each collection the names in order, with size, version, time and SHA-256. Ends with 3
and one line on standard error if anything is not as the format says.
"""

import argparse
import hashlib
import hmac
import json
import pathlib
import struct
import sys

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT = 1
MAGIC = b"tbk-vault"
CHUNK = 65536
TAG = 16
MAX_RECORD = 6144
MAX_FILE = 500 * 1024 * 1024
COLLECTIONS = {1: "files", 2: "notes", 3: "documents", 4: "outbox", 5: "state"}
PARTIAL = 0x80
EPOCHS_AHEAD = 65536
# Lowest and highest: memory in KiB, passes, lanes.
STRETCHING = {"memory_kib": (19456, 1048576), "iterations": (2, 16), "parallelism": (1, 8)}


class Refused(Exception):
    """Something is not as the format says."""


def check(condition, reason):
    if not condition:
        raise Refused(reason)


def derive(purpose, context, secret):
    info = b"tbk/1/" + purpose.encode() + b"/" + context
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)


def open_sealed(key, sealed, aad, reason):
    check(len(sealed) >= 12 + TAG, reason)
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    except InvalidTag:
        raise Refused(reason) from None


def decode(data, reason):
    try:
        return cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError):
        raise Refused(reason) from None


# Slots


def read_slot(path):
    data = path.read_bytes()
    check(len(data) <= 1024, "slot")
    slot = decode(data, "slot")
    header = decode(slot["header"], "slot")
    check(header["version"] == 1, "slot version")
    return header, slot


def offline_key(header, secrets):
    cost = header["stretching"]
    for name, (low, high) in STRETCHING.items():
        check(low <= cost[name] <= high, "stretching")
    stretched = Argon2id(
        salt=header["salt"],
        length=32,
        iterations=cost["iterations"],
        lanes=cost["parallelism"],
        memory_cost=cost["memory_kib"],
    ).derive(secrets["pin"].encode())
    device, lease = bytes.fromhex(secrets["device_secret"]), bytes.fromhex(secrets["lease_secret"])
    return derive("slot-offline", header["enrolment"], stretched + device + lease)


def online_key(header, secrets):
    export, device = bytes.fromhex(secrets["export_key"]), bytes.fromhex(secrets["device_secret"])
    return derive("slot-online", header["enrolment"], export + device)


def vault_key(folder, secrets):
    """The vault key and the enrolment id."""
    if "vault_key" in secrets:
        return bytes.fromhex(secrets["vault_key"]), bytes.fromhex(secrets["enrolment"])
    kind = "online" if "export_key" in secrets else "offline"
    header, slot = read_slot(folder / "slots" / kind)
    check(header["kind"] == kind, "slot kind")
    wrapping = {"online": online_key, "offline": offline_key}[kind](header, secrets)
    key = open_sealed(wrapping, slot["sealed"], slot["header"], "slot does not open")
    check(len(key) == 32, "slot")
    return key, header["enrolment"]


# The store


def read_store(path):
    data, pairs, at = path.read_bytes(), {}, 0

    def take():
        nonlocal at
        (length,) = struct.unpack_from(">I", data, at)
        at += 4 + length
        check(at <= len(data), "store file")
        return data[at - length : at]

    while at < len(data):
        key = take()
        pairs[key] = take()
    return pairs


class Vault:
    def __init__(self, folder, store, key, enrolment):
        self.folder, self.store, self.key = folder, store, key
        self.header = self.value(b"h", "header")
        check(self.header.startswith(MAGIC) and len(self.header) >= 11, "header")
        (number,) = struct.unpack_from(">H", self.header, 9)
        check(number == FORMAT, f"format {number}")
        check(len(self.header) == 27, "header")
        self.context = enrolment + self.header[11:]
        self.names = derive("vault-names", self.context, key)
        seals = self.value(b"s", "count of seals")
        check(len(seals) == 12, "count of seals")
        (self.newest,) = struct.unpack_from(">I", seals)
        check(self.newest >= 1, "count of seals")
        self.index = self.read_index()

    def value(self, key, reason):
        check(key in self.store, f"{reason} is missing")
        return self.store[key]

    def open_in_epoch(self, purpose, sealed, aad, reason, space=b""):
        check(len(sealed) >= 4, reason)
        epoch = sealed[:4]
        check(1 <= struct.unpack(">I", epoch)[0] <= self.newest, reason)
        key = derive(purpose, self.context + epoch + space, self.key)
        return open_sealed(key, sealed[4:], aad, reason)

    # Index

    def read_index(self):
        sealed = self.value(b"i", "root")
        root = self.open_in_epoch("vault-index", sealed, b"r" + self.header, "root does not open")
        generation, base, pieces, chain = decode(root, "root")
        (epoch,) = struct.unpack_from(">I", sealed)
        check(self.newest - epoch <= EPOCHS_AHEAD, "count of seals")
        index, stored = {}, []
        for piece in range(pieces):
            more, data = self.read_piece(b"b", base, piece, index)
            check(more == (piece + 1 < pieces), "pieces of the base")
            stored.append(data)
        so_far = hashlib.sha256(b"".join(stored)).digest()
        for delta in range(base + 1, generation + 1):
            more, piece, stored = True, 0, []
            while more:
                more, data = self.read_piece(b"d", delta, piece, index)
                stored.append(data)
                piece += 1
            so_far = hashlib.sha256(so_far + b"".join(stored)).digest()
        check(hmac.compare_digest(so_far, chain), "chain")
        check(b"d" + struct.pack(">QI", generation + 1, 0) not in self.store, "a delta after the root")
        self.generation = generation
        return index

    def read_piece(self, part, generation, piece, index):
        key = part + struct.pack(">QI", generation, piece)
        sealed = self.value(key, "piece of the index")
        more, entries = decode(
            self.open_in_epoch("vault-index", sealed, key, "piece of the index does not open"), "piece"
        )
        for space, name, facts in entries:
            check(space & ~PARTIAL in COLLECTIONS, "space")
            if facts is None:
                index.pop((space, name), None)
            else:
                index[space, name] = facts
        return more, sealed

    # Records

    def read_record(self, space, name):
        version, size, stored_at, content, seal = self.index[space, name]
        code = bytes([space])
        tag = hmac.digest(self.names, code + name.encode(), "sha256")[:16]
        stored = self.value(b"r" + code + tag, "record")
        check(len(stored) >= 8, "record")
        check(struct.unpack_from(">Q", stored)[0] == version, "record of another version")
        plain = self.open_in_epoch("vault-records", stored[8:], tag + stored[:8], "record does not open", code)
        check(len(plain) >= 10 + plain[-1], "record")
        check(stored.endswith(seal) and len(seal) == TAG, "record of another history")
        kind, length = plain[-2], plain[-1]
        (time,) = struct.unpack(">q", plain[-10:-2])
        value, named = plain[: -10 - length], plain[-10 - length : -10]
        check(named == name.encode(), "record of another name")
        check(time == stored_at, "record of another time")
        check(kind == (0 if content is None else 1), "record of another kind")
        if kind == 0:
            check(len(value) == size <= MAX_RECORD, "record of another size")
        return value

    def chunks(self, space, name):
        """What a record holds, piece by piece."""
        value = self.read_record(space, name)
        _, size, _, content, _ = self.index[space, name]
        if content is None:
            yield value
            return
        content_id, key, segments, in_record, _source = decode(value, "content's record")
        check(content_id == content and in_record == size <= MAX_FILE, "content's record")
        path = self.folder / "content" / content_id.hex()
        check(path.is_file(), "content is missing")
        cipher, count = AESGCM(key), max(1, -(-size // CHUNK))
        with path.open("rb") as file:
            for number in range(count):
                prefix = [p for first, p in segments if first <= number][-1]
                last = number + 1 == count
                length = (size - number * CHUNK if last else CHUNK) + TAG
                sealed = file.read(length)
                check(len(sealed) == length, f"chunk {number} is missing")
                nonce = prefix + struct.pack(">IB", number, last)
                try:
                    yield cipher.decrypt(nonce, sealed, content_id)
                except InvalidTag:
                    raise Refused(f"chunk {number} does not open") from None


def described(vault):
    found = {name: [] for name in COLLECTIONS.values()}
    unfinished = []
    for space, name in sorted(vault.index, key=lambda place: (place[0], place[1].encode())):
        version, size, stored_at, _, _ = vault.index[space, name]
        if space & PARTIAL:
            record = decode(vault.read_record(space, name), "content's record")
            unfinished.append({"name": name, "source": record[4].hex()})
            continue
        digest, length = hashlib.sha256(), 0
        for chunk in vault.chunks(space, name):
            digest.update(chunk)
            length += len(chunk)
        check(length == size, "size")
        entry = {"name": name, "size": size, "version": version, "stored_at": stored_at}
        found[COLLECTIONS[space]].append(entry | {"sha256": digest.hexdigest()})
    return {"epoch": vault.generation, "collections": found, "unfinished": unfinished}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vault", type=pathlib.Path, required=True)
    parser.add_argument("--store", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    secrets = json.load(sys.stdin)
    try:
        key, enrolment = vault_key(arguments.vault, secrets)
        vault = Vault(arguments.vault, read_store(arguments.store), key, enrolment)
        json.dump(described(vault), sys.stdout, ensure_ascii=False)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""read_csv.py CSV JSON: fails unless the rows of CSV are the instructions of JSON, by their innermost functions.
Prints how many there are."""

import csv
import json
import sys

COUNTS = [
    "executions",
    "reads",
    "read_misses",
    "writes",
    "write_misses",
    "data_misses",
    "fetch_misses",
]


def text(value):
    return "" if value is None else str(value)


def expected(instruction):
    """The row of an instruction."""
    frames = instruction["frames"]
    inner = frames[0] if frames else {}
    row = {
        "address": instruction["address"],
        "bytes": instruction["bytes"],
        "disassembly": instruction["disassembly"],
        "function": text(inner.get("function")),
        "inlined_into": text(frames[-1]["function"]) if len(frames) > 1 else "",
        "file": text(inner.get("file")),
        "line": text(inner.get("line")),
        "object": text(instruction["object"]),
        "object_address": text(instruction["object_address"]),
    }
    row.update({name: str(instruction[name]) for name in COUNTS if name in instruction})
    return row


with open(sys.argv[1], encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file, strict=True))
with open(sys.argv[2], encoding="utf-8") as file:
    instructions = json.load(file)["instructions"]
if len(rows) != len(instructions):
    sys.exit(f"{len(rows)} rows of {len(instructions)} instructions")
for number, (row, instruction) in enumerate(zip(rows, instructions)):
    if row != expected(instruction):
        sys.exit(f"row {number} is {row}, not {expected(instruction)}")
print(len(rows))

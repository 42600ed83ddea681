#!/usr/bin/python3
"""validate.py SCHEMA REPORT: fails unless REPORT is a JSON document as SCHEMA (draft 2020-12) describes it."""

import json
import sys

try:
    import jsonschema
except ImportError:
    sys.exit("jsonschema is missing: install the Debian package python3-jsonschema")


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        sys.exit(f"a name twice in one object: {names}")
    return dict(pairs)


def load(name):
    with open(name, encoding="utf-8") as file:
        return json.load(file, object_pairs_hook=no_duplicates)


schema, report = map(load, sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
errors = list(jsonschema.Draft202012Validator(schema).iter_errors(report))
for error in errors[:10]:
    print(f"{error.json_path}: {error.message}"[:500], file=sys.stderr)
sys.exit(1 if errors else 0)

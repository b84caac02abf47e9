"""Holds real answers to schema/openapi.json: path, method, status, media type, headers and body, and that no member of a
body is undocumented. Needs Debian's python3-jsonschema. Also a program:

    openapi_check.py            is the document itself in order?
"""

import json
import os
import re
import sys

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVERYWHERE = {405, 413}  # any path: methods that it does not take, bodies where none belongs


class Mismatch(Exception):
    """An answer that the document does not allow."""


def closed(node):
    """A copy in which every object whose members are listed allows no others."""
    if isinstance(node, list):
        return [closed(n) for n in node]
    if not isinstance(node, dict):
        return node
    copy = {k: closed(v) for k, v in node.items()}
    if isinstance(node.get("properties"), dict) and "object" in node.get("type", ""):
        copy.setdefault("additionalProperties", False)
    return copy


class Checker:
    def __init__(self, path=os.path.join(ROOT, "schema", "openapi.json")):
        with open(path, encoding="utf-8") as f:
            self.spec = json.load(f)
        self.components = closed(self.spec["components"])
        self.paths = [(re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", re.escape(p).replace(r"\{", "{").replace(r"\}", "}"))
                                  + "$"), p) for p in self.spec["paths"]]
        self.seen = set()

    def resolve(self, node):
        while "$ref" in node:
            target = self.spec
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def validate(self, value, schema):
        whole = {**closed(schema), "components": self.components}
        errors = sorted(jsonschema.Draft202012Validator(whole).iter_errors(value), key=lambda e: len(e.path))
        if errors:
            e = jsonschema.exceptions.best_match(errors)
            raise Mismatch(f"at {'/'.join(map(str, e.absolute_path)) or '(top)'}: {e.message[:400]}")

    def answer(self, method, target, status, headers, body):
        """Raises Mismatch unless the document allows this answer."""
        path = target.split("?")[0]
        where = f"{method} {path} {status}"
        template = next((t for r, t in self.paths if r.match(path)), None)
        content = (headers.get("Content-Type") or "").split(";")[0]
        if headers.get("X-Content-Type-Options") != "nosniff" or not headers.get("Cache-Control"):
            raise Mismatch(f"{where}: nosniff or Cache-Control is missing")
        operation = self.spec["paths"].get(template, {}).get(method.lower())
        if operation is None and method == "HEAD":
            operation = self.spec["paths"].get(template, {}).get("get")
        if operation is None or status in EVERYWHERE and str(status) not in operation["responses"]:
            if status not in EVERYWHERE | {400, 403, 404}:
                raise Mismatch(f"{where}: this call is not documented")
            response = self.spec["components"]["responses"]["Problem400"]
        else:
            if str(status) not in operation["responses"]:
                raise Mismatch(f"{where}: this status is not documented")
            self.seen.add((operation["operationId"], status))
            response = self.resolve(operation["responses"][str(status)])
        types = response.get("content", {})
        if status >= 400 and status != 503 and content != "application/problem+json":
            raise Mismatch(f"{where}: {content} instead of problem+json")
        if method == "HEAD" or not types:
            return
        if content not in types and "*/*" not in types:
            raise Mismatch(f"{where}: {content} is not among {list(types)}")
        schema = types.get(content, types.get("*/*", {})).get("schema", {})
        if content.endswith("json") and schema:
            try:
                self.validate(json.loads(body), schema)
            except (ValueError, Mismatch) as e:
                raise Mismatch(f"{where}: {e}") from None

    def document(self):
        """Every reference leads somewhere, every schema is one, every operationId is used once."""
        ids = []

        def walk(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    self.resolve(node)
                for v in node.values():
                    walk(v)
            elif isinstance(node, list):
                for v in node:
                    walk(v)

        walk(self.spec)
        for s in self.spec["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(s)
        for path, item in self.spec["paths"].items():
            for method, operation in item.items():
                ids.append(operation["operationId"])
                names = {p["name"] for p in map(self.resolve, operation["parameters"]) if p["in"] == "path"}
                if names != set(re.findall(r"\{(\w+)\}", path)):
                    raise Mismatch(f"{method} {path}: its path parameters are not those of its path")
        if len(ids) != len(set(ids)):
            raise Mismatch("an operationId is used twice")
        return len(ids)


if __name__ == "__main__":
    print(f"openapi.json: {Checker().document()} operations")
    sys.exit(0)

"""The part of JSON Schema that the schemas of docs/tools use."""
import re


def validate(value, schema, top, where="$", others=None):
    """The part of JSON Schema that the schema uses. `others` are schemas that it refers to, by the names of their files."""
    if "$ref" in schema and schema["$ref"] in (others or {}):
        schema = top = others[schema["$ref"]]
    elif "$ref" in schema:
        path = schema["$ref"]
        schema = top
        for name in path.removeprefix("#/").split("/"):
            schema = schema[name]
    known = {"$schema", "$defs", "title", "description", "type", "required", "additionalProperties", "properties",
             "items", "maxItems", "enum", "const", "pattern", "$ref"}
    assert set(schema) <= known, f"{where}: the test does not know {set(schema) - known}"
    if "const" in schema:
        assert value == schema["const"], f"{where}: {value!r}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        found = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer",
                 type(None): "null"}[type(value)]
        assert found in types, f"{where}: {found} is none of {types}"
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value), f"{where}: lacks {set(schema['required']) - set(value)}"
        assert set(value) <= set(schema["properties"]), f"{where}: has {set(value) - set(schema['properties'])}"
        for name, member in value.items():
            validate(member, schema["properties"][name], top, f"{where}.{name}", others)
    if isinstance(value, list):
        assert len(value) <= schema.get("maxItems", len(value)), f"{where}: {len(value)} items"
        for i, item in enumerate(value):
            validate(item, schema["items"], top, f"{where}[{i}]", others)

"""Shows the comments of fields (`xyz: Array  # (joints, 3), metres`) on API pages."""

import re
from typing import Any

import griffe

_FIELD = re.compile(r"    (?P<name>[a-z]\w*): [^#]*(?:# (?P<comment>.*))?$")
_COMMENT = re.compile(r"    # (?P<comment>.*)$")


class FieldComments(griffe.Extension):
    """Adds a section "Attributes" to classes whose fields have comments."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Reads the comment beside each field, or the lines above it."""
        if cls.docstring is None or "Attributes:" in cls.docstring.value:
            return
        fields = _fields(cls.lines)
        if fields:
            section = "".join(f"\n    {name}: {text}" for name, text in fields.items())
            cls.docstring.value += f"\n\nAttributes:{section}"


def _fields(lines: list[str]) -> dict[str, str]:
    fields, above = {}, []
    for line in lines:
        if match := _COMMENT.match(line):
            above.append(match["comment"])
            continue
        if match := _FIELD.match(line):
            if text := match["comment"] or " ".join(above):
                fields[match["name"]] = text
        elif line.startswith("    def "):
            break
        above = []
    return fields

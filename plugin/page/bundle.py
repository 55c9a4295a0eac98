"""The scripts of the page as one: every module becomes a function that is called once, so a page needs no server.

Modules say `import { a, b } from "./other.js";` or `import * as other from "./other.js";`, and `export` before what
they give: no more of the language's ways than these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

_IMPORT = re.compile(r'^import (\{[^}]*\}|\* as \w+) from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_COMMENT = re.compile(r"^[ ]*/\*\*.*?\*/\n", re.MULTILINE | re.DOTALL)


def asset(name: str) -> str:
    """The text of a file that the page is made of."""
    return files("plugin.page").joinpath("assets", name).read_text("utf-8")


def script(name: str = "main") -> str:
    """A module and all that it needs, each after those that it needs itself; `module_NAME` is what it gives."""
    return '"use strict";\n' + "\n".join(_wrapped(one) for one in _in_order(name, {}))


def _in_order(name: str, seen: dict[str, None]) -> Iterator[str]:
    if name in seen:
        return
    seen[name] = None
    for _, other in _IMPORT.findall(asset(f"{name}.js")):
        yield from _in_order(other, seen)
    yield name


def _wrapped(name: str) -> str:
    body = _COMMENT.sub("", asset(f"{name}.js"))  # they hold the types, which a browser has no use for
    body = _IMPORT.sub(lambda found: f"const {found[1].removeprefix('* as ')} = module_{found[2]};\n", body)
    given = ", ".join(found[1] for found in _EXPORT.findall(body))
    own = _EXPORT.sub(lambda found: found[1], body)
    return f"const module_{name} = (() => {{\n{own}return {{ {given} }};\n}})();"

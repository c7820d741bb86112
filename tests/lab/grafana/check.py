#!/usr/bin/env python3
"""Holds a dashboard against the models of the foundation SDK, and says where it does not fit.

Whatever the models do not know gets lost when they read it and write it again, and what they know has the types that their
fields are declared with. The models are generated from Grafana's own schemas, of the version that the SDK is for.
"""

import enum
import json
import sys
import types
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def plain(model):
    """What the SDK writes."""
    return json.loads(json.dumps(model, cls=JSONEncoder))


def lost(before, after, place):
    """What is in the one and not in the other. Newer models add what they take where nothing is said."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name in after:
                yield from lost(value, after[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: not known"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{place}[{index}]")
    elif before != after:
        yield f"{place}: {before!r} becomes {after!r}"


def misfits(value, hint, place):
    """Values that are not of the type that their field is declared with."""
    kind, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (typing.Any, object):
        return
    if kind in (typing.Union, types.UnionType):
        found = [list(misfits(value, argument, place)) for argument in arguments]
        if all(found):
            yield from max(found, key=lambda wrong: wrong[0].index(": "))  # of what it is most like
    elif kind is typing.Literal:
        if value not in arguments:
            yield f"{place}: {value!r} is none of {arguments}"
    elif kind is list:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from misfits(item, arguments[0], f"{place}[{index}]")
        else:
            yield f"{place}: {value!r} is no list"
    elif kind is dict:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from misfits(item, arguments[1], f"{place}.{name}")
        else:
            yield f"{place}: {value!r} is no object"
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [member.value for member in hint]:
            yield f"{place}: {value!r} is no {hint.__name__}"
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{place}: {value!r} is no number"
    elif isinstance(value, dict) and hasattr(hint, "from_json"):  # as the SDK leaves some that lie in lists
        model = hint.from_json(value)
        yield from lost(value, plain(model), place)
        yield from inside(model, place)
    elif not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        yield f"{place}: {value!r} is no {hint.__name__}"
    elif hasattr(hint, "from_json"):
        yield from inside(value, place)


def inside(model, place):
    """The same for the fields of a model."""
    hints = typing.get_type_hints(type(model))
    for name, value in vars(model).items():
        if name in hints:
            yield from misfits(value, hints[name], f"{place}.{name}")
        if name in ("options", "custom") and hasattr(value, "to_json"):  # of a plugin, and so any object to the panel
            yield from inside(value, f"{place}.{name}")


def main():
    register_default_plugins()
    read = json.load(sys.stdin)
    board = Dashboard.from_json(read)
    written = plain(board)
    found = [*lost(read, written, "$"), *inside(board, "$")]
    if not found and len(sys.argv) > 1 and sys.argv[1] == "exact":
        found = list(lost(written, read, "$"))
    for wrong in found:
        print(wrong)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""A unified diff as a program of its own: JSON in, JSON out. It loads nothing but the standard library."""

import difflib
import io
import json
import sys


def unified(before: str, after: str, before_name: str, after_name: str) -> str:
    """What turns one text into the other, line by line, as ``diff -u`` would say it."""
    lines = difflib.unified_diff(_lines(before), _lines(after), before_name, after_name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a newline ends one."""
    return list(io.StringIO(text, newline="\n"))


if __name__ == "__main__":
    json.dump(unified(*json.load(sys.stdin.buffer)), sys.stdout)

"""What a library does not document is not leaned on without a row in the table, and no row is without a check."""

import ast
from pathlib import Path

from tests.internals.search import ROOT, found
from tests.internals.table import DOCUMENTED, TABLE

NAMED = {name: one for one in TABLE.values() for name in one.names}


def test_what_the_code_takes_is_in_the_table_and_nothing_else_is() -> None:
    names = found()
    news = {name: sorted(files) for name, files in names.items() if name not in NAMED.keys() | DOCUMENTED}
    assert not news, "not documented by its library: give it a row in tests/internals/table.py, and a check"
    gone = (NAMED.keys() | DOCUMENTED) - names.keys()
    assert not gone, "nothing of ours takes these any more: take them out of tests/internals/table.py"


def test_the_table_says_where_each_name_is() -> None:
    elsewhere = {name: sorted(files - set(NAMED[name].where)) for name, files in found().items() if name in NAMED}
    assert not {name: files for name, files in elsewhere.items() if files}
    assert not [file for one in TABLE.values() for file in one.where if not (ROOT / file).exists()]


def test_each_row_is_checked() -> None:
    trees = [ast.parse(file.read_text()) for file in Path(__file__).parent.glob("test_*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    checked = {
        ast.literal_eval(call.args[0]) for call in calls if isinstance(call.func, ast.Name) and call.func.id == "checks"
    }
    assert checked == TABLE.keys()

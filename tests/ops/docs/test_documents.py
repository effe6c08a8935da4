"""The documents can be scanned, and speak of what there is: links, tables, names of files, settings and commands."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from cyclopts import App

from models.build import PROJECT
from models.settings import Settings
from ops.cli.app import app

DOCS: Final = PROJECT / "ops/docs"
HIDDEN: Final = {".venv", "node_modules", "build", ".data"}
PAGES: Final = sorted(page for page in PROJECT.rglob("*.md") if not HIDDEN & set(page.relative_to(PROJECT).parts))
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN: Final = re.compile(r"`([^`\n]+)`")
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ROW: Final = re.compile(r"^\|.*\|$", re.M)
COLUMNS: Final = 4
ROW_LENGTH: Final = 130  # characters of text: one line on a screen
README_LINES: Final = 130
GUIDED: Final = "locations|colours"  # what the guides add as examples
ROOMS: Final = ("api/", "models/", "pipeline/", "ops/", "migrations/", "tests/", ".ci/")


def name(page: Path) -> str:
    return str(page.relative_to(PROJECT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


@cache
def anchors(page: Path) -> set[str]:
    """What a link into a page may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = (LINK.sub("", heading).replace("`", "").strip().lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def cells(row: str) -> list[str]:
    """The texts of a row, as a reader sees them."""
    seen = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", row).replace("`", "").replace("**", "")
    return [cell.strip() for cell in seen.strip("|").replace(r"\|", "¦").split("|")]


def code(page: Path) -> Iterator[str]:
    """All that a page shows as code: spans, and lines of shell blocks."""
    yield from SPAN.findall(prose(page))
    for language, block in FENCE.findall(page.read_text()):
        if language == "sh":
            yield from block.splitlines()


def test_the_readme_is_read_in_one_go() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= README_LINES


@every_page
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_every_table_has_at_most_four_columns_and_rows_of_one_line(page: Path) -> None:
    for row in ROW.findall(prose(page)):
        assert len(cells(row)) <= COLUMNS, row
        assert sum(map(len, cells(row))) <= ROW_LENGTH, row


@pytest.mark.parametrize("folder", [DOCS, DOCS / "decisions", DOCS / "runbook", DOCS / "sign-in"], ids=name)
def test_an_index_names_every_page_beside_it(folder: Path) -> None:
    linked = set(LINK.findall((folder / "index.md").read_text()))
    assert {page.name for page in folder.glob("*.md")} - linked == {"index.md"}


def test_the_page_of_settings_names_each_of_them_and_no_other() -> None:
    first = (cells(row)[0] for row in ROW.findall((DOCS / "configuration.md").read_text()))
    named = {variable for cell in first for variable in re.findall(r"[A-Z][A-Z0-9_]{3,}", cell)}
    ours = {field.upper() for field in Settings.__struct_fields__}
    beside = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SEED"}
    assert ours <= named
    assert {variable for variable in named - ours - beside if not variable.startswith("EPISODES_")} == set()


@cache
def files() -> set[str]:
    """The names of all files in our folders."""
    return {file.name for room in ROOMS for file in (PROJECT / room).rglob("*")}


@every_page
def test_every_file_of_ours_that_a_page_names_is_there(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # it speaks of what was, too
        return
    for path in SPAN.findall(prose(page)):
        if path.startswith(ROOMS) and not re.search(rf"[<>*… ]|{GUIDED}", path):
            assert (PROJECT / path).exists(), path
        elif re.fullmatch(r"\w+\.(py|yml|conf)", path):  # the rest of its path stands before it
            assert path in files(), path


@every_page
def test_every_target_of_make_that_a_page_names_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+(?:-[a-z]+)*):", (PROJECT / "Makefile").read_text(), re.M))
    for line in code(page):
        for target in re.findall(r"(?:^|[=\w] )make ([a-z-]+)", line):
            assert target in targets, line


@every_page
def test_every_module_that_a_page_runs_is_there(page: Path) -> None:
    for line in code(page):
        for module in re.findall(r"python -m ((?:api|pipeline|models|migrations|ops|tests)[\w.]*)", line):
            place = PROJECT.joinpath(*module.split("."))
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), line


@every_page
def test_every_command_of_episodes_that_a_page_names_is_one_and_has_its_options(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    for line in code(page):
        for call in re.findall(r"(?:^|[/(|`\s])episodes ((?:[a-z][\w-]*|--)[^|)`]*)", line):
            check_command(call)


def check_command(call: str) -> None:
    words = call.split()
    command, path = app, list[str]()
    for word in words:
        if word not in command:
            break
        command, path = command[word], [*path, word]
    rest = words[len(path) :]
    assert path, f"episodes {call}: there is no such command"
    assert command.default_command or not rest, f"episodes {call}: there is no such command"
    options = {option for option in words if re.fullmatch(r"--[a-z-]+", option)} - {"--help", "--json"}
    assert not options or options <= told_by(command), f"episodes {call}: {options - told_by(command)}"


def told_by(command: App) -> set[str]:
    return {option for argument in command.assemble_argument_collection() for option in argument.names}


def test_the_index_of_the_runbook_names_the_page_and_severity_of_every_alert() -> None:
    rules = (PROJECT / "ops/prometheus/alerts.yml").read_text()
    alerts = set(re.findall(r"alert: (\w+)", rules))
    rows = re.findall(r"\| `(\w+)` \| \[[^]]+\]\((\S+)\) \| (page|ticket) \|", (DOCS / "runbook/index.md").read_text())
    assert {alert for alert, _, _ in rows} == alerts
    for alert, page, severity in rows:
        rule = rules.partition(f"alert: {alert}\n")[2].partition("- alert:")[0]
        assert f"severity: {severity}" in rule, alert
        assert f"runbook/{page}" in rule or "*waits" in rule, alert

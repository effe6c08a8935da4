"""What ``episodes doctor`` prints."""

import msgspec
from rich.text import Text

from ops.doctor.examination import examine
from ops.doctor.finding import Finding
from ops.ingest import output

STYLES = {"good": "green", "warning": "yellow", "wrong": "bold red"}


def doctor(*, as_json: bool) -> int:
    """Print each finding as it is made; 1 where something is wrong."""
    wrong = 0
    found = []
    for finding in examine():
        wrong += finding.verdict == "wrong"
        found.append(finding)
        if not as_json:
            output.console().print(_line(finding))
    if as_json:
        print(output.dump(msgspec.to_builtins(found)))
    return int(bool(wrong))


def _line(finding: Finding) -> Text:
    text = Text(f"{finding.verdict:<8}", style=STYLES[finding.verdict])
    text.append(f"{finding.area:<10}{finding.what}", style="default")
    if finding.mend:
        text.append(f"\n{'':<18}→ {finding.mend}", style="default")
    return text

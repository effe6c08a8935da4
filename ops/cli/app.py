"""The command line ``episodes``. Each command imports what it needs when it runs: help must not wait."""

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from models.db.actions import Action
from models.entities import EntityName, EntityType, EpisodeRole
from models.jobs.types import OnDuplicate, Priority
from models.operations import LevelName
from models.roles import Role
from ops.cli.batches import batches
from ops.cli.housekeeping import housekeeping, integrity
from ops.cli.jobs import jobs
from ops.cli.keys import keys
from ops.cli.options import AsJson, For, Limit, Until, run
from ops.cli.webhooks import webhooks

HELP = """Metadata and media ingest for makers of video series.

It talks to EPISODES_URL, else to the server that runs on EPISODES_HOME (.data by default). There it signs in with the
key of that home. EPISODES_TOKEN is used where the home has no key, and where EPISODES_URL names another server.
"""
INTERRUPTED = 130

app = App(
    "episodes",
    help=HELP,
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
app.command(jobs)
app.command(batches)
app.command(housekeeping)
app.command(integrity)
app.command(webhooks)
app.command(keys)
audit = App("audit", help="See who changed what, and whether anybody has tampered with that record.")
app.command(audit)
index = App("index", help="Look after what search finds.")
app.command(index)

Detach = Annotated[bool, Parameter(help="Do not wait for the end.")]
Paths = Annotated[Path, Parameter("PATH", help="Files, or folders that are walked.")]


def main() -> None:
    """Run a command: exit 0 if all went well, 1 if not, 2 if it was called wrongly, 130 if it was interrupted."""
    from models.settings.environment import complete
    from models.settings.types import SettingsError
    from ops.errors import CommandError

    try:
        os.environ.update(complete(os.environ))
        app(sys.argv[1:])
    except (CommandError, SettingsError) as error:
        print(f"episodes: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # whoever read the list has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        print("episodes: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


@app.command
def token(*, role: Role, subject: str = "developer") -> None:
    """Print a token of the embedded issuer, valid for an hour.

    Parameters
    ----------
    role
        What its bearer may do.
    subject
        Who its bearer is.
    """
    from ops.cli.sign_in import issue

    print(issue(role, subject))


@app.command
def ingest(
    *path: Paths,
    entity_type: EntityType = "clip",
    entity_id: str | None = None,
    create: bool = False,
    show_id: str | None = None,
    role: EpisodeRole | None = None,
    on_duplicate: OnDuplicate = "link",
    priority: Priority = "batch",
    name: str | None = None,
    json: AsJson = False,
) -> int:
    """Send files and folders through the pipeline and wait for the end. Started again, it continues where it was.

    All files are one batch, which can be watched, cancelled and started again: see episodes batches.

    Parameters
    ----------
    entity_type
        What the files are for.
    entity_id
        The entity that one file is for.
    create
        Create an entity for each file, with the file name as its title.
    show_id
        The show that created episodes belong to; they are numbered after the last of its first season.
    role
        What the file is to an episode; a thumbnail if nothing is said.
    on_duplicate
        What to do with a file that is already stored: point to it, refuse it, or keep it twice.
    priority
        How urgent the work is.
    name
        What the batch is called; what the files are in if nothing is said. A run that was interrupted goes on with
        the batch of its name.
    """
    from ops.cli import actions
    from ops.ingest.plan import Target, batch_name
    from ops.ingest.run import Choices

    target = Target(entity_type, entity_id, role, show_id)
    wish = Choices(on_duplicate=on_duplicate, priority=priority, batch=name or batch_name(path))
    try:
        return run(actions.ingest_paths(path, target, wish, create=create, as_json=json))
    except KeyboardInterrupt:
        print("episodes: interrupted; run the same command again to continue", file=sys.stderr)
        return INTERRUPTED


@app.command
def download(
    entity_type: EntityName | None = None,
    *entity_id: str,
    episode: str | None = None,
    role: EpisodeRole | None = None,
    to: Path = Path(),
    json: AsJson = False,
) -> int:
    """Bring stored files back, each under the name that it came with and proved by its hash: exit 1 if one failed.

    Started again it goes on where it was. A file that is there already is kept, and never overwritten by another.

    Parameters
    ----------
    entity_type
        What the files are of.
    entity_id
        Whose files.
    episode
        All that an episode shows: its own files, its clips, and what is linked to it, in a folder each.
    role
        Which file of an episode; its thumbnail if nothing is said.
    to
        The folder that they come into.
    """
    from ops.cli import download_actions
    from ops.errors import CommandError

    if (entity_type is None or not entity_id) == (episode is None):
        raise CommandError("say what and which, such as clip ID, or --episode ID")
    named = [(entity_type, one, role) for one in entity_id] if entity_type else []
    return run(download_actions.download(named, episode, to, as_json=json))


@app.command
def status(*, watch: bool = False, json: AsJson = False) -> int:
    """Look at everything that runs and waits: exit 1 if something needs attention, which is told first.

    Parameters
    ----------
    watch
        Look again every two seconds, until Ctrl-C; with --json each look is a line.
    """
    from ops.cli import status_actions

    try:
        return run(status_actions.status(watch=watch, as_json=json))
    except KeyboardInterrupt:
        if watch:
            return 0
        raise


@app.command(name="log-level")
def log_level(
    level: LevelName | None = None, /, *, until: Until = None, span: For = None, json: AsJson = False
) -> None:
    """Let all programs log more or less for a while, without a restart; for admins.

    Parameters
    ----------
    level
        How much they log; without it, each goes back to its own LOG_LEVEL.
    """
    from ops.cli import durations, status_actions

    run(status_actions.log_level(level, durations.end(until, span), as_json=json))


@audit.command(name="list")
def list_changes(
    *,
    entity_type: str | None = None,
    entity_id: str | None = None,
    actor: str | None = None,
    action: Action | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: Limit = 50,
    json: AsJson = False,
) -> None:
    """List changes, the newest first; for admins.

    Parameters
    ----------
    entity_type
        Only changes of such things: show, clip, guest or another entity; or job, batch, pause, housekeeping.
    entity_id
        Only changes of this thing.
    actor
        Only changes that this person or tool made.
    action
        Only changes of this sort.
    since
        Only changes from this time on, such as 2026-03-01T09:00:00Z.
    until
        Only changes up to this time.
    limit
        At most so many.
    """
    from ops.cli import actions

    filters = {
        "entity_type": entity_type,
        "entity_id": entity_id,
        "actor": actor,
        "action": action,
        "from": since,
        "to": until,
    }
    run(actions.list_changes(filters, limit, as_json=json))


@audit.command
def verify(*, seal: str | None = None, json: AsJson = False) -> int:
    """Check that nobody has tampered with the record of changes: exit 0 if it holds, else 1 and the first bad row.

    Parameters
    ----------
    seal
        The last seal that an earlier check printed: it must be there still, or the record was cut off or rewritten.
    """
    from ops.cli import actions

    return run(actions.verify_audit(seal, as_json=json))


@app.command
def search(query: str, /, *, limit: Limit = 20, json: AsJson = False) -> None:
    """Find episodes, scripts, clips and all the rest by their words."""
    from ops.cli import actions

    run(actions.search(query, limit, as_json=json))


@app.command
def reindex(*, detach: Detach = False, json: AsJson = False) -> int:
    """Write every search document again that is not as it should be, and wait for the end.

    The server does it beside its other work. Interrupted, it goes on there; the same command joins in again.
    """
    from ops.cli import reindex_actions

    return _walk(reindex_actions.reindex("reindex", repair=True, detach=detach, as_json=json))


@index.command
def check(*, repair: bool = False, detach: Detach = False, json: AsJson = False) -> int:
    """Compare every search document with what it should say. Exit 1 if some are wrong and were left so.

    Parameters
    ----------
    repair
        Put right what is wrong.
    """
    from ops.cli import reindex_actions

    return _walk(reindex_actions.reindex("check", repair=repair, detach=detach, as_json=json))


def _walk(work: Coroutine[Any, Any, int]) -> int:
    try:
        return run(work)
    except KeyboardInterrupt:
        print("episodes: interrupted; the server goes on, and the same command joins in again", file=sys.stderr)
        return INTERRUPTED


@app.command
def doctor(*, json: AsJson = False) -> int:
    """Look whether this machine has what Episodes needs, and say how to mend what it has not: exit 1 if it cannot run.

    Settings, database, broker, storage, token issuer and this machine, by the settings that the programs would read. A
    few bytes are put into each bucket and taken away again.
    """
    from ops.cli import doctor_actions

    return doctor_actions.doctor(as_json=json)


@app.command
def migrate() -> None:
    """Bring the database of DATABASE_URL, else that of the running server, to the newest schema.

    MIGRATION_DATABASE_URL says who does it, where that is not the role of the programs.
    """
    from migrations import upgrade
    from migrations.errors import MigrationError
    from ops.cli.sign_in import databases
    from ops.errors import CommandError

    owner, application = databases()
    try:
        upgrade(owner, application_url=application)
    except MigrationError as error:
        raise CommandError(str(error)) from None


@app.command
def seed() -> None:
    """Create sample shows, episodes and all that belongs to them, and ingest their sample media; for admins."""
    from ops.seed.__main__ import seed

    run(seed())

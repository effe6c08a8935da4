"""A job is one state machine, and this is its table.

A job is queued until a worker claims the stage it is in, and running while that worker holds a lease on it. It ends in
one of three ways, and only a retry begins it again.

Each line is an event: the states in which it finds a job and in which it leaves one (none: there is no job before, or
after), who causes it (what an editor may do to one job, an admin may do to many), and the function under ``models``
whose statement it is. No other statement writes to a job. Tests hold all of this against the code.
"""

from typing import Final, NamedTuple


class Transition(NamedTuple):
    """An event in the life of a job; ``before`` and ``after`` are values of ``Status``."""

    event: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    by: str
    function: str


def _when(event: str, before: str, after: str, by: str, function: str) -> Transition:
    return Transition(event, tuple(before.split()), tuple(after.split()), by, function)


# fmt: off
TRANSITIONS: Final = (
    #     event           from                to                who             function
    _when("posted",       "",                 "queued",         "editor",       "jobs.transitions.enqueue"),
    _when("reprocessed",  "",                 "queued",         "admin",        "jobs.reprocessing.reprocess"),
    _when("scheduled",    "",                 "queued",         "dispatcher",   "housekeeping.schedule.fire"),
    _when("run now",      "",                 "queued",         "admin",        "housekeeping.schedule.run_now"),
    _when("put right",    "",                 "queued",         "whoever ends", "media.files.release"),

    _when("dispatched",   "queued",           "queued",         "dispatcher",   "jobs.dispatch.due"),
    _when("message lost", "queued",           "queued",         "dispatcher",   "jobs.dispatch.release_lost_messages"),
    _when("resumed",      "queued",           "queued",         "admin",        "jobs.pauses.resume"),
    _when("limited",      "queued",           "queued",         "admin",        "jobs.priorities.limit"),
    _when("passed on",    "queued",           "queued",         "worker",       "jobs.claims.pass_on"),
    _when("reserved",     "queued",           "queued",         "worker",       "jobs.claims.reserve"),
    _when("kept",         "queued",           "queued",         "worker",       "jobs.claims.keep_reserved"),
    _when("woken",        "queued",           "queued",         "worker",       "media.files.settle"),
    _when("woken",        "queued",           "queued",         "whoever ends", "media.files.release"),
    _when("claimed",      "queued",           "running",        "worker",       "jobs.claims.claim"),

    _when("renewed",      "running",          "running",        "worker",       "jobs.claims.renew"),
    _when("noted",        "running",          "running",        "worker",       "housekeeping.schedule.note"),
    _when("advanced",     "running",          "running queued", "worker",       "jobs.endings.end"),  # queued: paused
    _when("succeeded",    "running",          "succeeded",      "worker",       "jobs.endings.end"),
    _when("put off",      "running",          "queued",         "worker",       "jobs.endings.end"),
    _when("postponed",    "running",          "queued",         "worker",       "jobs.endings.end"),
    _when("failed",       "running",          "failed",         "worker",       "jobs.endings.end"),
    _when("lost",         "running",          "queued failed",  "dispatcher",   "jobs.expired_leases.give_back"),

    _when("cancelled",    "queued running",   "cancelled",      "editor",       "jobs.transitions.cancel_all"),
    _when("retried",      "failed cancelled", "queued",         "editor",       "jobs.transitions.retry_all"),

    _when("expired",      "succeeded cancelled", "",            "housekeeping", "jobs.retention.expire_jobs"),
    _when("purged",       "failed",           "",               "housekeeping", "housekeeping.trash.purge"),
)
# fmt: on

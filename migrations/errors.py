"""Why a database cannot be brought to a version."""


class MigrationError(Exception):
    """The message is one line that names the setting or the step, and says what to do."""


class OwnerError(MigrationError):
    """The application's role has the power of the tables' owner."""


class ReachError(MigrationError):
    """The database does not let the owner in, or is not there."""


class VersionError(MigrationError):
    """The server is older than what the steps are written for."""


class StepError(MigrationError):
    """A step failed; nothing of it is left."""

"""What stops a run. A bad document never does: it becomes a row with a reason."""


class ElmtexError(Exception):
    """Stops the run; the message names the remedy and never quotes a document."""

    exit_code = 1


class SettingsError(ElmtexError):
    """A setting is unknown, out of range or contradicts another one."""

    exit_code = 2


class ToolMissing(ElmtexError):
    """Tesseract, one of the requested language packs or an optional package is not installed."""

    exit_code = 3


class InputMissing(ElmtexError):
    """No input file matches what was asked for."""

    exit_code = 4


class ModelError(ElmtexError):
    """A base model or an adapter is missing, damaged, of an unsupported kind, or does not fit the schema."""

    exit_code = 5


class OutputError(ElmtexError):
    """The output folder cannot be written."""

    exit_code = 6


class RunFailed(ElmtexError):
    """Something around the documents failed: a worker could not be started, say, or a node went away for good."""

    exit_code = 8


class ReconciliationError(ElmtexError):
    """The published rows do not account for every input exactly once."""

    exit_code = 7


class UnsafeEnvironment(ElmtexError):
    """A package or a setting of one is known to be unsafe; see `elmtex_batch.advisories`."""

    exit_code = 9


class RunHeld(ElmtexError):
    """All went well, but a quality gate wants people to look at the run before others use it."""

    exit_code = 10

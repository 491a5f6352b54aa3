"""The one tree of errors.

Every error that the platform raises on purpose derives from :class:`MLPlatformError`; its message names what was
wrong, where, and the remedy. The command line prints it without a traceback.
"""

__all__ = [
    "ArtifactTamperedError",
    "CheckFailedError",
    "ConfigurationError",
    "ConflictError",
    "DataError",
    "GateNotPassedError",
    "JobFailedError",
    "JobLostError",
    "LockTimeoutError",
    "MLPlatformError",
    "NotFoundError",
    "SchemaMismatchError",
    "StoreUnavailableError",
    "UnreadableFileError",
    "UserCodeError",
]


class MLPlatformError(Exception):
    """The root: what was wrong, where, and the remedy."""


class ConfigurationError(MLPlatformError):
    """A setting or a declaration is wrong; nothing was done."""


class UserCodeError(MLPlatformError):
    """Code of a use case (training, a metric, a plot, a check, a feature) raised an error of its own."""


class DataError(MLPlatformError):
    """Input data cannot be used; nothing of it was loaded."""


class UnreadableFileError(DataError):
    """A file cannot be read in the format that its name says."""


class SchemaMismatchError(DataError):
    """A column is missing or has another type than declared."""


class NotFoundError(MLPlatformError):
    """A thing that was asked for by name does not exist."""


class ConflictError(MLPlatformError):
    """Somebody else changed the thing first (a lost compare-and-swap)."""


class LockTimeoutError(MLPlatformError):
    """A lock was held by another process for longer than the bounded wait."""


class StoreUnavailableError(MLPlatformError):
    """A server could not be reached, or refused the connection."""


class ArtifactTamperedError(MLPlatformError):
    """A stored file does not have the digest that its manifest names; it was not loaded."""


class CheckFailedError(MLPlatformError):
    """A precondition failed; nothing was written."""


class GateNotPassedError(CheckFailedError):
    """A candidate did not pass its gate and was not released."""


class JobFailedError(MLPlatformError):
    """A job in another process failed with an error whose class cannot be made here; the message names it."""


class JobLostError(MLPlatformError):
    """A job's process ended without a word: it was killed, or its machine was lost."""

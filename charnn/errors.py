"""What can go wrong, and the exit code that it leads to.

Every error that a user can cause is a `CharnnError` whose text is one sentence: what was wrong,
the value that was given, and what to do. The command line prints that sentence and nothing else.
"""


class CharnnError(Exception):
    """The run could not be finished (exit code 1)."""

    exit_code = 1


class InputError(CharnnError):
    """The input, such as an option or a file, cannot be used (exit code 2)."""

    exit_code = 2


class ConfigError(InputError):
    """An option is unknown, has the wrong type, is out of bounds or contradicts another."""


class CorpusError(InputError):
    """A text cannot be read, or cannot be used as it is."""


class VocabularyError(InputError):
    """A vocabulary cannot be built or read."""


class CheckpointError(InputError):
    """A file is not a checkpoint that this version can use."""


class CompressionError(InputError):
    """A file cannot be decompressed, or a model cannot compress."""


class RunError(InputError):
    """A run folder cannot be created, written or resumed."""


class FetchError(CharnnError):
    """A download failed."""


class SaveError(CharnnError):
    """A run ended, but not everything could be saved."""


class WorkerError(CharnnError):
    """A worker process ended before its work was done."""


class SharedMemoryError(CharnnError):
    """The memory that a run's processes share could not be allocated."""


class DivergenceError(CharnnError):
    """Training stopped because the loss kept becoming infinite or NaN."""

"""The version, read by the package's metadata, the command line and every checkpoint."""

__version__ = "0.1.0"

"""The command line: one file a command, each thin.

Results go to standard output, everything else to standard error. What a command computes with is
imported when it runs, so that `--help` answers at once.
"""

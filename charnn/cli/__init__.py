"""The command line: one short file for each command.

Results go to standard output, everything else to standard error. A command imports what it computes
with only when it runs, so that `--help` answers at once.
"""

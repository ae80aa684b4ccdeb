"""`python -m charnn` is the command `charnn`."""

from charnn.cli.main import main

if __name__ == "__main__":
    main()

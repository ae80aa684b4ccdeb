"""The program that torchrun starts in the trials: charnn, with what `CHARNN_PLANTED` holds."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    exec(os.environ.get("CHARNN_PLANTED", ""), {"sys": sys, "os": os})  # noqa: S102
    from charnn.cli.main import main

    main()

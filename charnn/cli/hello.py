"""`charnn hello`."""

from __future__ import annotations

from typing import Any

import click

from charnn.cli.flags import SectionedCommand, declared_flags, output_flags
from charnn.config import WalkthroughConfig


@click.command("hello", cls=SectionedCommand)
@declared_flags(WalkthroughConfig, "Example", environment=False)
@output_flags()
def command(quiet: bool, as_json: bool, **values: Any) -> None:
    """Walk through the hello example: a tiny network learns to spell, every number computed.

    \b
    charnn hello
    charnn hello --cell lstm --hidden-size 4
    charnn hello --text world --seed 7
    charnn hello --task transduce --text sat --target sitting

    With --task transduce an encoder, a decoder and attention between them learn to turn one word
    into another. With --quiet the tables come without the story around them.
    """
    options = WalkthroughConfig(**values)
    if options.task == "transduce":
        transduce(options, quiet, as_json)
    else:
        spell(options, quiet, as_json)


def spell(options: WalkthroughConfig, quiet: bool, as_json: bool) -> None:
    """Tell how a language model learns to spell."""
    from charnn.cli.console import show_json
    from charnn.cli.hello_lm import as_data, narrate
    from charnn.models.walkthrough import Walkthrough

    example = Walkthrough(options)
    if as_json:
        show_json(as_data(example))
    else:
        narrate(example, quiet)


def transduce(options: WalkthroughConfig, quiet: bool, as_json: bool) -> None:
    """Tell how a transducer learns to turn one word into another."""
    from charnn.cli.console import show_json
    from charnn.cli.hello_transduce import as_data, narrate
    from charnn.models.walkthrough_transduce import TransductionWalkthrough

    example = TransductionWalkthrough(options)
    if as_json:
        show_json(as_data(example))
    else:
        narrate(example, quiet)

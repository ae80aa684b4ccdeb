"""A program for each rank: make some updates, and write the first gradient and all losses.

python first_updates.py TEXT ENGINE OUTPUT.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from launches import OPTIONS

from charnn.cli.train import ending_as_one
from charnn.config import Config, EngineConfig
from charnn.engines.choice import make_team
from charnn.training.events import Evaluation, Step
from charnn.training.setup import new_run


def main() -> None:
    """Make 40 updates; after the first the momentum is the gradient."""
    text, name, output = sys.argv[1:]
    compute = EngineConfig(engine=name)
    team = make_team(compute)
    options = {**OPTIONS, "steps": 40, "optimizer": "momentum", "clip_norm": 100.0}
    config = Config.from_values(options | {"shards": 1})
    with ending_as_one(team):  # as the command ends its ranks
        run = new_run([text], config, fixed=options, write=False, compute=compute, team=team)
        losses, gradient = [], np.zeros(0)
        for event in run:
            if isinstance(event, Step):
                losses.append(event.loss)
                if event.update == 1:
                    arrays = run.trainer.engine.export()
                    (gradient,) = (
                        array for name, array in arrays.items() if name.startswith("optimizer/")
                    )
                    gradient = gradient.copy()
            if isinstance(event, Evaluation) and event.val_loss is not None:
                losses.append(event.val_loss)
        if team.rank == 0:
            np.savez(Path(output), gradient=gradient, losses=np.array(losses))


if __name__ == "__main__":
    main()

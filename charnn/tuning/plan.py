"""How a search divides its time: successive halving (Jamieson and Talwalkar, 2016).

A search has R rungs. All configurations are trained for a short time t on the first one; the better
half of them gets 2 t on the second one, the better half of these 4 t on the third, and so on. Each
time is a whole run: it starts from random weights, and its schedule ends when the time does. With c
configurations on the last rung, which take a time T each, and the start on every rung to compare
with, the rungs together take

    T (c R + 2 - 2^(2 - R)),     t = T / 2^(R - 1)

Times are those of runs that nothing disturbs. On a machine that has other work as well they take
longer, by a factor that the plan begins with and the search then observes.

The last rung is to take as long as the training that the search is for, if the time allows it:
what is best after seconds is not what is best after hours.
"""

from __future__ import annotations

from dataclasses import dataclass

RUNGS = 4  # where no target says otherwise
MOST_RUNGS = 5  # the first one says little of a run that is more than 16 times as long
FEWEST_FINAL = 2  # configurations on the last rung
MOST_CANDIDATES = 128  # on the first rung
RESERVE = 0.97  # of the time that is left is planned


@dataclass(frozen=True)
class Plan:
    """The time of a search in seconds, and how many configurations each rung keeps at the most.

    `target` is how long the training may take that the search is for; None: as long as the runs of
    the last rung happen to take. `slowness` is how much longer runs take than undisturbed ones.
    """

    seconds: float
    target: float | None
    sizes: tuple[int, ...]
    slowness: float = 1.0

    def trial_seconds(self, rung: int, entrants: int, left: float) -> float:
        """Return how long each run of a rung may take, undisturbed, of the seconds left."""
        units, twice = float(entrants), 1.0
        kept = entrants
        for size in self.sizes[rung + 1 :]:
            twice *= 2
            kept = min(kept, size + 1)  # the start is kept, too
            units += kept * twice
        seconds = RESERVE * max(left, 0.0) / units
        return seconds if self.target is None else min(seconds, self.target / twice)


def cost(rungs: int, final: int) -> float:
    """Return how long all rungs take, in runs of the last one."""
    return final * rungs + 2 - 2.0 ** (2 - rungs)


def plan_of(seconds: float, target: float | None, least: float, slowness: float = 1.0) -> Plan:
    """Return the plan of a search.

    `least` is how long the shortest run must take to say something. With a target, as many
    configurations are tried as runs of that length allow; where not even three rungs with it fit,
    the last rung is shorter.
    """
    planned = RESERVE * seconds / slowness
    if target is not None and cost(3, FEWEST_FINAL) * target <= planned:
        rungs = max(
            r
            for r in range(1, MOST_RUNGS + 1)
            if r == 1
            or (cost(r, FEWEST_FINAL) * target <= planned and target / 2 ** (r - 1) >= least)
        )
        final = int((planned / target - cost(rungs, 0)) / rungs)
        final = max(FEWEST_FINAL, min(final, MOST_CANDIDATES // 2 ** (rungs - 1)))
    else:
        final = FEWEST_FINAL
        rungs = max(
            r
            for r in range(1, RUNGS + 1)
            if r == 1 or planned / cost(r, final) / 2 ** (r - 1) >= least
        )
    return Plan(seconds, target, tuple(final * 2**k for k in reversed(range(rungs))), slowness)

"""The report's sections in order: each title, and the function that writes the section.

A section is added in three steps: a function of the `Material` that returns a `Section` with this
title, its sentences, and its figures; a line here; and a test. What cannot be shown of a model is a
`CharnnError`, whose sentence stands in the section's place.
"""

from __future__ import annotations

from collections.abc import Callable

from charnn.report.context_section import context
from charnn.report.curves_section import curves
from charnn.report.gradient_section import gradients
from charnn.report.material import Material
from charnn.report.novelty_section import copied_text
from charnn.report.parts import Section
from charnn.report.run_section import run_and_text
from charnn.report.samples_section import samples
from charnn.report.saturation_section import saturation
from charnn.report.similarity_section import similarities
from charnn.report.surprise_section import surprise
from charnn.report.units_section import units

SECTIONS: dict[str, Callable[[Material], Section]] = {
    "The run and its text": run_and_text,
    "Learning curves": curves,
    "Samples": samples,
    "Novelty": copied_text,
    "Surprise": surprise,
    "Gradient flow": gradients,
    "Context": context,
    "Saturation": saturation,
    "Units": units,
    "Similar characters": similarities,
}

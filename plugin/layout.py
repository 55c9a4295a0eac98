"""The options that make subtitles pleasant: cut into cues, shown early and long enough, in the looks of a theme."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from aligner_core.timeline import Alignment

from .breaking import Limits, broken, too_fast
from .display import Display, shown
from .formats import Format
from .losses import losses
from .sources import Source
from .targets import STDOUT, Target
from .theme import Theme, Themed, load_theme

SUBTITLES = ("srt", "ass", "ssa", "vtt", "ttml")  # what goes by lines and times on a screen


@dataclass(frozen=True)
class Layout:
    """The options of `layout_options`.

    Args:
        limits: of cues, None: lines stay as they are.
        display: when lines are shown.
        theme: how they look, None: as the format does by itself.
    """

    limits: Limits | None = None
    display: Display = field(default_factory=Display)
    theme: Theme | None = None

    def prepared(self, targets: Sequence[Target], in_place: bool = False) -> list[Target]:
        """The targets, those of ASS in the looks of the theme.

        Args:
            in_place: whether one of them is to stay as it is but for its times.

        Raises:
            UsageError: an option that none of them takes, or not in place.
        """
        if in_place and (self.limits or self.theme):
            raise click.UsageError("--in-place changes times only: no --theme, --max-chars, --max-lines or --max-cps")
        names = {target.format.name for target in targets}
        if self.theme and "ass" not in names:
            raise click.UsageError("--theme is for ASS, and no output is ASS")
        if (self.limits or self.display != Display()) and not names & {*SUBTITLES}:
            raise click.UsageError(f"no output is in a format that takes these options: {', '.join(SUBTITLES)}")
        return [replace(target, format=self.dressed(target.format)) for target in targets]

    def dressed(self, form: Format) -> Format:
        """ASS in the looks of the theme; any other format as it is."""
        return Themed(self.theme) if self.theme and form.name == "ass" else form

    def laid_out(self, alignment: Alignment) -> Alignment:
        """The cues, with the times at which they are on the screen."""
        cues = broken(alignment, self.limits) if self.limits else alignment
        return shown(cues, self.display) if self.display != Display() else cues

    def write(self, target: Target, alignment: Alignment, source: Source, losing: bool = True) -> tuple[str, ...]:
        """Lay the text out for a target and write it; gives what the user should know of it, a line each.

        Args:
            losing: whether what is left out is told.

        Raises:
            AlignerError: as `Target.write` does.
        """
        on_screen = target.format.name in SUBTITLES
        laid = self.laid_out(alignment) if on_screen else alignment
        fast = too_fast(laid, self.limits) if self.limits and on_screen else 0
        anew = on_screen and (self.limits or self.theme)  # else what stands in the source can stay as it is
        options = target.write(laid, None if anew else source)
        step = source.format.step if source.format else 0.0
        lost = losses(target.format, alignment, options, step) if options and losing else ()
        name = "standard output" if target.name == STDOUT else target.name
        return (
            *([f"{name}: left out: {', '.join(lost)}"] if lost else []),
            *([f"{name}: {fast} of {len(laid.lines)} lines are gone before they can be read"] if fast else []),
        )


_OPTIONS = (
    click.option("--max-chars", type=click.IntRange(1, 1000), metavar="N",
                 help="Cut the text into cues with rows of N characters at most.  [42 with --max-lines or --max-cps]"),
    click.option("--max-lines", type=click.IntRange(1, 100), metavar="N",
                 help="Cut the text into cues of N rows at most.  [2 with --max-chars or --max-cps]"),
    click.option("--max-cps", type=click.FloatRange(0, 1000, min_open=True), metavar="X",
                 help="Cut the text into cues to be read at X characters a second at most, where that can be."),
    click.option("--lead-in", type=click.FloatRange(0, 60), metavar="S",
                 help="Show a line S seconds before it is sung."),
    click.option("--min-show", type=click.FloatRange(0, 60), metavar="S", help="Show a line for S seconds at least."),
    click.option("--close-gaps", type=click.FloatRange(0, 60), metavar="S",
                 help="Show a line until the next if that comes within S seconds."),
    click.option("--theme", metavar="NAME|FILE", help="Looks of ASS: classic, film, stage, or a TOML file."),
)  # fmt: skip


def layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that the command gets together as its argument `layout`; the errors of a theme come before it runs."""

    @functools.wraps(command)
    def with_layout(
        *args: Any, max_chars: int | None, max_lines: int | None, max_cps: float | None, lead_in: float | None,
        min_show: float | None, close_gaps: float | None, theme: str | None, **others: Any,
    ) -> Any:  # fmt: skip
        looks = load_theme(theme) if theme else None
        usual = looks.show if looks else Display()
        display = Display(
            usual.lead_in if lead_in is None else lead_in, usual.min_show if min_show is None else min_show,
            usual.close_gaps if close_gaps is None else close_gaps,
        )  # fmt: skip
        asked = {"max_chars": max_chars, "max_lines": max_lines, "max_cps": max_cps}
        told: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        layout = Layout(Limits(**told) if told else None, display, looks)
        return command(*args, layout=layout, **others)

    for option in reversed(_OPTIONS):
        with_layout = option(with_layout)
    return with_layout

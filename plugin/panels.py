"""Pictures of what a network hears over time: spectrogram, activation map, probabilities and trellis.

As a web page that can be zoomed (plotly) or as a PNG (matplotlib); both are imported only when a picture is drawn.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligner_core.errors import AlignerError

Table = NDArray[np.floating[Any]]
HEIGHTS = {"sound": 0.9, "map": 0.9, "likely": 1.0, "trellis": 1.2}
TITLES = {
    "sound": "log-mel spectrogram", "map": "what speaks for these sounds, and against them",
    "likely": "probability of each symbol", "trellis": "where the paths of the text are, and the best of them",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """What is heard at one point of training, or by one network.

    Args:
        name: of a button.
        likely: (frames, symbols) probabilities.
        trellis: (frames, states) how much of all paths is in each state.
        best: (frames,) the state of the best path.
    """

    name: str
    likely: Table
    trellis: Table
    best: Sequence[int]


@dataclass(frozen=True)
class Picture:
    """One figure; what is None or empty is left out.

    Args:
        title, text: above it; HTML is written as text.
        sound: (mels, frames).
        symbols, states: names of the columns of the stages' tables.
        marks: start s, end s and name of sounds.
        start, step: seconds of the first frame, and from one frame to the next.
        heat: (mels, frames), an activation map.
    """

    title: str
    text: str
    sound: Table
    symbols: Sequence[str] = ()
    states: Sequence[str] = ()
    stages: Sequence[Stage] = ()
    marks: Sequence[tuple[float, float, str]] = ()
    start: float = 0.0
    step: float = 0.01
    heat: Table | None = None

    @property
    def seconds(self) -> Table:
        """(frames,)."""
        return self.start + self.step * np.arange(self.sound.shape[1])

    @property
    def rows(self) -> list[str]:
        """What is drawn, from the top down."""
        stages = ["likely", "trellis"] if self.stages else []
        return ["sound", *(["map"] if self.heat is not None else []), *stages]

    @property
    def strongest(self) -> float:
        """What has the deepest colour in the map: some few cells are far above all others."""
        return float(np.quantile(np.abs(self.heat), 0.995)) if self.heat is not None else 0.0

    @property
    def shown(self) -> list[int]:
        """Symbols that are ever likely."""
        most = np.max([stage.likely.max(0) for stage in self.stages], 0)
        return [at for at in range(len(self.symbols)) if most[at] > 0.1]


def page(pictures: Sequence[Picture]) -> str:
    """One web page that needs nothing else.

    Raises:
        AlignerError: plotly is not there.
    """
    _needed("plotly")
    parts = []
    for at, picture in enumerate(pictures):
        figure = _figure(picture).to_html(full_html=False, include_plotlyjs=at == 0)
        parts.append(f"<h2>{html.escape(picture.title)}</h2>\n<p>{html.escape(picture.text)}</p>\n{figure}")
    title = html.escape(pictures[0].title)
    style = "body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
    return "\n".join([head, *parts, "</html>\n"])


def png(pictures: Sequence[Picture]) -> bytes:
    """The last stage of each, one under the other.

    Raises:
        AlignerError: matplotlib is not there.
    """
    _needed("matplotlib")
    from matplotlib.figure import Figure

    rows = [(picture, row) for picture in pictures for row in picture.rows]
    figure = Figure(figsize=(13, 2.3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[HEIGHTS[row] for _, row in rows])[:, 0]
    for one, (picture, row) in zip(axes, rows, strict=True):
        _draw(one, picture, row)
    out = io.BytesIO()
    figure.savefig(out, dpi=70, format="png")
    return out.getvalue()


def _needed(name: str) -> None:
    try:
        import_module(name)
    except ImportError as error:
        raise AlignerError(f"{name} is not installed", hint='pip install "karalign[plots]"') from error


def _draw(axes: Any, picture: Picture, row: str) -> None:
    seconds = picture.seconds
    ends = (seconds[0], seconds[-1] + picture.step)
    axes.set(title=TITLES[row] if row != "sound" else picture.title, xlim=ends)
    if row in {"sound", "map"}:
        _draw_bands(axes, picture, row, ends)
    elif row == "likely":
        for at in picture.shown:
            axes.plot(seconds, picture.stages[-1].likely[:, at], label=picture.symbols[at])
        axes.legend(ncols=12, fontsize=7)
    else:
        _draw_trellis(axes, picture, ends)


def _draw_bands(axes: Any, picture: Picture, row: str, ends: tuple[float, float]) -> None:
    """The spectrogram or the map, with the sounds."""
    table = picture.sound if row == "sound" or picture.heat is None else picture.heat
    top = picture.strongest
    colours = {"cmap": "magma"} if row == "sound" else {"cmap": "RdBu_r", "vmin": -top, "vmax": top}
    axes.imshow(table, origin="lower", aspect="auto", extent=(*ends, 0, len(table)), **colours)
    for start, end, name in picture.marks:
        axes.axvline(start, color="white" if row == "sound" else "grey", linewidth=0.5)
        axes.text((start + end) / 2, len(table) * 0.9, name, color="cyan" if row == "sound" else "black", ha="center")


def _draw_trellis(axes: Any, picture: Picture, ends: tuple[float, float]) -> None:
    """All paths of the last stage, and the best."""
    stage, count = picture.stages[-1], len(picture.states)
    axes.imshow(np.sqrt(stage.trellis.T), origin="lower", aspect="auto", extent=(*ends, 0, count), cmap="Greys")
    axes.plot(picture.seconds + picture.step / 2, np.array(stage.best) + 0.5, color="crimson", linewidth=1)
    axes.set_yticks(np.arange(count) + 0.5, picture.states, fontsize=6)


def _figure(picture: Picture) -> Any:
    from plotly import graph_objects
    from plotly.subplots import make_subplots

    rows = picture.rows
    figure = make_subplots(
        len(rows), 1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[HEIGHTS[row] for row in rows],
        subplot_titles=[TITLES[row] for row in rows],
    )  # fmt: skip
    owners: list[int | None] = []  # the stage that each trace belongs to

    def add(trace: Any, row: str, owner: int | None = None) -> None:
        figure.add_trace(trace, rows.index(row) + 1, 1)
        owners.append(owner)

    seconds = picture.seconds
    add(graph_objects.Heatmap(x=seconds, z=picture.sound, colorscale="Magma", showscale=False), "sound")
    if picture.heat is not None:
        top = picture.strongest
        add(
            graph_objects.Heatmap(x=seconds, z=picture.heat, colorscale="RdBu_r", zmin=-top, zmax=top, showscale=False),
            "map",
        )
    last = len(picture.stages) - 1
    for number, stage in enumerate(picture.stages):
        for trace, row in _traces(graph_objects, picture, stage, visible=number == last):
            add(trace, row, number)
    _marked(figure, picture)
    if len(picture.stages) > 1:
        figure.update_layout(updatemenus=[_buttons(picture, owners)])
    figure.update_layout(height=240 * len(rows), margin={"t": 60, "b": 30}, template="plotly_white")
    return figure


def _marked(figure: Any, picture: Picture) -> None:
    """Where sounds begin, and their names."""
    for start, end, name in picture.marks:
        figure.add_vline(start, line_width=0.5, line_color="grey")
        figure.add_annotation(x=(start + end) / 2, y=1, yref="y domain", text=html.escape(name), showarrow=False)


def _traces(draw: Any, picture: Picture, stage: Stage, *, visible: bool) -> list[tuple[Any, str]]:
    seconds, names = picture.seconds, list(picture.states)
    places = [f"{at} {name}" for at, name in enumerate(names)]  # plotly makes one of rows of the same name
    best = [places[state] for state in stage.best]
    lines = [
        (draw.Scatter(x=seconds, y=stage.likely[:, at], name=picture.symbols[at], visible=visible), "likely")
        for at in picture.shown
    ]
    trellis = draw.Heatmap(
        x=seconds, y=places, z=np.sqrt(stage.trellis.T), colorscale="Greys", showscale=False, visible=visible
    )
    path = draw.Scatter(x=seconds, y=best, name="best path", line={"color": "crimson", "shape": "hv"}, visible=visible)
    return [*lines, (trellis, "trellis"), (path, "trellis")]


def _buttons(picture: Picture, owners: Sequence[int | None]) -> dict[str, Any]:
    buttons = [
        {"label": stage.name, "method": "update", "args": [{"visible": [owner in {None, at} for owner in owners]}]}
        for at, stage in enumerate(picture.stages)
    ]
    place = {"x": 0, "y": 1.0 + 0.25 / len(picture.rows), "xanchor": "left", "yanchor": "bottom"}
    return {"type": "buttons", "direction": "right", "buttons": buttons, "active": len(buttons) - 1, **place}

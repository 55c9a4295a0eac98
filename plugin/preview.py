"""Frames of subtitles as pictures: libass, in the ffmpeg that comes along."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aligner_core.errors import AlignerError

_SPEAKER = re.compile(r"^(?:\[[^\]]*\] )+")  # "[in#0 @ 0x5581]"
_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})|[a-zA-Z]{3,20}")
_RESOLUTION = {"width": re.compile(r"(?mi)^PlayResX:\s*([0-9]{1,5})\s*$"),
               "height": re.compile(r"(?mi)^PlayResY:\s*([0-9]{1,5})\s*$")}  # fmt: skip
_USUAL = (384, 288)  # what a script without a resolution is written for, as libass has it
_LEAST, _MOST = 16, 4096
_SECONDS = 120  # for a frame


class PreviewError(AlignerError):
    """No picture came out."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the text is shown over.

    Args:
        colour: as ffmpeg knows it, "0x203040" or "navy"; "" where there is a film.
        film: a video file.
        size: width and height, in pixels, of the colour.
    """

    colour: str
    film: str
    size: tuple[int, int]

    @classmethod
    def of(cls, over: str, script: str) -> Ground:
        """From what the user says: the name of a file that is there, else a colour.

        Raises:
            PreviewError: it is neither.
        """
        if Path(over).is_file():
            return cls("", str(Path(over).resolve()), (0, 0))
        if not (found := _COLOUR.fullmatch(over)):
            raise PreviewError("neither a video that is there nor a colour", over, "#203040 or navy")
        return cls(f"0x{found[1]}" if found[1] else over, "", resolution(script))

    def input_at(self, seconds: float) -> list[str]:
        """Options of ffmpeg for the one frame of this time."""
        if self.film:
            return ["-ss", f"{seconds:.3f}", "-i", f"file:{self.film}"]
        width, height = self.size
        return ["-f", "lavfi", "-i", f"color=c={self.colour}:s={width}x{height}:r=10:d=1"]


def resolution(script: str) -> tuple[int, int]:
    """Width and height that an ASS script is written for; even, and not beyond what a picture may have."""
    told = [found[1] if (found := sign.search(script)) else "" for sign in _RESOLUTION.values()]
    sizes = [int(value or usual) for value, usual in zip(told, _USUAL, strict=True)]
    width, height = (min(max(size, _LEAST), _MOST) // 2 * 2 for size in sizes)
    return width, height


def frame(script: str, seconds: float, ground: Ground) -> bytes:
    """The picture (PNG) of a script at a time.

    Raises:
        PreviewError: ffmpeg is not there, or does not make one; with its own words.
    """
    import imageio_ffmpeg

    with tempfile.TemporaryDirectory(prefix="karalign-") as folder:
        Path(folder, "script.ass").write_text(script, "utf-8", newline="\n")  # a name that no filter has to quote
        filters = f"setpts=PTS-STARTPTS+{seconds:.3f}/TB,ass=script.ass"
        try:
            done = subprocess.run(  # noqa: S603
                [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *ground.input_at(seconds),
                 "-vf", filters, "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-"],
                cwd=folder, capture_output=True, check=False, timeout=_SECONDS,
            )  # fmt: skip
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            raise PreviewError(f"ffmpeg does not run: {error}", hint="`karalign doctor` tells what is there") from error
    if done.returncode or not done.stdout:
        raise PreviewError(_reason(done.stderr) or f"there is nothing to be seen at {seconds:g} s", ground.film)
    return done.stdout


def _reason(said: bytes) -> str:
    """The last thing that ffmpeg said, without the address of who said it."""
    rows = [row.strip() for row in said.decode("utf-8", "replace").splitlines() if row.strip()]
    return f"ffmpeg: {_SPEAKER.sub('', rows[-1])}" if rows else ""

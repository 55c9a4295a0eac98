"""The picture that people share: a song with its words on the screen as a video, by the ffmpeg that comes along."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from aligner_core.errors import AlignerError

from .preview import Ground

RATE = 30  # pictures a second
ENDINGS = (".mp4", ".mkv", ".mov")
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_SPEAKER = re.compile(r"^(?:\[[^\]]*\] )+")
_DONE = re.compile(rb"out_time_us=([0-9]+)")


class VideoError(AlignerError):
    """No video came out."""


def write_video(
    script: str, song: str, name: str, ground: Ground, size: tuple[int, int], seconds: float,
    progress: Callable[[float], object] | None = None,
) -> None:  # fmt: skip
    """Write a song with an ASS script over a ground, whole or not at all.

    Args:
        song: any sound or video file, of which the first sound is taken.
        ground: a colour, an image or a film; a film that is too short begins again.
        size: width and height in pixels, even.
        seconds: of the video.
        progress: is told the share that is done.

    Raises:
        VideoError: ffmpeg is not there, or gives up; an existing file is as it was.
    """
    target = Path(os.path.realpath(name))
    beside = target.with_name(f".karalign-{secrets.token_hex(6)}{target.suffix.lower()}")
    try:
        with tempfile.TemporaryDirectory(prefix="karalign-") as folder:
            Path(folder, "script.ass").write_text(script, "utf-8", newline="\n")  # a name that no filter has to quote
            options = [*_input(ground, size), "-i", f"file:{Path(song).resolve()}", *_output(size, seconds)]
            _run([*options, f"file:{beside}"], folder, seconds, progress)
        if target.exists():
            beside.chmod(target.stat().st_mode)
        beside.replace(target)
    except OSError as error:
        raise VideoError(f"cannot be written: {error.strerror or error}", name) from error
    finally:
        beside.unlink(missing_ok=True)


def _input(ground: Ground, size: tuple[int, int]) -> list[str]:
    if not ground.film:
        return ["-f", "lavfi", "-i", f"color=c={ground.colour}:s={size[0]}x{size[1]}:r={RATE}"]
    if Path(ground.film).suffix.lower() in _IMAGES:
        return ["-loop", "1", "-framerate", str(RATE), "-i", f"file:{ground.film}"]
    return ["-stream_loop", "-1", "-i", f"file:{ground.film}"]


def _output(size: tuple[int, int], seconds: float) -> list[str]:
    width, height = size
    filters = (
        f"[0:v]scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},fps={RATE},setsar=1,"
        "ass=script.ass[v]"
    )
    return [
        "-filter_complex", filters, "-map", "[v]", "-map", "1:a:0", "-t", f"{seconds:.3f}", "-c:v", "libx264",
        "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k",
        "-movflags", "+faststart", "-map_metadata", "-1", "-progress", "pipe:1",
    ]  # fmt: skip


def _run(options: list[str], folder: str, seconds: float, progress: Callable[[float], object] | None) -> None:
    import imageio_ffmpeg

    try:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *options]
    except RuntimeError as error:
        raise VideoError(f"ffmpeg does not run: {error}", hint="`karalign doctor` tells what is there") from error
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=said) as ffmpeg:  # noqa: S603
            try:
                for row in ffmpeg.stdout or ():
                    if progress and (found := _DONE.match(row)):
                        progress(min(1.0, int(found[1]) / 1e6 / seconds))
            except BaseException:
                ffmpeg.kill()
                raise
        if ffmpeg.returncode:
            said.seek(0)
            raise VideoError(_reason(said.read()))


def _reason(said: bytes) -> str:
    rows = [row.strip() for row in said.decode("utf-8", "replace").splitlines() if row.strip()]
    return f"ffmpeg: {_SPEAKER.sub('', rows[-1])}" if rows else "ffmpeg gave up"

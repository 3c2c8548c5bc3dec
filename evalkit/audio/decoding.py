"""Decoding with libsndfile, within bounds: a damaged, hostile or cut recording is refused for a reason that is true."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.audio.mending import LAST_TAG_SIZE, MENDED, has_last_tag, is_unknown, with_unknown_size, without_tags
from evalkit.errors import AudioError

Waveform = npt.NDArray[np.float32]
Source = str | io.BytesIO

RATES = (1_000, 655_350)
"""Rates in hertz of what is taken for a recording; the upper one is the most that FLAC can hold."""

LONGEST_SECONDS = 4 * 3600.0
"""The longest recording that is read. Few bytes can claim, or hold, more silence than there is memory for."""

_MOST_FRAMES = 1 << 29  # 2 GiB of samples; 3 hours at 48 kHz

# Values decoded at a time, so that a long recording of many channels is mixed down before it is held whole.
_BLOCK_VALUES = 1 << 21

# Seconds by which a header may promise more than the file holds: MP3 headers count padding that decoders
# trim, and some WAV writers count their own header as sound.
_TOLERANCE = 0.1

# libsndfile's count where a header gives none, as of FLAC that was written to a pipe.
_UNKNOWN_LENGTH = (1 << 63) - 1

# libsndfile corrects a header that promises too much, and says so only in its log: WAV, AIFF, AU; then Ogg.
_LOGGED_SHORTAGE = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_LOGGED_BROKEN_PAGE = re.compile(r"^Ogg ?: Junk after the last page", re.MULTILINE)

# What soundfile raises about content: a TypeError is about headerless .raw files, which have no rate.
_REFUSED = (RuntimeError, TypeError, ValueError, OSError)


def read_mono(source: Source, name: str, span: tuple[float, float] | None = None) -> tuple[Waveform, int]:
    """Decode the mean of all channels [samples], and the sample rate in hertz.

    Args:
        source: a file, or its bytes.
        name: what messages call it.
        span: where the part to decode begins and ends, in seconds; by default all is decoded.

    Raises:
        AudioError: it is not audio, damaged, cut short, or out of bounds; the message begins with ``name``.
    """
    with _opened(source, name, span) as file:
        try:
            blocks = list(_mono_blocks(file, name, span))
            mono = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
        except _REFUSED as error:
            raise AudioError(f"{name}: the audio is cut short or damaged ({reason(error)})") from error
        except MemoryError as error:
            raise AudioError(f"{name}: the audio does not fit into memory") from error
        if span is None:
            _check_complete(file, source, len(mono), name)
        elif span[1] - span[0] - len(mono) / file.samplerate > _TOLERANCE:
            raise AudioError(f"{name}: ends before {span[1]:.2f} seconds, where the part that is wanted ends")
        return mono, int(file.samplerate)


def seconds_by_header(source: Source, name: str) -> float:
    """Return the length of a recording, decoded no further than shows that its file is whole.

    Of WAV, AIFF, AU and Ogg the header is held against the size of the file; of FLAC the last frame is decoded. MP3
    gives away only when it is decoded that it was cut short. Where the header does not say how long the recording is,
    all of it is decoded.

    Raises:
        AudioError: as ``read_mono`` does, and if there are no samples.
    """
    with _opened(source, name) as file:
        if file.frames == 0:
            raise AudioError(f"{name}: the audio holds no samples")
        if file.frames != _UNKNOWN_LENGTH:
            if file.format == "FLAC":
                _check_last_frame(file, name)
            _check_complete(file, source, file.frames, name)
            return float(file.frames / file.samplerate)
    if isinstance(source, io.BytesIO):
        source.seek(0)
    mono, rate = read_mono(source, name)
    if len(mono) == 0:
        raise AudioError(f"{name}: the audio holds no samples")
    return len(mono) / rate


def resampled(mono: Waveform, rate: int, wanted: int, name: str) -> Waveform:
    """Return a waveform at another rate, by soxr at its high quality.

    Raises:
        AudioError: there are samples that are not finite numbers, or it does not fit into memory.
    """
    if rate != wanted:
        import soxr

        try:
            mono = soxr.resample(mono, rate, wanted)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise AudioError(f"{name}: cannot be resampled from {rate} to {wanted} Hz ({error})") from error
    check_finite(mono, name)
    return np.ascontiguousarray(mono, dtype=np.float32)


def check_finite(mono: Waveform, name: str) -> None:
    """Refuse a waveform that holds infinities or what is no number.

    Raises:
        AudioError: it does.
    """
    if not np.isfinite(mono).all():
        raise AudioError(f"{name}: the audio holds samples that are not finite numbers")


def reason(error: Exception) -> str:
    """Return what an error of libsndfile says, without its opening words."""
    return str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")


@contextmanager
def _opened(source: Source, name: str, span: tuple[float, float] | None = None) -> Iterator[Any]:
    """Return an open ``soundfile.SoundFile`` whose rate and length are within bounds."""
    try:
        file = _open(source)
    except (*_REFUSED, MemoryError) as error:
        raise AudioError(
            f"{name}: cannot be read as audio ({reason(error)}): it is empty, damaged, "
            "or of a kind to convert to WAV or FLAC first"
        ) from error
    with file:
        low, high = RATES
        if not low <= file.samplerate <= high:
            raise AudioError(f"{name}: its rate is {file.samplerate:,} Hz; recordings have {low:,} to {high:,} Hz")
        if file.frames != _UNKNOWN_LENGTH and span is None:
            _check_length(file.frames, file.samplerate, name)
        yield file


def _open(source: Source) -> Any:
    file_type = _streaming_file_type()
    file, refused = None, None
    try:
        file = file_type(source)
        empty_wav = file.frames == 0 and file.format in ("WAV", "WAVEX", "RF64")
        # libsndfile opens some files behind a tag of ID3, but cannot seek in FLAC and counts too little of WAV. A tag
        # behind FLAC is read as a frame.
        tagged = file.format != "MP3" and "ID3" in file.extra_info
        if not empty_wav and not tagged and not (file.format == "FLAC" and _ends_with_tag(source)):
            return file
    except _REFUSED as error:
        refused = error
    content = _content(source)
    changed = with_unknown_size(content) or without_tags(content)
    if changed is not None:
        if file is not None:
            file.close()
        return file_type(changed)
    if refused is not None:
        raise refused
    return file


@cache
def _streaming_file_type() -> Any:
    """Return soundfile's class without its seek after every block, which some good files refuse."""
    import soundfile

    class StreamingFile(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return StreamingFile


def _content(source: Source) -> bytes:
    """Read all of a file that may be mended, as its first bytes show; nothing of another, which may be large."""
    if isinstance(source, io.BytesIO):
        return source.getvalue()
    with open(source, "rb") as file:
        return file.read() if file.read(4).startswith(MENDED) and file.seek(0) == 0 else b""


def _ends_with_tag(source: Source) -> bool:
    if isinstance(source, io.BytesIO):
        return has_last_tag(source.getbuffer()[-LAST_TAG_SIZE:].tobytes())
    with open(source, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - LAST_TAG_SIZE))
        return has_last_tag(file.read())


def _mono_blocks(file: Any, name: str, span: tuple[float, float] | None) -> Iterator[Waveform]:
    left = _UNKNOWN_LENGTH
    if span is not None:
        start, end = (round(seconds * file.samplerate) for seconds in span)
        if start >= file.frames:
            return
        file.seek(start)
        left = end - start
    frames = 0
    block_frames = max(1, _BLOCK_VALUES // file.channels)
    while left and len(block := file.read(min(block_frames, left), dtype="float32", always_2d=True)):
        left -= len(block)
        frames += len(block)
        _check_length(frames, file.samplerate, name)
        # Adding up columns is ten times as fast as a mean over such a short axis.
        yield sum(block.T) / np.float32(file.channels)


def _check_length(frames: int, rate: int, name: str) -> None:
    if frames > min(_MOST_FRAMES, LONGEST_SECONDS * rate):
        raise AudioError(
            f"{name}: is longer than {min(_MOST_FRAMES / rate, LONGEST_SECONDS) / 3600:.1f} hours; cut it into parts"
        )


def _check_last_frame(file: Any, name: str) -> None:
    try:
        file.seek(file.frames - 1)
        found = len(file.read(1))
    except _REFUSED as error:
        raise AudioError(f"{name}: the audio is cut short or damaged ({reason(error)})") from error
    if not found:
        raise AudioError(f"{name}: the audio is cut short, its last frame is missing")


def _check_complete(file: Any, source: Source, frames: int, name: str) -> None:
    """Refuse an open file that gave fewer frames than its maker wrote."""
    if _LOGGED_BROKEN_PAGE.search(file.extra_info):
        raise AudioError(f"{name}: the audio is cut short or damaged, its last Ogg page is incomplete")
    if file.frames == _UNKNOWN_LENGTH or (file.format == "MP3" and not _has_length_tag(file, source)):
        return
    promised = file.frames
    shortage = _LOGGED_SHORTAGE.search(file.extra_info)
    if shortage:
        promised_bytes, actual_bytes = map(int, shortage.groups())
        if 0 < actual_bytes < promised_bytes and not is_unknown(promised_bytes):
            promised = file.frames * promised_bytes // actual_bytes
    if promised - frames > _TOLERANCE * file.samplerate:
        raise AudioError(
            f"{name}: the audio is cut short, it holds {frames / file.samplerate:.2f} "
            f"of the {promised / file.samplerate:.2f} seconds that its header promises"
        )


def _has_length_tag(file: Any, source: Source) -> bool:
    """Tell whether an MP3 begins with a Xing or Info tag; the length is a guess from the bit rate if not."""
    id3 = re.search(r"ID3v2\.\d header length :\s*(\d+)", file.extra_info)
    start = int(id3[1]) if id3 else 0
    if isinstance(source, io.BytesIO):
        first_frame = bytes(source.getbuffer()[start : start + 64])
    else:
        with open(source, "rb") as stream:
            stream.seek(start)
            first_frame = stream.read(64)
    return b"Xing" in first_frame or b"Info" in first_frame

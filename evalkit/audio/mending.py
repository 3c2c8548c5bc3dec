"""Files that other programs play although libsndfile does not, and how they have to be changed for it.

Their headers were written before the length was known, by programs that write to a pipe, and never filled in; or tags
of ID3, which are MP3's, stand before or behind them.
"""

import io
import struct

# What programs write instead of a length that they cannot know: SoX into AIFF and WAV, others into WAV, a byte count of
# all ones. They round it down to whole blocks of samples, and some take their own header off.
_UNKNOWN_SIZES = (0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_ROUNDED_BY = 0xFFFF
_CHUNKS_LOOKED_AT = 100

FLAC = b"fLaC"
LAST_TAG_SIZE = 128
_TAGGED = (FLAC, b"OggS", b"RIFF", b"RF64")
MENDED = (b"RIFF", b"RF64", b"ID3", FLAC)
"""How the files begin that can be mended."""


def is_unknown(size: int) -> bool:
    """Tell whether a size in bytes stands for one that the writer could not know."""
    return any(mark - _ROUNDED_BY <= size <= mark for mark in _UNKNOWN_SIZES)


def with_unknown_size(content: bytes) -> io.BytesIO | None:
    """Return a WAV file whose header wrongly says that it holds no sound, made to say that its length is unknown.

    Returns:
        The file with its header changed, of RF64 into that of a plain WAV; or None if it is not such a file.
    """
    if content[:4] not in (b"RIFF", b"RF64") or content[8:12] != b"WAVE":
        return None
    # An empty file that was closed well has the right size on the outside.
    if content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") in (len(content) - 8, len(content) - 7):
        return None
    position, sizes_elsewhere = 12, None
    for _ in range(_CHUNKS_LOOKED_AT):
        if position + 8 > len(content):
            return None
        name, size = struct.unpack_from("<4sI", content, position)
        if name == b"ds64":
            sizes_elsewhere = position
        if name == b"data":
            break
        position += 8 + size + size % 2
    else:
        return None
    if position + 8 >= len(content) or not (size == 0 or sizes_elsewhere is not None):
        return None
    changed = bytearray(content)
    changed[:8] = b"RIFF\xff\xff\xff\xff"
    changed[position + 4 : position + 8] = b"\xff\xff\xff\xff"
    if sizes_elsewhere is not None:
        changed[sizes_elsewhere : sizes_elsewhere + 4] = b"JUNK"
    return io.BytesIO(changed)


def without_tags(content: bytes) -> io.BytesIO | None:
    """Return a FLAC, Ogg or WAV file without tags of ID3 before it, and a FLAC file without the one behind it.

    Returns:
        The file, or None if it is not such a file or has no tags.
    """
    start = 0
    while content[start : start + 3] == b"ID3" and len(content) >= start + 10:
        size = 0
        for byte in content[start + 6 : start + 10]:  # of which the first bit is never used
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if content[start + 5] & 0x10 else 0)  # with a footer
    if not content.startswith(_TAGGED, start):
        return None
    is_flac = content.startswith(FLAC, start)
    end = len(content) - LAST_TAG_SIZE if is_flac and has_last_tag(content[-LAST_TAG_SIZE:]) else len(content)
    return io.BytesIO(content[start:end]) if (start, end) != (0, len(content)) else None


def has_last_tag(end: bytes) -> bool:
    """Tell whether the last ``LAST_TAG_SIZE`` bytes of a file are a tag of ID3's first version."""
    return len(end) == LAST_TAG_SIZE and end.startswith(b"TAG")

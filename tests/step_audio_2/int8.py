"""Whether the processor has what speech in 8-bit numbers wants."""

import pytest


def skip_without_int8() -> None:
    """Skip the test where the processor has no instructions for products of 8-bit numbers."""
    import torch

    from step_audio_2.errors import UnsupportedError
    from step_audio_2.speech.int8_layers import check_int8

    try:
        check_int8(torch.device("cpu"))
    except UnsupportedError as error:
        pytest.skip(str(error))

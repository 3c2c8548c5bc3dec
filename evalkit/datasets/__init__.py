"""Data sets: readers for the formats that speech corpora come in, each an iterable of samples."""

from evalkit.datasets.column_mapping import ColumnMapping
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.fingerprint import Fingerprint
from evalkit.datasets.hub import HubDataset
from evalkit.datasets.layouts.aishell import AishellFolder
from evalkit.datasets.layouts.common_voice import CommonVoiceFolder
from evalkit.datasets.layouts.covost import CovostFolder
from evalkit.datasets.layouts.cvss import CvssFolder
from evalkit.datasets.layouts.fleurs import FleursFolder
from evalkit.datasets.layouts.kaldi import KaldiFolder
from evalkit.datasets.layouts.lhotse import LhotseCuts
from evalkit.datasets.layouts.librispeech import LibriSpeechFolder
from evalkit.datasets.layouts.transcripts import TranscriptFile
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.opening import open_dataset

__all__ = [
    "AishellFolder",
    "ColumnMapping",
    "CommonVoiceFolder",
    "CovostFolder",
    "CvssFolder",
    "Dataset",
    "Fingerprint",
    "FleursFolder",
    "HubDataset",
    "KaldiFolder",
    "LhotseCuts",
    "LibriSpeechFolder",
    "Manifest",
    "TranscriptFile",
    "open_dataset",
]

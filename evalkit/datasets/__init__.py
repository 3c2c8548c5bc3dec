"""Data sets: readers for the formats that speech corpora come in, each an iterable of samples."""

from evalkit.datasets.aishell import AishellFolder
from evalkit.datasets.covost import CovostFolder
from evalkit.datasets.cvss import CvssFolder
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.fingerprint import Fingerprint
from evalkit.datasets.hub import HubDataset
from evalkit.datasets.kaldi import KaldiFolder
from evalkit.datasets.librispeech import LibriSpeechFolder
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.opening import open_dataset

__all__ = [
    "AishellFolder",
    "CovostFolder",
    "CvssFolder",
    "Dataset",
    "Fingerprint",
    "HubDataset",
    "KaldiFolder",
    "LibriSpeechFolder",
    "Manifest",
    "open_dataset",
]

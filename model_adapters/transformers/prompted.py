"""What the adapters share that load one class of transformers: loading, batches of what is alike, an identity."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from importlib import metadata
from typing import Any, ClassVar

from evalkit.errors import ConfigurationError, first_line
from evalkit.hints import install_command
from evalkit.types import Request, Response
from model_adapters.shared.torch_memory import OnTorch
from model_adapters.transformers.checkpoint import (
    checked_dtype,
    chosen_device,
    import_torch,
    load_complete,
    loading,
    weights_identity,
)


class PromptedCheckpoint(OnTorch):
    """A checkpoint of one of a few kinds that transformers has classes for. Code that comes with it is never run.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        dtype: ``float32``, ``float16`` or ``bfloat16``; ``auto`` for bfloat16 on a GPU, float32 elsewhere.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Attributes:
        name: what the fingerprint calls the adapter.
        classes: by the ``model_type`` of a checkpoint's config.json, the class of transformers that loads it.
        extra: the part of evalkit that brings the libraries.
        libraries: that an answer depends on.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or the checkpoint is of another kind.
    """

    name: ClassVar[str]
    classes: ClassVar[Mapping[str, str]]
    extra: ClassVar[str] = "transformers"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")

    def __init__(
        self,
        path: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        revision: str = "main",
        local_files_only: bool = False,
    ) -> None:
        import_torch(self.extra)
        device = chosen_device(device)
        if dtype == "auto":
            dtype = "float32" if device == "cpu" else "bfloat16"
        source = {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": False}
        with loading(path):
            try:
                self._model, self._processor = self._load(path, checked_dtype(dtype), source)
            except ImportError as error:  # how transformers says that a library of this checkpoint is not there
                raise ConfigurationError(
                    f"{path}: {first_line(error)}; what it needs comes with {install_command(self.extra)}"
                ) from error
            self._model = self._model.eval().to(device)
        self._identity = {
            "weights": weights_identity(path, revision),
            "device": self._model.device.type,
            "dtype": dtype,
            "versions": {library: metadata.version(library) for library in self.libraries},
        }

    def _load(self, path: str, dtype: Any, source: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return model and processor, once the checkpoint is known to be of the right kind and complete."""
        import transformers

        config = transformers.AutoConfig.from_pretrained(path, **source)
        if config.model_type not in self.classes:
            raise ConfigurationError(
                f"{path}: a checkpoint of type '{config.model_type}' is not for this adapter, which takes "
                f"{', '.join(self.classes)}"
            )
        model_class = getattr(transformers, self.classes[config.model_type])
        model = load_complete(model_class.from_pretrained, path, dtype, source)
        return model, self._load_processor(path, source)

    def _load_processor(self, path: str, source: Mapping[str, Any]) -> Any:
        import transformers

        return transformers.AutoProcessor.from_pretrained(path, **source)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests, those that may share a batch together.

        Raises:
            ConfigurationError: a request asks for what the model can never do.
            DataError: a request is not of the form that the model takes.
            AudioError: a recording cannot be read.
        """
        batches: dict[Hashable, list[int]] = {}
        for index, request in enumerate(requests):
            batches.setdefault(self._alike(request), []).append(index)
        responses: dict[int, Response] = {}
        for together in batches.values():
            answered = self._answer([requests[index] for index in together])
            responses |= zip(together, answered, strict=True)
        return [responses[index] for index in range(len(requests))]

    @abstractmethod
    def _alike(self, request: Request) -> Hashable:
        """Return what requests must agree in to be answered in one batch without any of them noticing."""

    @abstractmethod
    def _answer(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests that are alike."""

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, or by hub name and commit; the arithmetic; the versions of the libraries."""
        return {"adapter": self.name, **self._identity}

    def close(self) -> None:
        """Free the weights."""
        torch = import_torch()
        del self._model
        torch.cuda.empty_cache()

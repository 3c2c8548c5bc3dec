"""What PyTorch tells of a GPU's memory, and what it gives back."""

from evalkit.adapter import Memory, ModelAdapter


class OnTorch(ModelAdapter):
    """A model of PyTorch, whose batches grow and shrink with the memory of the GPUs of CUDA that it works on."""

    def device_memory(self) -> Memory | None:
        """Return the memory of the GPU that came nearest to being full, or None if none is at work."""
        import torch

        used = [index for index in range(torch.cuda.device_count()) if torch.cuda.max_memory_allocated(index)]
        return max(map(_memory_of, used), key=lambda memory: memory.peak / memory.capacity, default=None)

    def release_memory(self) -> None:
        """Give back what PyTorch keeps for later, and forget how much the batch held that failed."""
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
            for index in range(torch.cuda.device_count()):
                torch.cuda.reset_peak_memory_stats(index)


def _memory_of(device: int) -> Memory:
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    resting, peak = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return Memory(resting, peak, free + torch.cuda.memory_reserved(device))

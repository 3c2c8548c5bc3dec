"""What the samples of a task show together, each view gathering what it needs sample by sample in constant memory."""

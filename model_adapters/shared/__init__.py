"""What several families of adapters use."""

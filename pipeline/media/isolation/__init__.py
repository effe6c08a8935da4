"""What a decoder cannot reach: files, network and calls of the kernel."""

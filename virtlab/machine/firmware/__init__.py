"""What lies below an operating system: the built-in SBI, and the board's device tree."""

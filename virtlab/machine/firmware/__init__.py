"""What runs below an operating system: the built-in SBI, and the device tree that describes the board."""

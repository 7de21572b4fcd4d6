"""What this machine offers: threads, memory, and the limits set on both."""

"""Models that were trained elsewhere: looked through before anything loads them, loaded in a process with limits."""

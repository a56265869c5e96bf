"""Sound in and out: sources, sinks, the output that everything shares, and sounds of the device itself."""

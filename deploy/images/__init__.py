"""Container images: what goes into each, and how it is built and run without a container engine."""

"""Spoken sentences kept: in this process, and in the object store for every worker."""

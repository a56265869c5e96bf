"""Faults against the whole system while devices talk to it, and a checker that hears only what the devices heard."""

import os

# The driver talks to schedulers while it starts processes; before anything imports gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

"""The earshot command."""

import os

# Before the first import of gRPC, which reads them then: its own lines about forks and closed connections would stand
# between those of the command. Whoever sets them decides; the services of a stack inherit them.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

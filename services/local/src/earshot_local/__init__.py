"""The whole system on one machine: nats-server, credentials, supervisor."""

from earshot_local.home import Home, Running, default_home
from earshot_local.plan import SERVICES, Service, parse_scale
from earshot_local.stack import Stack

__all__ = ["SERVICES", "Home", "Running", "Service", "Stack", "default_home", "parse_scale"]

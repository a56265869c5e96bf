"""One way to be a service: bus, gRPC, telemetry, health, settings, errors."""

from earshot_chassis.lean import install

install()

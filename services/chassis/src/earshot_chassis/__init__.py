"""One way to be a service: bus, gRPC, telemetry, health, settings, errors."""

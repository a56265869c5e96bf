"""The whole system on one machine: nats-server, credentials, supervisor."""

"""The way to the cloud and back: connection, protobuf mapping, what is sent until it is acknowledged."""

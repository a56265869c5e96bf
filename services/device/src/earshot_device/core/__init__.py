"""What a turn is, without I/O: values and state machines. No bus, no protobuf, no clock of its own."""

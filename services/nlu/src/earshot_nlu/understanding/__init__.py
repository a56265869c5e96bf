"""From words to ranked meanings: no I/O and no protobuf."""

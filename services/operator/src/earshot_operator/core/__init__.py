"""What a Skill becomes and how it is doing: no I/O, no protobuf, no clock."""

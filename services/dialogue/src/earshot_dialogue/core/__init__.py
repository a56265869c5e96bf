"""The pure core: sessions, decisions, routing, outcomes. No I/O, no protobuf."""

"""What tests share: a real nats-server, the data folder, hand-written fakes for engines."""

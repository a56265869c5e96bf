"""Every subject, stream, consumer, bucket and permission, declared in one place."""

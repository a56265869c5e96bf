"""Media: fetched over HTTP, decoded, played."""

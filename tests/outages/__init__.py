"""Networks, the bus and services that are gone for a while; what the household hears of it."""
